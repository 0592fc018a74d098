"""What a graph of 10,000 nodes costs on the page: its first picture, all of it open, and namespaces opened and closed.

    python benchmarks/bench_graph_page.py [--rounds N] [--folder PATH] [--layers N]

A transformer of 590 layers, each of 17 operations in five namespaces, as one GraphDef. TensorBoard is given the same
file in the same Chromium. Its page has no way to open all, and opens one namespace at a time.

First picture: seconds from the visit to the picture, with the server's reading, the graph on its way and its layout.
Opened and closed: milliseconds from the key (of TensorBoard, the double click) in a layer, all 590 of which are to be
seen, to the frame in which the picture has it. All of it: from the key to the frame with every node.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers import OURS
from table import Figure, Figures, Row, measure, show
from viewing import PLAIN, Server, chromium, commands, page_of, started

import tallyboard as tb
from tallyboard.core.graph import Graph, Node

__all__ = ["measure_ours", "measure_peer", "write"]

LAYERS = 590
OPENED = 300
"""The layer that is opened and closed."""

PRESS = """(key) => new Promise((resolve) => {
    const canvas = document.querySelector("canvas[data-drawn]");
    const before = canvas.dataset.boxes;
    const began = performance.now();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    const look = () => {
        if (canvas.dataset.boxes === before) return requestAnimationFrame(look);
        resolve({ took: performance.now() - began, boxes: Number(canvas.dataset.boxes),
                  layout: Number(canvas.dataset.layout), paint: Number(canvas.dataset.paint) });
    };
    look();
})"""

DEEP = """
    const nodes = () => {
        const found = [];
        const look = (root) => {
            for (const one of root.querySelectorAll("*")) {
                if (one.tagName === "g" && one.dataset.name) found.push(one);
                if (one.shadowRoot) look(one.shadowRoot);
            }
        };
        look(document);
        return found;
    };
    const named = (name) => nodes().find((one) => one.dataset.name === name && one.classList.contains("node"));
"""
SEEN = f"(name) => {{ {DEEP} return named(name) !== undefined; }}"
CLICK = f"""([name, inner, there]) => new Promise((resolve) => {{ {DEEP}
    const node = named(name);
    const root = node.getRootNode();
    const shown = () => root.querySelector(`g[data-name="${{inner}}"]`) !== null;
    const began = performance.now();
    node.querySelector("rect, ellipse, use")
        .dispatchEvent(new MouseEvent("dblclick", {{ bubbles: true, composed: true, cancelable: true, view: window }}));
    const look = () => shown() === there ? resolve(performance.now() - began) : requestAnimationFrame(look);
    look();
}})"""


def write(logdir: Path, layers: int) -> int:
    """The graph of a transformer; how many nodes it has."""
    nodes = [Node("inputs/x", "Input"), Node("embed/gather", "Gather", ("inputs/x",))]
    before = "embed/gather"

    def add(name: str, op: str, *inputs: str) -> str:
        nodes.append(Node(name, op, inputs, ((32, 128, 768),), dtypes=("float32",)))
        return name

    for i in range(layers):
        at = f"layers/{i}"
        norm = add(f"{at}/norm1/layer_norm", "Norm", before)
        q, k, v = (
            add(f"{at}/attention/{one}/linear", "Linear", norm, add(f"{at}/attention/{one}/weight", "Const"))
            for one in "qkv"
        )
        weights = add(f"{at}/attention/softmax", "Softmax", add(f"{at}/attention/scores", "MatMul", q, k))
        out = add(f"{at}/attention/out/linear", "Linear", add(f"{at}/attention/mix", "MatMul", weights, v))
        joined = add(f"{at}/add", "Add", before, out)
        up = add(f"{at}/mlp/up/linear", "Linear", add(f"{at}/norm2/layer_norm", "Norm", joined))
        down = add(f"{at}/mlp/down/linear", "Linear", add(f"{at}/mlp/gelu", "Gelu", up))
        before = add(f"{at}/add_1", "Add", joined, down)
    add("outputs/y", "Output", before)
    with tb.SummaryWriter(logdir / "run") as writer:
        writer.add_scalar("loss", 1.0, 0)
        writer.add_graph(Graph(tuple(nodes)))
    return len(nodes)


def measure_ours(browser: Any, server: Server, nodes: int) -> dict[str, float]:
    """One visit of our page."""
    with page_of(browser) as page:
        began = time.perf_counter()
        page.goto(f"{server.url}#dash=graphs", wait_until="commit")
        page.wait_for_function("() => document.querySelector('canvas[data-boxes]')?.dataset.boxes > 0", polling="raf")
        first = time.perf_counter() - began
        page.goto(f"{server.url}?again#dash=graphs&gfopen=layers&gfnode=layers/{OPENED}/", wait_until="commit")
        page.wait_for_function("() => document.querySelector('canvas[data-boxes]')?.dataset.boxes > 500", polling="raf")
        page.wait_for_timeout(300)
        opened, closed = [], []
        for _ in range(5):
            opened.append(page.evaluate(PRESS, "e")["took"])
            closed.append(page.evaluate(PRESS, "e")["took"])
        page.keyboard.press("Escape")  # nothing is chosen: all of the graph is meant
        page.wait_for_timeout(300)
        page.goto(f"{server.url}?more#dash=graphs&gfopen=", wait_until="commit")
        page.wait_for_function("() => document.querySelector('canvas[data-boxes]')?.dataset.boxes > 0", polling="raf")
        whole = page.evaluate(PRESS, "a")
        if whole["boxes"] < nodes:
            raise RuntimeError(f"{whole['boxes']} boxes are drawn of {nodes} nodes")
        median = sorted(opened)[2], sorted(closed)[2]
        return {
            "first": first,
            "whole": whole["took"],
            "layout": whole["layout"],
            "paint": whole["paint"],
            "opened": median[0],
            "closed": median[1],
        }


def measure_peer(browser: Any, server: Server) -> dict[str, float]:
    """One visit of TensorBoard's page."""
    with page_of(browser) as page:
        began = time.perf_counter()
        page.goto(f"{server.url}#graphs&run=run", wait_until="commit")
        page.wait_for_function(SEEN, arg="layers", polling=50)
        first = time.perf_counter() - began
        page.wait_for_timeout(1_500)
        outer = page.evaluate(CLICK, ["layers", f"layers/{OPENED}", True])
        page.wait_for_timeout(3_000)
        opened, closed = [], []
        for _ in range(3):
            opened.append(page.evaluate(CLICK, [f"layers/{OPENED}", f"layers/{OPENED}/attention", True]))
            page.wait_for_timeout(1_000)
            closed.append(page.evaluate(CLICK, [f"layers/{OPENED}", f"layers/{OPENED}/attention", False]))
            page.wait_for_timeout(1_000)
        return {"first": first, "outer": outer, "opened": sorted(opened)[1], "closed": sorted(closed)[1]}


def page_rows(folder: Path, rounds: int, layers: int) -> list[Row]:
    """Both pages, turn by turn."""
    logdir = folder / f"graph{layers}"
    nodes = write(logdir, layers)
    print(f"{nodes:,} nodes", flush=True)
    asked = {name: command for name, command in commands().items() if name in (OURS, PLAIN)}
    with chromium() as browser:

        def side(name: str, command: list[str]) -> Figures:
            with started(command, logdir) as server:
                server.html()
                if name == OURS:
                    read_through(server)
                    return measure_ours(browser, server, nodes)
                return measure_peer(browser, server)

        sides: dict[str, Callable[[], Figures]] = {
            name: (lambda n=name, c=command: side(n, c)) for name, command in asked.items()
        }
        result = measure(sides, rounds, warm=False)
    ours_alone = {OURS: result[OURS]}
    return [
        Row(Figure("first picture", "s", "first"), result),
        Row(Figure(f"all {nodes:,} nodes opened, to the frame", "ms", "whole", most=1_000), ours_alone),
        Row(Figure("of it the layout, in the worker", "ms", "layout"), ours_alone),
        Row(Figure("of it the painting", "ms", "paint"), ours_alone),
        Row(Figure(f"one of {layers} layers opened", "ms", "opened", most=100), result),
        Row(Figure(f"one of {layers} layers closed", "ms", "closed", most=100), result),
    ]


def read_through(server: Server) -> None:
    """Waits until the server has found the graph."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{server.url}api/graphs") as answer:
            if json.load(answer)["graphs"]:
                return
        time.sleep(0.1)
    raise TimeoutError("the server finds no graph")


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = lambda: page_rows(arguments.folder or Path(folder), arguments.rounds, arguments.layers)  # noqa: E731
        show("a graph on the page", (OURS, PLAIN), [("graph", rows)])


if __name__ == "__main__":
    main()
