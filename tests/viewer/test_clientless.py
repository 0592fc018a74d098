"""The server's half of a package alone: the rest comes when it is asked for, and is then what it always was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SERVER = """
import sys
from tallyboard.viewer import clientless
clientless.put_off()
import tallyboard.viewer.serving
from aiohttp import web, hdrs
print("aiohttp.client" in sys.modules, web.Application.__module__)
import aiohttp
from importlib.metadata import version
print(aiohttp.__version__ == version("aiohttp"), hasattr(aiohttp, "no_such_name"), aiohttp.web is web)
from aiohttp import ClientSession
import aiohttp.client
print(ClientSession is aiohttp.client.ClientSession, aiohttp.hdrs is hdrs, type(aiohttp).__name__)
print(all(hasattr(aiohttp, name) for name in aiohttp.__all__ if "Gunicorn" not in name))
"""

BESIDE = """
import sys, threading
sys.path.insert(0, {place!r})
from tallyboard.viewer import clientless
clientless.put_off("parcel")
from parcel import light
print(light.OF, "parcel.heavy" in sys.modules)
import parcel
seen = []
threads = [threading.Thread(target=lambda: seen.append(parcel.THING)) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(seen, parcel.light is light, parcel.BOTH)
"""

INIT = '__version__ = "1.2"\nfrom . import light\nfrom .heavy import THING\nBOTH = (light.OF, THING)\n'


@pytest.fixture
def parcel(tmp_path: Path) -> Path:
    """A package of a light module and of one that says when it is loaded."""
    folder = tmp_path / "parcel"
    folder.mkdir()
    (folder / "__init__.py").write_text(INIT)
    (folder / "light.py").write_text('from . import __version__\nOF = __version__ + "!"\n')
    (folder / "heavy.py").write_text('print("heavy")\nTHING = 7\n')
    return folder


def run(command: Any, program: str) -> list[str]:
    """What a program prints."""
    code, out, err = command(program=("-c", program)).finish()
    assert (code, err) == (0, "")
    return out.splitlines()


def test_the_server_is_loaded_without_the_client_which_is_there_when_asked_for(command: Any) -> None:
    """Loading the server loads nothing of the client; every name of the package can be had, as the same object."""
    assert run(command, SERVER) == ["False aiohttp.web_app", "True False True", "True True module", "True"]


def test_a_package_runs_once_however_many_threads_ask_it(command: Any, parcel: Path) -> None:
    """A module of it needs no more than itself; the rest is loaded once, and everybody waits until it is there."""
    lines = run(command, BESIDE.format(place=str(parcel.parent)))
    assert lines == ["1.2! False", "heavy", f"{[7] * 8} True ('1.2!', 7)"]


def test_a_package_that_does_not_say_its_version_is_loaded_as_ever(command: Any, parcel: Path) -> None:
    """Neither is one that is not there at all a mistake."""
    (parcel / "__init__.py").write_text(INIT.replace("__version__ =", "__version__: str ="))
    program = BESIDE.format(place=str(parcel.parent)).replace(
        'put_off("parcel")', 'put_off("parcel"); clientless.put_off("no_such_parcel")'
    )
    assert run(command, program) == ["heavy", "1.2! True", f"{[7] * 8} True ('1.2!', 7)"]
