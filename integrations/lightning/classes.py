"""Classes for each of Lightning's packages, made when they are asked for, found by pickle under their names.

`pytorch_lightning` and `lightning.pytorch` are two packages with base classes of their own, and `lightning_fabric` is
a third, for programs that have nothing but it. Ours are put together of what they do, in the other files here, and
of the base class of the package which the program has imported.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import Any, Final

from tallyboard.core.errors import MissingDependency

__all__ = ["class_for", "class_named", "in_use"]

PACKAGES: Final = {
    "Lightning": "lightning.pytorch",
    "PytorchLightning": "pytorch_lightning",
    "Fabric": "lightning_fabric",
}
"""What the names of classes begin with, and the packages they are for; the first one imported decides."""
PARTS: Final = {
    "Logger": ("loggers.logger", "Logger", ".logger", "Recorder"),
    "Monitor": ("callbacks.callback", "Callback", ".monitor", "Monitoring"),
    "Profiler": ("profilers.profiler", "Profiler", ".profiler", "Profiling"),
    "AutoLogger": ("loggers.logger", "Logger", ".automatic", "AutoRecorder"),
    "AutoMonitor": ("callbacks.callback", "Callback", ".automatic", "AutoMonitoring"),
}
"""What they end with: the base class, where it is in the package, and what ours do, where that is here."""

_home = __name__.rpartition(".")[0]
_made: dict[str, type] = {}


def class_named(name: str) -> type | None:
    """The class of this name, such as `LightningLogger` or `FabricLogger`, or None if there is none."""
    for first, package in PACKAGES.items():
        part = name.removeprefix(first)
        if name.startswith(first) and part in PARTS and (first != "Fabric" or part == "Logger"):
            return _made.get(name) or _make(name, part, package)
    return None


def class_for(model: object, part: str) -> type:
    """The class of the package that a module's class comes from."""
    packages = [cls.__module__ for cls in type(model).__mro__]
    other = any(name.startswith("pytorch_lightning.") for name in packages)
    found = class_named(f"{'PytorchLightning' if other else 'Lightning'}{part}")
    assert found is not None
    return found


def _make(name: str, part: str, package: str) -> type:
    place, base, file, does = PARTS[part]
    if package == "lightning_fabric":
        does = "FabricRecorder"
    ours: Any = getattr(importlib.import_module(f"{_home}{file}"), does)
    theirs: Any = getattr(importlib.import_module(f"{package}.{place}"), base)
    body = {"__module__": _home, "__qualname__": name, "__doc__": ours.__doc__, "_package": package}
    return _made.setdefault(name, type(f"Tallyboard{part}", (ours, theirs), body))


def in_use(part: str) -> str:
    """The name of the class for the package that the program has imported, or could import.

    Raises:
        MissingDependency: none of them is there.
    """
    for first, package in PACKAGES.items():
        if package in sys.modules and (first != "Fabric" or part == "Logger"):
            return f"{first}{part}"
    for first, package in PACKAGES.items():
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(package)
            return f"{first}{part}"
    raise MissingDependency(f"Tallyboard{part} needs Lightning: pip install 'tallyboard[lightning]'")
