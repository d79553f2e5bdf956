"""Reads bodies of requests that only our own pages and programs may send, each limited in size."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from app.http.refusals import Refusal


def require_own_site(request: web.Request) -> None:
    """Refuse a request that a page of another site has sent.

    Raises:
        Refusal: one has.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if site is not None:  # sent by all browsers; `Origin` is `null` without a referrer
        ours = site in ("same-origin", "none")
    else:
        ours = origin is None or urlsplit(origin).netloc == request.host
    if not ours:
        raise Refusal(403, "other_site", "This form was sent by another site.")


async def read_body(request: web.Request, max_bytes: int, message: str) -> bytes:
    """The body of a request of our own site.

    Raises:
        Refusal: it was sent by another site, or is larger than ``max_bytes``; ``message`` describes that.
    """
    require_own_site(request)
    body = bytearray()
    while len(body) <= max_bytes and (chunk := await request.content.read(max_bytes + 1 - len(body))):
        body += chunk
    if len(body) > max_bytes:
        raise Refusal(413, "too_large", message)
    return bytes(body)


async def read_form(request: web.Request, max_bytes: int, message: str = "This form is too large.") -> dict[str, str]:
    """The fields of a form of our own site.

    Raises:
        Refusal: as by ``read_body``.
    """
    body = await read_body(request, max_bytes, message)
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        raise Refusal(400, "bad_form", "This form has too many fields.") from None
    return {name: values[0] for name, values in fields.items()}
