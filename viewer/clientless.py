"""aiohttp's server without its client: half of what `import aiohttp` loads, certificates among it, serves no page.

Whoever asks the package for a name of the client gets it all the same; it is loaded then.
"""

from __future__ import annotations

import re
import sys
import threading
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["put_off"]

_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


class _Late(ModuleType):
    """A package whose `__init__` runs once a name is asked for that is none of its modules."""

    def __getattr__(self, name: str) -> Any:
        # Without the lock: whoever imports a module of the package asks for others, and the `__init__` may wait for it.
        if find_spec(f"{self.__name__}.{name}") is not None:
            raise AttributeError(name)  # which has the import system load that module
        with _running:
            if type(self) is _Late and self not in _begun:
                _begun.append(self)
                try:
                    _run(self)
                    self._settle()
                finally:
                    _begun.remove(self)
        if type(self) is _Late:
            raise AttributeError(name)  # asked for while it runs, before it is there
        return getattr(self, name)

    def _settle(self) -> None:
        object.__setattr__(self, "__class__", ModuleType)


def _run(package: ModuleType) -> None:
    spec = package.__spec__
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(package)


_running = threading.RLock()
_begun: list[ModuleType] = []


def put_off(package: str = "aiohttp") -> None:
    """Has the modules of a package be importable without its `__init__`, which runs when it is needed.

    Does nothing for a package that is not installed, was imported already, or does not say its version in a line.
    """
    if package in sys.modules or (spec := find_spec(package)) is None or spec.origin is None:
        return
    if (version := _VERSION.search(Path(spec.origin).read_text("utf-8"))) is None:
        return
    module = module_from_spec(spec)
    object.__setattr__(module, "__class__", _Late)
    vars(module)["__version__"] = version[1]
    sys.modules[package] = module
