"""What the site answers: JSON that SDKs understand, headers that keep browsers careful, and who may read it."""

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
    "Server": "leadglow",
}


@cache
def _headers(kind: str) -> CIMultiDict[str]:
    """Of an answer of this content type; aiohttp copies them."""
    return CIMultiDict({**_COMMON, "Content-Type": kind})


def respond(status: int, body: bytes = b"", kind: str = JSON) -> web.Response:
    """An answer that is neither cached nor guessed at."""
    return web.Response(status=status, body=body, headers=_headers(kind))


def accepted_response() -> web.Response:
    """Every event of the request is kept: 200, because some SDKs take nothing else for a yes."""
    return respond(200, ACCEPTED)


def pixel_response() -> web.Response:
    """The same as a picture of one transparent point."""
    return respond(200, GIF, "image/gif")


def json_response(value: object) -> web.Response:
    """A JSON document."""
    return respond(200, _encode(value))


def cached_file(request: web.BaseRequest, body: bytes, kind: str) -> web.Response:
    """A file that browsers may keep for an hour, and ask for again by its ETag, which is the same of both forms."""
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
    """A page that loads nothing, runs nothing, and tells nobody its address."""
    response = respond(200, html.encode(), "text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def redirect_response(target: str) -> web.Response:
    """Send the visitor on."""
    response = respond(302)
    response.headers["Location"] = target
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def refusal_response(refused: Refusal) -> web.Response:
    """Why nothing is kept, and what to do about it."""
    response = respond(refused.status, _encode(refused.to_json()))
    response.headers.update(refused.headers())
    return response


def preflight_response(headers: str) -> web.Response:
    """A browser may send, with the headers that it asked for."""
    response = respond(200)
    if _NAMES.fullmatch(headers):
        response.headers["Access-Control-Allow-Headers"] = headers
    response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST, OPTIONS"
    response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_S)
    return response


def allow_origin(response: web.Response, origin: str) -> None:
    """Let pages of an origin read the answer."""
    response.headers.update(_origin_headers(origin))


@lru_cache(maxsize=1_000)
def _origin_headers(origin: str) -> CIMultiDict[str]:
    """The headers that do so."""
    if not _ORIGIN.fullmatch(origin):
        return CIMultiDict()
    return CIMultiDict(
        {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": "Retry-After",
        }
    )
