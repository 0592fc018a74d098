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
        module_of: gives the name of the module that most likely has a path, empty for none.
        of: loads that module alone, in a thread: who looks at one dashboard does not wait for all the others.
    """

    def __init__(
        self,
        tables: Callable[[], Iterable[web.RouteTableDef]],
        module_of: Callable[[str], str] = lambda _: "",
        of: Callable[[str], Iterable[web.RouteTableDef]] = lambda _: (),
    ) -> None:
        super().__init__()
        self._tables = tables
        self._module_of = module_of
        self._of = of
        self._parts: dict[str, web.UrlDispatcher] = {}
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
        module = "" if self._router else self._module_of(request.path.removeprefix(self._prefix))
        if module:
            own = await (self._parts.get(module) or await asyncio.to_thread(self._part, module)).resolve(request)
            if own.http_exception is None:
                return own, {own.route.method}
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
                self._router = self._routing(self._tables())
            return self._router

    def _part(self, module: str) -> web.UrlDispatcher:
        with self._loading:
            if module not in self._parts:
                self._parts[module] = self._routing(self._of(module))
            return self._parts[module]

    def _routing(self, tables: Iterable[web.RouteTableDef]) -> web.UrlDispatcher:
        router = web.UrlDispatcher()
        for table in tables:
            router.add_routes(table)
        for resource in router.resources() if self._prefix else ():
            router.unindex_resource(resource)
            resource.add_prefix(self._prefix)
            router.index_resource(resource)
        router.freeze()
        return router
