"""What Chrome's own timeline says that a page's thread did: scripts and painting, by the names of its events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

CATEGORIES = ["devtools.timeline", "v8.execute", "disabled-by-default-v8.gc"]

SCRIPTS = {
    "EvaluateScript",
    "EventDispatch",
    "FireAnimationFrame",
    "FunctionCall",
    "RunMicrotasks",
    "TimerFire",
    "v8.compile",
    "v8.compileModule",
    "v8.evaluateModule",
}
COLLECTING = ("MinorGC", "MajorGC", "V8.GC")
PAINTING = {"CompositeLayers", "Commit", "Layerize", "Paint", "PrePaint", "UpdateLayer"}


def scripts_and_painting(trace: bytes) -> float:
    """Milliseconds of processor time in scripts, in the collection of their garbage and in painting.

    Each event counts less what stands in it, so that a layout which a script asks for is none of its time.

    Args:
        trace: what `Browser.stop_tracing` gives, of `CATEGORIES`; the page's thread is the one that asks for files.
    """
    events = json.loads(trace)["traceEvents"]
    asked = Counter((event["pid"], event["tid"]) for event in events if event["name"] == "ResourceSendRequest")
    thread = asked.most_common(1)[0][0]
    spent = alone(event for event in events if (event["pid"], event["tid"]) == thread and "tdur" in event)
    wanted = (name for name in spent if name in SCRIPTS | PAINTING or name.startswith(COLLECTING))
    return sum(spent[name] for name in wanted) / 1e3


def alone(events: Iterable[dict[str, Any]]) -> Counter[str]:
    """Microseconds by name, of events of one thread that lie within one another."""
    spent: Counter[str] = Counter()
    around: list[dict[str, Any]] = []
    for event in sorted(events, key=lambda one: (one["ts"], -one["dur"])):
        while around and around[-1]["ts"] + around[-1]["dur"] <= event["ts"]:
            around.pop()
        spent[event["name"]] += event["tdur"]
        if around:
            spent[around[-1]["name"]] -= event["tdur"]
        around.append(event)
    return spent
