"""The router: finds the handler of a request by its path and method."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.Response]]
_WILDCARD: Final = "{}"
_PARAMETER: Final = re.compile(r"\{\w+\}")
_NO_HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType({})


class Router:
    """Handlers by path and method. aiohttp's own router can do more, and costs several times as much."""

    def __init__(self, rows: Iterable[tuple[str, str, Handler]]) -> None:
        """Each row is a method, a path and a handler; the last part of a path, or the one before, may be ``{any}``."""
        self._by_path: dict[str, dict[str, Handler]] = {}
        for method, path, handler in rows:
            self._by_path.setdefault(_PARAMETER.sub(_WILDCARD, path), {})[method] = handler

    def handlers_of(self, path: str) -> Mapping[str, Handler]:
        """The handlers of a path, by method; empty if there are none."""
        found = self._by_path.get(path)
        return self._match_pattern(path.split("/")) if found is None else found

    def _match_pattern(self, parts: list[str]) -> Mapping[str, Handler]:
        for i in (-1, -2):
            if len(parts) > 2 and parts[i]:
                path = "/".join([*parts[:i], _WILDCARD, *parts[len(parts) + i + 1 :]])
                if (found := self._by_path.get(path)) is not None:
                    return found
        return _NO_HANDLERS
