"""ETags: a response is sent again only when it has changed."""

from __future__ import annotations

from aiohttp import web
from xxhash import xxh3_128_hexdigest


def etag_of(body: bytes) -> str:
    """The ETag of a body, without quotes."""
    return xxh3_128_hexdigest(body)


def is_current(request: web.BaseRequest, etag: str) -> bool:
    """Whether the client already has the response with this ETag (``If-None-Match``)."""
    known = request.if_none_match
    return known is not None and any(each.value in (etag, "*") for each in known)
