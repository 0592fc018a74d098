"""The callback's arguments, checked before a training begins."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallyboard.core.hparams import hparams_of

__all__ = ["KINDS", "Settings", "batches_of", "checked", "kinds_of", "update_freq_of"]

KINDS: Final = ("weights", "gradients", "activations", "moments")
"""What histograms there can be of."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is to be logged; see the callback for what each means.

    Attributes:
        profile: the first and the last batch to record, or None.
        hparams: False for none, else those given.
        classes: names for the confusion matrix, or None; of no interest where `evaluation` is False.
    """

    histogram_freq: int
    histograms: frozenset[str]
    write_graph: bool
    write_images: bool
    write_steps_per_second: bool
    update_freq: str | int
    profile: tuple[int, int] | None
    embeddings_freq: int
    embeddings_metadata: str | Mapping[str, str] | None
    validation_data: Any
    hparams: Mapping[str, Any] | bool
    system: bool
    evaluation: bool
    classes: tuple[str, ...] | None
    prediction_images: Callable[[Any, int], Any] | None
    resume: bool


def update_freq_of(update_freq: object) -> str | int:
    """`"epoch"`, or a number of batches.

    Raises:
        ValueError: it is neither of the words, nor a number from 1.
    """
    if update_freq == "epoch":
        return "epoch"
    if update_freq == "batch":
        return 1
    number = _whole(update_freq)
    if number is None or number < 1:
        raise ValueError(f"update_freq={update_freq!r}: give 'epoch', 'batch', or a number of batches from 1")
    return number


def batches_of(profile_batch: object) -> tuple[int, int] | None:
    """The first and the last batch to record, counted from 1; None for none.

    Raises:
        ValueError: it is no number of a batch, no pair, and no string of one or two.
    """
    given = profile_batch
    if isinstance(given, str):
        given = [int(part) if part.strip().isdecimal() else part for part in given.split(",")]
    pair: Sequence[Any] = given if isinstance(given, tuple | list) else [given, given]
    pair = [pair[0], pair[0]] if len(pair) == 1 else pair
    numbers = [_whole(one) for one in pair]
    if len(numbers) != 2 or None in numbers:
        raise ValueError(_wrong_batches(profile_batch))
    first, last = numbers[0] or 0, numbers[1] or 0
    if first == last == 0:
        return None
    if first < 1 or last < first:
        raise ValueError(_wrong_batches(profile_batch))
    return first, last


def kinds_of(histograms: object) -> frozenset[str]:
    """The kinds of histograms.

    Raises:
        ValueError: one is none of `KINDS`.
    """
    if histograms == "all":
        return frozenset(KINDS)
    given: Any = [histograms] if isinstance(histograms, str) else histograms
    if not isinstance(given, Collection) or any(one not in KINDS for one in given):
        raise ValueError(f"histograms={histograms!r}: give 'all', or some of {', '.join(map(repr, KINDS))}")
    return frozenset(given)


def checked(**given: Any) -> Settings:
    """The callback's arguments, by its names for them.

    Raises:
        ValueError: a frequency is none, or `profile_batch`, `histograms` or `evaluation` nothing that it may be.
        TypeError: metadata or images come from nothing that gives them.
        InvalidSummary: the hyperparameters are no mapping.
    """
    metadata, evaluation, images = (given[key] for key in ("embeddings_metadata", "evaluation", "prediction_images"))
    if metadata is not None and not isinstance(metadata, str | Mapping):
        raise TypeError(
            f"embeddings_metadata={metadata!r}: give the name of a file, or a dict from the names of layers to those "
            "of files"
        )
    if not isinstance(given["hparams"], bool):
        hparams_of(given["hparams"])
    named = evaluation if isinstance(evaluation, list | tuple) else None
    if named is None and not isinstance(evaluation, bool) and evaluation is not None:
        raise ValueError(f"evaluation={evaluation!r}: give True, or a list with the names of the classes")
    if images is not None and not callable(images):
        raise TypeError(
            f"prediction_images={images!r}: give a function of the model and the epoch that returns a dict from tags "
            "to batches of pictures [N, H, W, C]"
        )
    return Settings(
        histogram_freq=_epochs("histogram_freq", given["histogram_freq"]),
        histograms=kinds_of(given["histograms"]),
        write_graph=bool(given["write_graph"]),
        write_images=bool(given["write_images"]),
        write_steps_per_second=bool(given["write_steps_per_second"]),
        update_freq=update_freq_of(given["update_freq"]),
        profile=batches_of(given["profile_batch"]),
        embeddings_freq=_epochs("embeddings_freq", given["embeddings_freq"]),
        embeddings_metadata=metadata,
        validation_data=given["validation_data"],
        hparams=given["hparams"],
        system=bool(given["system"]),
        evaluation=bool(evaluation),
        classes=None if named is None else tuple(str(name) for name in named),
        prediction_images=images,
        resume=bool(given["resume"]),
    )


def _epochs(name: str, given: object) -> int:
    number = int(given) if isinstance(given, bool) else _whole(given)
    if number is None or number < 0:
        raise ValueError(f"{name}={given!r}: give a number of epochs, or 0 for never")
    return number


def _whole(given: object) -> int | None:
    if isinstance(given, bool):
        return None
    try:
        return operator.index(given)  # type: ignore[arg-type]  # whatever has __index__: that is the test
    except TypeError:
        return None


def _wrong_batches(given: object) -> str:
    return (
        f"profile_batch={given!r}: give the number of a batch from 1, the first and the last of several, such as "
        "(10, 20) or '10,20', or 0 for no profile"
    )
