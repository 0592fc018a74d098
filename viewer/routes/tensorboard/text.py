"""`/data/plugin/text/`: texts as HTML, arrays of them as tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web
from numpy.typing import NDArray

from tallyboard.core.errors import CorruptRecord

from ...safe_html import from_markdown, sanitized
from .answers import Asked, answering, json_answer
from .values import tags_of, tensor_in, values

if TYPE_CHECKING:
    from collections.abc import Iterable

routes = web.RouteTableDef()


@routes.get("/data/plugin/text/tags")
@answering
def get_tags(asked: Asked) -> web.Response:
    """The tags of each run."""
    found: dict[str, list[str]] = {}
    for run, tag in tags_of(asked.context, "text"):
        found.setdefault(run, []).append(tag)
    return json_answer(found)


@routes.get("/data/plugin/text/text")
@answering
def get_text(asked: Asked) -> web.Response:
    """Wall time, step and HTML of each text of one series; of no series, nothing. `markdown=false` renders none."""
    run, tag = asked.run_and_tag()
    found = values(asked.context, "text", run, tag) or []
    render = sanitized if asked.one("markdown") == "false" else from_markdown
    entries: list[dict[str, Any]] = []
    for value in found:
        try:
            strings = tensor_in(value.message)
        except CorruptRecord:
            continue
        if strings.dtype == object:
            entries.append({"wall_time": value.wall_time, "step": value.step, "text": _html(strings, render)})
    return json_answer(entries)


def _html(strings: NDArray[Any], render: Callable[[str], str]) -> str:
    if not strings.shape:
        return render(_decoded(strings.item()))
    warning = ""
    if strings.ndim > 2:
        warning = from_markdown(
            f"**Warning:** these texts have {strings.ndim} dimensions. "
            "Only tables of two are shown, so this is the first of them."
        )
        strings = strings[(0,) * (strings.ndim - 2)]
    cells = [render(_decoded(cell)) for cell in strings.reshape(-1).tolist()]
    width = strings.shape[1] if strings.ndim == 2 else 1
    rows = [cells[at : at + width] for at in range(0, len(cells), width or 1)]
    return f"{warning}<table>\n<tbody>\n{''.join(map(_row, rows))}</tbody>\n</table>"


def _row(cells: Iterable[str]) -> str:
    return "<tr>\n" + "".join(f"<td>{cell}</td>\n" for cell in cells) + "</tr>\n"


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace").replace("\0", "")
