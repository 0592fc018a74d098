"""Routes whose modules are loaded when one of them is asked for, so that they delay no first picture."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Later"]


class Later(web.AbstractResource):
    """Takes whatever no resource before it took.

    Args:
        tables: loads the modules and gives their routes; called once, in a thread.
    """

    def __init__(self, tables: Callable[[], Iterable[web.RouteTableDef]]) -> None:
        super().__init__()
        self._tables = tables
        self._prefix = ""
        self._router: web.UrlDispatcher | None = None
        self._loading = threading.Lock()

    @property
    def canonical(self) -> str:
        """Where its paths begin."""
        return self._prefix or "/"

    def add_prefix(self, prefix: str) -> None:
        """Puts something before every path."""
        self._prefix = prefix + self._prefix

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """The route for a request, or the methods that its path takes."""
        found = await (self._router or await asyncio.to_thread(self._load)).resolve(request)
        if found.http_exception is None:
            return found, {found.route.method}
        wrong = found.http_exception
        return None, set(wrong.allowed_methods) if isinstance(wrong, web.HTTPMethodNotAllowed) else set()

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter((self._router or self._load()).routes())

    def __len__(self) -> int:
        return len((self._router or self._load()).routes())

    def raw_match(self, path: str) -> bool:
        """No path is added to these."""
        del path
        return False

    def get_info(self) -> Any:
        """Where its paths begin."""
        return {"prefix": self._prefix}

    def url_for(self, **_: str) -> NoReturn:
        """Nothing has a name here."""
        raise RuntimeError("these routes have no names")

    def _load(self) -> web.UrlDispatcher:
        with self._loading:
            if self._router is None:
                router = web.UrlDispatcher()
                for table in self._tables():
                    router.add_routes(table)
                for resource in router.resources() if self._prefix else ():
                    router.unindex_resource(resource)
                    resource.add_prefix(self._prefix)
                    router.index_resource(resource)
                router.freeze()
                self._router = router
            return self._router
