"""Hyperparameters as Lightning's loggers take them: nested, of any type, from OmegaConf and argparse."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import os
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tallyboard.core.errors import InvalidSummary, warn_once
from tallyboard.core.hparams import Plain, hparams_of, session_start
from tallyboard.core.remote import is_remote
from tallyboard.core.remote_uploads import send
from tallyboard.core.summary import Event
from tallyboard.core.writer import SummaryWriter

__all__ = ["HPARAMS_FILE", "as_table", "begin_session", "merged", "plain", "write_hparams_file"]

HPARAMS_FILE = "hparams.yaml"


def merged(known: Any, given: Any) -> Any:
    """Hyperparameters known so far with those that came; an OmegaConf container once one came, as the peer has it.

    Args:
        known: a dict or a DictConfig.
        given: a mapping, a namespace or None.
    """
    if isinstance(given, Namespace):
        given = vars(given)
    if not given:
        return known
    omegaconf = sys.modules.get("omegaconf")
    if omegaconf is not None and (omegaconf.OmegaConf.is_config(given) or omegaconf.OmegaConf.is_config(known)):
        try:
            return omegaconf.OmegaConf.merge(known, given)
        except Exception:  # something in it that OmegaConf does not take
            known, given = _contents(known), _contents(given)
    return {**known, **given}


def _contents(given: Any) -> Any:
    """A container of OmegaConf as dicts and lists, its interpolations resolved if they can be."""
    omegaconf = sys.modules.get("omegaconf")
    if omegaconf is None or not omegaconf.OmegaConf.is_config(given):
        return given
    for resolve in (True, False):
        with contextlib.suppress(Exception):
            return omegaconf.OmegaConf.to_container(given, resolve=resolve, throw_on_missing=False)
    return {}


def plain(params: Any) -> dict[str, Any]:
    """Numbers, booleans and texts by name, nested names joined by `/`: what the peer makes of hyperparameters.

    Lists of mappings are numbered, `layers/0/width`; what is no number is its text.
    """
    return {name: _as_value(value) for name, value in _flat(params)}


def _flat(params: Any, above: str = "") -> Iterator[tuple[str, object]]:
    for name, value in _contents(params).items():
        path = f"{above}/{name}" if above else str(name)
        value = _contents(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        elif isinstance(value, Namespace):
            value = vars(value)
        if isinstance(value, Mapping):
            yield from _flat(value, path)
        elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
            for place, item in enumerate(value):
                yield from _flat(item, f"{path}/{place}")
        else:
            yield path, value


def _as_value(value: Any) -> Any:
    if type(value) in (bool, int, float, str) or isinstance(value, np.bool_ | np.integer | np.floating):
        return value
    try:
        if type(value).__module__.partition(".")[0] == "torch" and getattr(value, "shape", None) is not None:
            return value.item() if value.numel() == 1 else str(value)
        return str(value)
    except Exception:  # a text of one's own making that fails
        return f"<{type(value).__qualname__}>"


def as_table(params: Mapping[str, Any]) -> str:
    """A markdown table of what `plain` gives."""
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in params.items()]
    return "\n".join(["| name | value |", "| --- | --- |", *rows])


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|").encode("utf-8", "replace").decode()


# ---- the session of the hparams dashboard


def begin_session(writer: SummaryWriter, params: Mapping[str, Any], metrics: Iterable[str], step: int | None) -> None:
    """Writes what the hparams dashboard lists of the writer's run; its end follows when the writer is closed.

    TensorBoard keeps the first of several such calls in a run, our page takes the last.

    Args:
        writer: of the run.
        params: what `plain` gives. One that cannot be written is left out with a warning.
        metrics: tags of scalars of the run.
        step: of the events.
    """
    now = time.time()
    values = _writable(params)
    for summary in session_start(values, list(metrics), None, now):
        writer.write(Event(step or 0, now, summary))
    writer._session.begin(values, step or 0)  # pyright: ignore[reportPrivateUsage]


def _writable(params: Mapping[str, Any]) -> dict[str, Plain]:
    with contextlib.suppress(InvalidSummary):
        return hparams_of(params)
    found: dict[str, Plain] = {}
    for name, value in params.items():
        try:
            found |= hparams_of({name: value})
        except InvalidSummary as error:
            warn_once(("lightning hparams", name), f"TallyboardLogger: a hyperparameter is left out: {error}")
    return found


# ---- hparams.yaml


def write_hparams_file(directory: str, params: Any, package: str) -> bool:
    """Writes `hparams.yaml` as Lightning does, unless it is there; what fails warns once.

    Args:
        directory: of the run, or its URL.
        params: hyperparameters of any type. Where these cannot be written as they are, their texts are.
        package: the name of the Lightning package.

    Returns:
        Whether that is settled; not while there is no such directory.
    """
    try:
        if is_remote(directory):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, HPARAMS_FILE)
                _write(path, params, package)
                data = Path(path).read_bytes()
            send(directory, HPARAMS_FILE, data, len(data))
        elif not os.path.isdir(directory):
            return False
        elif not os.path.isfile(path := os.path.join(directory, HPARAMS_FILE)):
            _write(path, params, package)
    except Exception as error:  # it must not reach the training
        warn_once(
            ("hparams.yaml", directory),
            f"TallyboardLogger: {HPARAMS_FILE} was not written ({type(error).__name__}: {error}); training goes on",
        )
    return True


def _write(path: str, params: Any, package: str) -> None:
    if package == "lightning_fabric":  # whose logger writes no such file
        return
    save = importlib.import_module(f"{package}.core.saving").save_hparams_to_yaml
    try:
        save(path, params)
    except OSError:
        raise
    except Exception as error:  # what cannot be copied or represented
        warn_once(
            ("hparams.yaml", path),
            f"TallyboardLogger: {HPARAMS_FILE} has the texts of the hyperparameters, because they cannot be written as "
            f"they are ({type(error).__name__}: {error})",
        )
        save(path, {_utf8(name): _utf8(value) for name, value in plain(params).items()})


def _utf8(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
