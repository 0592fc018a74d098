"""What finding a model's graph takes, beside one warm call of the model, and beside torch's add_graph.

    python benchmarks/bench_graph_capture.py [rounds]

Capturing runs the model once more, watched; at most five times a warm call is wanted of models that take 10 ms or more.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from side_by_side import compare

MOST_CALLS = 5


def models() -> dict[str, tuple[Any, Any]]:
    """A convolutional network, a transformer and a deep perceptron, each with a batch."""
    import torch
    from torch import nn

    def block(width: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())

    layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True)
    wide = [part for _ in range(24) for part in (nn.Linear(512, 512), nn.ReLU())]
    return {
        "12 convolutions of 64 x 64 x 32": (
            nn.Sequential(nn.Conv2d(3, 32, 3), *(block(32) for _ in range(12))), torch.rand(8, 3, 64, 64),
        ),
        "6 layers of a transformer, 8 x 128 x 256": (nn.TransformerEncoder(layer, 6), torch.rand(8, 128, 256)),
        "24 layers of a perceptron, 256 x 512": (nn.Sequential(*wide), torch.rand(256, 512)),
    }  # fmt: skip


def took(work: Callable[[], Any]) -> float:
    """Milliseconds of processor time of this process, all threads."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


def main() -> None:
    """Prints the comparisons."""
    import torch

    from tallyboard.integrations.torch.graph import graph

    warnings.simplefilter("ignore")
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    for title, (model, given) in models().items():
        model.eval()

        def call(model: Any = model, given: Any = given) -> None:
            with torch.no_grad():
                model(given)

        call()
        graph(model, given)
        found = graph(model, given)
        sides: dict[str, Callable[[], float]] = {
            "tallyboard": lambda m=model, x=given: took(lambda: graph(m, x)),
            "a warm call": lambda call=call: took(call),
            "torch.jit.trace": lambda m=model, x=given: took(lambda: graph(m, x, mode="jit")),
        }
        print(
            compare(f"{title}: {len(found.nodes)} nodes", "ms", sides, rounds).report({"a warm call": 1 / MOST_CALLS})
        )


if __name__ == "__main__":
    main()
