"""How routes of profiles keep what they work out, and answer questions that make no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .profile_sheets import BadQuestion
from .profiles import answered, profiles
from .responses import error

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from tallyboard.core.profiles.model import Profile

    from .context import Context
    from .profile_tables import Keep
    from .profiles import Which

__all__ = ["keeper", "wise"]


def keeper(context: Context, which: Which) -> Keep:
    """What keeps things beside a profile of the store, as long as that is kept."""

    def keep(key: object, make: Callable[[Profile], object]) -> object:
        return profiles.derived(context, which, key, make)

    return keep


async def wise(
    request: web.Request, answer: Callable[[], bytes], content_type: str = "application/json"
) -> web.StreamResponse:
    """As `profiles.answered`; and 400 for a question that makes no sense."""
    try:
        return await answered(request, answer, content_type)
    except BadQuestion as bad:
        return error(400, f"{bad}.")
