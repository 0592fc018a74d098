"""A training of Keras, seen in every dashboard that it writes for: graph, histograms, projector, profile."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from .test_frameworks_in_page import Training

KERAS = """
import sys
import keras
import numpy as np
from tallyboard.integrations.keras import TallyboardCallback

words = keras.Input((5,), dtype="int32", name="words")
x = keras.layers.GlobalAveragePooling1D(name="mean")(keras.layers.Embedding(30, 4, name="meanings")(words))
model = keras.Model(words, keras.layers.Dense(3, name="head")(x))
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
callback = TallyboardCallback(sys.argv[1], histogram_freq=1, write_images=True, embeddings_freq=1, profile_batch=(2, 3))
data = np.random.default_rng(0).integers(0, 30, (40, 5))
model.fit(data, data[:, 0] % 3, epochs=2, batch_size=10, verbose=0, callbacks=[callback])
print("{}")
"""


def test_keras_is_in_every_dashboard(tmp_path: Path, serve: Callable[..., Any], open_page: Callable[..., Page]) -> None:
    """The layers in the graph, a histogram of a kernel for both epochs, the embedding's vectors, and the steps of the
    profile that was asked for."""
    Training(KERAS, tmp_path / "words", KERAS_BACKEND="jax").reported()
    page = open_page(serve(tmp_path), "dash=graphs")
    page.get_by_label("Find in the graph").fill("meanings")
    expect(page.get_by_role("list", name="Found").get_by_role("button")).to_have_count(1)
    page.evaluate("location.hash = 'dash=histograms&tags=head/kernel'")
    expect(page.locator(".chart[data-points='2']").first).to_be_visible()
    page.evaluate("location.hash = 'dash=projector'")
    expect(page.get_by_label("Embedding").locator("option")).to_have_text(
        [re.compile("meanings:00000"), re.compile("meanings:00001")]
    )
    expect(page.locator("[aria-label^='30 points of meanings:0000']")).to_be_visible()
    page.evaluate("location.hash = 'dash=profiles'")
    expect(page.get_by_role("main")).to_contain_text(re.compile(r"words/train[\s\S]*in 2 steps"))
