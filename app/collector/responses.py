"""Responses of the collector: JSON, images, pages, and their headers for browsers."""

from __future__ import annotations

import gzip
import re
from functools import cache, lru_cache
from typing import Final

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from app.collector.inbound import Refusal
from app.collector.links import GIF
from app.http.etags import etag_of, is_current
from streams.connections import SERVER_NAME

ACCEPTED: Final = b'{"success":true}'
JSON: Final = "application/json"
PREFLIGHT_S: Final = 600
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_NAMES: Final = re.compile(r"[A-Za-z0-9_, -]{1,2000}")
_ORIGIN: Final = re.compile(r"[!-~]{1,300}")

_encode = msgspec.json.Encoder().encode
_COMMON: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Origin",
    "Server": SERVER_NAME,
}


@cache
def _headers(kind: str) -> CIMultiDict[str]:
    """The headers for a content type; aiohttp copies them."""
    return CIMultiDict({**_COMMON, "Content-Type": kind})


def respond(status: int, body: bytes = b"", kind: str = JSON) -> web.Response:
    """A response that browsers neither cache nor sniff."""
    return web.Response(status=status, body=body, headers=_headers(kind))


def accepted_response() -> web.Response:
    """The whole request is accepted: 200, because some SDKs treat any other status as a failure."""
    return respond(200, ACCEPTED)


def pixel_response() -> web.Response:
    """The same, as one transparent pixel."""
    return respond(200, GIF, "image/gif")


def json_response(value: object) -> web.Response:
    """A JSON document."""
    return respond(200, _encode(value))


def cached_file(request: web.BaseRequest, body: bytes, kind: str) -> web.Response:
    """A file that browsers may cache for an hour; it has one ETag, with or without gzip."""
    tag = etag_of(body)
    unchanged = is_current(request, tag)
    packed = _accepts_gzip(request.headers.get("Accept-Encoding", ""))
    response = respond(304) if unchanged else respond(200, _gzip(body) if packed else body, kind)
    if packed and not unchanged:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = "public, max-age=3600"
    response.headers["ETag"] = f'W/"{tag}"'
    response.headers["Vary"] = "Origin, Accept-Encoding"
    return response


def _accepts_gzip(accepted: str) -> bool:
    for each in accepted.lower().split(","):
        name, _, quality = each.replace(" ", "").partition(";")
        if name == "gzip":
            return not re.fullmatch(r"q=0(\.0*)?", quality)
    return False


@lru_cache(maxsize=4)
def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def page_response(html: str) -> web.Response:
    """A page that loads and runs nothing, and does not reveal its address."""
    response = respond(200, html.encode(), "text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def redirect_response(target: str) -> web.Response:
    """A redirect."""
    response = respond(302)
    response.headers["Location"] = target
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def refusal_response(refused: Refusal) -> web.Response:
    """A refusal as JSON."""
    response = respond(refused.status, _encode(refused.to_json()))
    response.headers.update(refused.headers())
    return response


def preflight_response(headers: str) -> web.Response:
    """Allow a browser to send, with the headers that it asks for."""
    response = respond(200)
    if _NAMES.fullmatch(headers):
        response.headers["Access-Control-Allow-Headers"] = headers
    response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST, OPTIONS"
    response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_S)
    return response


def handshake_response(origin: str, rate: str) -> web.Response:
    """Allow a sender to deliver CloudEvents, as the specification of their web hooks says."""
    response = respond(200)
    response.headers["WebHook-Allowed-Origin"] = origin if _ORIGIN.fullmatch(origin) else "*"
    response.headers["Allow"] = "POST, OPTIONS"
    if rate:  # a key's own rate is enforced by 429 with Retry-After
        response.headers["WebHook-Allowed-Rate"] = "*"
    return response


def allow_origin(response: web.Response, origin: str, with_credentials: bool) -> None:
    """Allow pages of an origin to read the response, also if their browser sends cookies, which are ignored."""
    response.headers.update(_origin_headers(origin, with_credentials))


@lru_cache(maxsize=1_000)
def _origin_headers(origin: str, with_credentials: bool) -> CIMultiDict[str]:
    """The headers for ``allow_origin``."""
    if not _ORIGIN.fullmatch(origin):
        return CIMultiDict()
    credentials = {"Access-Control-Allow-Credentials": "true"} if with_credentials else {}
    return CIMultiDict(
        {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "Retry-After", **credentials}
    )
