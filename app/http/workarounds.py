"""Corners of HTTP, where what aiohttp does of its own will not do."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError


class Anywhere(web.PlainResource):
    """Any path, and the ``*`` of OPTIONS, which no pattern matches."""

    def _match(self, path: str) -> dict[str, str]:
        return {}


async def go_on(request: web.BaseRequest) -> None:
    """Let who asks first send the body; whatever else somebody expects is left aside, as RFC 9110 allows."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def quiet(log: logging.Logger) -> logging.Logger:
    """Where aiohttp tells of errors; not of requests that are no HTTP, or anybody could fill it."""
    found = log.getChild("http")
    found.addFilter(_is_ours)
    return found


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
