"""Many scalars in one call: `log`, `add_scalars`, and what was written of them as JSON."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from .adds import Adds
from .errors import InvalidSummary
from .remote import is_remote, joined
from .summary import STEP_MAX, STEP_MIN, Event, as_number, as_tag, kind_of

if TYPE_CHECKING:
    from .sink import AsyncSink

__all__ = ["ScalarAdds"]

_GROUPS_MAX = 1000  # sets of tags that are remembered as checked
_FLOATS = {float}
_NONE: dict[str, Any] = {}
_now = time.time


class ScalarAdds(Adds):
    """`log` and `add_scalars`."""

    _sink: AsyncSink
    _defaults: tuple[int | None, float | None] | None

    def __init__(self) -> None:
        self._groups: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._charts: dict[str, dict[str, None]] = {}

    def _ready(self) -> None:
        raise NotImplementedError

    def log(
        self,
        values: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs many numbers of one step, which costs far less than as many calls of `add_scalar`.

            writer.log({"train/loss": 0.25, "train/accuracy": 0.9, "lr": {"encoder": 1e-4, "head": 1e-3}}, step=7)

        Each becomes a scalar of its own; on disk they share one event.

        Args:
            values: numbers by tag, each as for `add_scalar`. A mapping inside it puts its own tag and a `/`
                before those within.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: something in it is no number, a tag is empty or there twice, or the step is no
                integer. Nothing is logged then.
        """
        if global_step is None:
            global_step = step
        elif step is not None:
            raise InvalidSummary("log: both global_step and step were given; keep one of them")
        given = cast("dict[str, Any]", values) if type(values) is dict else _NONE
        if given and type(global_step) is int and STEP_MIN <= global_step <= STEP_MAX:
            tags = self._groups.get(tuple(given))
            numbers = tuple(given.values())
            if tags is not None and {*map(type, numbers)} == _FLOATS and walltime is None and self._defaults is None:
                self._sink.write_group(tags, numbers, global_step, _now())
                return
        self._log(values, global_step, walltime)

    def _log(self, values: Any, step: Any, walltime: Any) -> None:
        """The long way: checks, converts, and makes sure that the sink is there."""
        if not isinstance(values, Mapping):
            raise InvalidSummary(
                f"log: expected a mapping from tags to numbers, got {kind_of(values)}; "
                "pass log({'loss': 0.5}, step), or use add_scalar(tag, value, step)"
            )
        given = cast("Mapping[Any, Any]", values)
        numbers: dict[str, float] = {}
        _flatten(given, "", numbers)
        if not numbers:
            return
        tags = tuple(numbers)
        when = self._when("log", tags[0], step, None, walltime)
        self._ready()
        if len(self._groups) >= _GROUPS_MAX:
            self._groups.clear()
        if len(numbers) == len(given):  # no mapping inside: the next one with these keys may take the short way
            self._groups[tags] = tags
        self._sink.write_group(tags, tuple(numbers.values()), *when)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
        mode: Literal["runs", "tags"] = "runs",
    ) -> None:
        """Logs several numbers to be drawn in one chart.

        Args:
            main_tag: the chart's name.
            tag_scalar_dict: numbers by the name of their line, each as for `add_scalar`.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.
            mode: `runs` puts each line into a run of its own, `<log_dir>/<main_tag>_<line>` with `/` in the
                main tag as `_`, under the one tag `main_tag`, as torch.utils.tensorboard does. `tags` stays in
                this run, with tags `<main_tag>/<line>` that share one event, and a chart of the custom scalars
                dashboard that shows them together, beside those given to `add_custom_scalars`. A
                writer with a sink of your own has no other runs and always does this.

        Raises:
            InvalidSummary: something in it is no number, a name is empty or leads out of the directory, or the
                step is no integer. Nothing is logged then.
        """
        if mode not in ("runs", "tags"):
            raise InvalidSummary(f"add_scalars({main_tag!r}): expected mode 'runs' or 'tags', got {mode!r}")
        main = as_tag(main_tag, "add_scalars")
        if not isinstance(tag_scalar_dict, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidSummary(
                f"add_scalars({main!r}): expected a mapping from names to numbers, got {kind_of(tag_scalar_dict)}; "
                "for one number use add_scalar"
            )
        numbers = {
            as_tag(key, "add_scalars"): as_number(f"{main}/{key}", value, "add_scalars")
            for key, value in tag_scalar_dict.items()
        }
        when = self._when("add_scalars", main, global_step, step, walltime)
        if mode == "tags" or not self._has_runs():
            self._add_lines(main, numbers, when)
            return
        prefix = main.replace("/", "_")
        runs = [self._sub_run(f"{prefix}_{key}", "add_scalars") for key in numbers]
        for run, number in zip(runs, numbers.values(), strict=True):
            run.add_scalar(main, number, *when)

    def _add_lines(self, main: str, numbers: dict[str, float], when: tuple[int, float]) -> None:
        if not numbers:
            return
        lines = self._charts.setdefault(main, {})
        new = numbers.keys() - lines.keys()
        lines.update(dict.fromkeys(numbers))
        self._ready()
        self._sink.write_group(tuple(f"{main}/{key}" for key in numbers), tuple(numbers.values()), *when)
        if new:
            tags = [f"{re.escape(f'{main}/{key}')}$" for key in lines]  # TensorBoard matches from the start
            layout = {main.partition("/")[0]: {main: ["Multiline", tags]}}
            self.write(Event(*when, self._layouts().with_lines(layout, "add_scalars")))

    def export_scalars_to_json(self, path: str | os.PathLike[str]) -> None:
        """Writes all scalars of this run and of the runs below it to a JSON file.

        The form is tensorboardX's: `{"<directory>/<tag>": [[wall time, step, value], ...], ...}`, ordered by name;
        NaN and infinity are written as Python's `json` writes them. They are read back from disk, and none is
        kept in memory for this.

        Args:
            path: the file to write.

        Raises:
            InvalidSummary: the writer writes to no directory.
        """
        if not self._has_runs():
            raise InvalidSummary("export_scalars_to_json: this writer writes to no directory; make one with a log_dir")
        from .logdir import read

        self.flush()
        out: dict[str, list[list[float]]] = {}
        for (run, tag), series in sorted(read(self.log_dir).scalars().items()):
            place = self.log_dir if run == "." else joined(self.log_dir, run)
            if not is_remote(place):
                place = os.path.normpath(place)
            columns = (series.wall_time.tolist(), series.step.tolist(), series.value.tolist())
            out[f"{place}/{tag}"] = [list(point) for point in zip(*columns, strict=True)]
        with open(path, "w", encoding="utf-8") as file:
            json.dump(out, file)


def _flatten(values: Mapping[Any, Any], prefix: str, out: dict[str, float]) -> None:
    for key, value in values.items():
        tag = prefix + as_tag(key, "log")
        if isinstance(value, Mapping):
            _flatten(value, f"{tag}/", out)  # pyright: ignore[reportUnknownArgumentType]
            continue
        if tag in out:
            raise InvalidSummary(f"log: the tag {tag!r} is there twice; rename one of them")
        out[tag] = as_number(tag, value, "log")
