"""The board's HTTP site: routes, sign-in, refusals, headers and metrics of all responses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from app.board import responses
from app.board.access_file import AccessFile
from app.board.api import Api
from app.board.audit import BoardAudit
from app.board.forms import read_form
from app.board.identity import COOKIE, Viewer, find_by_token, identify_viewer
from app.board.metrics import Metrics
from app.board.pages import Pages
from app.board.routing import BASE, CURRENT_VIEWER, STILL_ALLOWED, Handler, Route
from app.board.trials import TRIAL_S
from app.http.refusals import Refusal, method_not_allowed
from app.http.serving import listen, server_options
from app.http.workarounds import AnyPath
from app.request_ids import HEADER, REQUEST_ID, begin_request
from streams.clock import monotonic_s
from streams.connections import BoundedAppRunner
from streams.units import DAY_S

log = logging.getLogger(__name__)
STOP_S: Final = 5.0
MAX_CONNECTIONS: Final = 2_000
ANSWER_S: Final = 10.0
EXPORT_S: Final = 120.0
MAX_FORM_BYTES: Final = 8192
SESSION_S: Final = 7 * DAY_S
_LONG: Final = {
    "stream": None,
    "api_export": EXPORT_S,
    **dict.fromkeys(("page_try", "api_try", "page_publish", "api_publish"), TRIAL_S),
}
"""Routes with another time limit."""
_OPEN: Final = frozenset({"static", "login"})
"""Routes that need no sign-in."""


class Site:
    """The site on one address."""

    def __init__(
        self,
        api: Api,
        pages: Pages,
        metrics: Metrics,
        access: Callable[[], AccessFile | None],
        secure: bool = False,
        audit: BoardAudit | None = None,
    ) -> None:
        """Does not listen before ``start``.

        Args:
            api: its routes.
            pages: its routes.
            metrics: of the board.
            access: returns the access file in force; None lets everybody in, which is for a loopback address only.
            secure: whether people reach the board by https.
            audit: writes who saw or changed what.
        """
        self._api = api
        self._pages = pages
        self._access = access
        self._secure = secure
        self._note = audit.note if audit is not None else lambda *request: None
        self._metrics = metrics
        self._runner: BoundedAppRunner | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the URL."""
        self._runner = BoundedAppRunner(
            self.application(),
            MAX_CONNECTIONS,
            shutdown_timeout=STOP_S,
            handler_cancellation=True,
            **server_options(log),
        )
        url = await listen(self._runner, host, port)
        self._metrics.connections.watch(self._runner.bounded)
        return url

    async def stop(self) -> None:
        """Close the listener, and finish the requests in flight."""
        if self._runner is not None:
            await self._runner.cleanup()

    def application(self) -> web.Application:
        """Every route."""
        site = web.Application(client_max_size=MAX_FORM_BYTES)
        for method, path, name, handler in self._routes():
            for each in (method, "HEAD") if method == "GET" and name != "stream" else (method,):
                site.router.add_route(each, path, self._wrap(name, handler))
        rest = AnyPath("/")
        rest.add_route("*", self._wrap("unknown", self._unknown))
        site.router.register_resource(rest)
        return site

    def _routes(self) -> list[Route]:
        return [
            *self._api.routes(),
            *self._pages.routes(),
            ("GET", "/login", "login", self._login_page),
            ("POST", "/login", "login", self._login),
            ("POST", "/logout", "login", self._logout),
        ]

    def _wrap(self, route: str, handle: Handler) -> Handler:
        """Wrap a handler: give the request an id, check access, turn errors into responses, note and measure."""
        seconds = self._metrics.request_seconds.labels(route)
        self._metrics.begin_at_zero(route)

        async def answered(request: web.Request) -> web.StreamResponse:
            began_s, request_id = monotonic_s(), begin_request(request.headers.get(HEADER))
            found = await self._answer(request, route, handle)
            if not found.prepared:
                responses.set_security_headers(found)
                found.headers[HEADER] = request_id
            if route != "stream":
                self._note(request, route, found.status)
            if route not in _LONG:
                seconds.observe(monotonic_s() - began_s)
            self._metrics.requests.labels(route, found.status).inc()
            return found

        return answered

    async def _answer(self, request: web.Request, route: str, handle: Handler) -> web.StreamResponse:
        """Check access, limit the time, and turn errors into responses."""
        try:
            self._check_access(request, route)
            if route == "stream":
                self._note(request, route, 200)
            async with asyncio.timeout(_LONG.get(route, ANSWER_S)):
                return await handle(request)
        except Refusal as refused:
            return self._refused(request, refused)
        except web.HTTPException as error:
            return self._refused(request, Refusal(error.status, "not_found", "There is no such page."))
        except TimeoutError:
            return self._refused(request, Refusal(503, "too_slow", "The request took too long: try again.", 2))
        except Exception:
            log.exception("a request to %s failed", route)
            message = f"Internal error: the log of the board has more, with the request id {REQUEST_ID.get()}."
            return self._refused(request, Refusal(500, "internal", message))

    # Sign-in ------------------------------------------------------------------------------------------------------

    def _check_access(self, request: web.Request, route: str) -> None:
        """Identify the viewer, and refuse an unknown one."""
        viewer = self._find_viewer(request)
        if viewer is not None:
            request[CURRENT_VIEWER] = viewer
            request[STILL_ALLOWED] = lambda: (now := self._find_viewer(request)) is not None and now.role == viewer.role
        if self._access() is None and not _is_this_machine(request.host):
            message = "This board accepts only requests to its own machine: use http://localhost."
            raise Refusal(403, "bad_host", message)
        if viewer is None and route not in _OPEN:
            raise Refusal(401, "unknown_token", "Sign in, or send `Authorization: Bearer TOKEN`.")

    def _find_viewer(self, request: web.Request) -> Viewer | None:
        return identify_viewer(self._access(), request.headers, request.cookies.get(COOKIE), request.remote)

    async def _login_page(self, request: web.Request) -> web.Response:
        return self._pages.render_login(False, _local(request.query.get("next")))

    async def _login(self, request: web.Request) -> web.Response:
        """Exchange a token for a cookie."""
        form = await read_form(request, MAX_FORM_BYTES)
        file, target = self._access(), _local(form.get("next"))
        viewer = find_by_token(file, form.get("token", "").strip()) if file is not None else None
        if viewer is None and file is not None:
            self._metrics.refused.labels("bad_login").inc()
            log.warning("a token was refused at /login, from %s", request.remote)
            found = self._pages.render_login(True, target)
            found.set_status(401)
            return found
        found = web.Response(status=303, headers={"Location": target})
        if viewer is not None:
            request[CURRENT_VIEWER] = viewer
            secure = self._secure or request.secure or request.headers.get("X-Forwarded-Proto") == "https"
            found.set_cookie(
                COOKIE,
                form["token"].strip(),
                max_age=SESSION_S,
                httponly=True,
                samesite="Strict",
                secure=secure,
                path="/",
            )
        return found

    async def _logout(self, request: web.Request) -> web.Response:
        await read_form(request, MAX_FORM_BYTES)
        found = web.Response(status=303, headers={"Location": "/login"})
        found.del_cookie(COOKIE, path="/")
        found.headers["Clear-Site-Data"] = '"cache"'
        return found

    # Refusals ---------------------------------------------------------------------------------------------------

    def _refused(self, request: web.Request, refused: Refusal) -> web.Response:
        self._metrics.refused.labels(refused.code).inc()
        if request.writer.output_size and request.transport is not None:
            request.transport.abort()  # part of the response was sent: it must not look complete
        if request.path.startswith("/api/"):
            return responses.refusal_response(refused)
        if "HX-Request" in request.headers:  # shown by a script, or not at all
            return web.Response(status=refused.status, text=refused.message, headers=refused.headers())
        if refused.status == 401 and request.method in ("GET", "HEAD"):
            found = self._pages.render_login(False, _local(request.path_qs))
        else:
            found = self._pages.render_error(refused.status, refused.code, refused.message, request.get(CURRENT_VIEWER))
        found.set_status(refused.status)
        found.headers.update(refused.headers())
        return found

    async def _unknown(self, request: web.Request) -> web.Response:
        allowed: set[str] = set()
        for resource in request.app.router.resources():
            allowed |= (await resource.resolve(request))[1]
        allowed -= {"*"}
        if not allowed:
            for_programs = request.path.startswith("/api/")
            where = f"{BASE}/openapi.json lists all addresses." if for_programs else "the pages are in the menu above."
            raise Refusal(404, "not_found", f"There is no such address: {where}")
        raise method_not_allowed(allowed)


def _local(target: str | None) -> str:
    """The path to continue at, only on this site."""
    if target and target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable():
        return target[:2000]
    return "/"


def _is_this_machine(host: str) -> bool:
    """Whether a Host header names this machine; otherwise it may be DNS rebinding by another site."""
    name = urlsplit(f"//{host}").hostname or ""
    return name == "localhost" or name.endswith(".localhost") or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Whether an address is reachable only from this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
