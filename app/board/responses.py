"""Responses of the board: security headers, JSON, CSV, ETags."""

from __future__ import annotations

import json
from typing import Any, Final

from aiohttp import web

from app.freshness import Freshness
from app.http.etags import etag_of, is_current
from app.http.refusals import Refusal
from streams.connections import SERVER_NAME

POLICY: Final = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": SERVER_NAME,
}
JSON: Final = "application/json"
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
"""First characters of formulas in spreadsheets."""


def set_security_headers(found: web.StreamResponse) -> None:
    """Set the security headers; a response that may be cached sets its own Cache-Control."""
    for name, value in SECURITY_HEADERS.items():
        found.headers[name] = value
    found.headers.setdefault("Cache-Control", "no-store")


def freshness_headers(freshness: Freshness) -> dict[str, str]:
    """Headers that name the freshness of scores."""
    until = {} if freshness.scored_until is None else {"Leadglow-Scored-Until": freshness.scored_until}
    return {"Leadglow-Freshness": freshness.state.value, **until}


def encode_json(value: object) -> bytes:
    """JSON exactly as the command line prints it."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def json_response(value: object, status: int = 200) -> web.Response:
    """A response with JSON."""
    return web.Response(status=status, body=encode_json(value), content_type=JSON)


def cacheable_response(request: web.Request, body: bytes, kind: str = JSON) -> web.Response:
    """A response with an ETag; 304 if the client has it already."""
    tag = etag_of(body)
    found = web.Response(status=304) if is_current(request, tag) else web.Response(body=body, content_type=kind)
    found.headers["ETag"] = f'"{tag}"'
    found.headers["Vary"] = "Authorization, Cookie"
    return found


def refusal_response(refused: Refusal) -> web.Response:
    """A refusal as JSON."""
    found = json_response(refused.to_json(), refused.status)
    found.headers.update(refused.headers())
    if refused.status == 401:
        found.headers["WWW-Authenticate"] = 'Bearer realm="leadglow"'
    return found


def csv_line(cells: list[Any]) -> str:
    """One line of CSV (RFC 4180), with formulas escaped."""
    return ",".join(map(_cell, cells)) + "\r\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value)  # our own number, which is not a formula even if negative
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if text.lstrip(" \n\v\f").startswith(_FORMULA_STARTS):
        text = "'" + text
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if any(c in text for c in '",\r\n\t') or text != text.strip() else text
