"""What a route is, and what the site notes of a request for its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from app.board.identity import Who

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, str, Handler]
"""Method, path, the name that metrics count it by, handler."""

WHO = web.RequestKey("who", Who)
"""Who asks; for a page that shows no lead there may be nobody."""
MAY_STAY: web.RequestKey[Callable[[], bool]] = web.RequestKey("may_stay", Callable)  # type: ignore[arg-type]
"""Whether who asked is still known, as the same."""
