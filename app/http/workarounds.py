"""Workarounds for HTTP cases that aiohttp does not handle."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError


class AnyPath(web.PlainResource):
    """Matches any path, and the ``*`` of an OPTIONS request, which no aiohttp pattern matches."""

    def _match(self, path: str) -> dict[str, str]:
        return {}


async def send_continue(request: web.BaseRequest) -> None:
    """Answer ``Expect: 100-continue``; ignore any other expectation, as RFC 9110 allows."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def without_bad_requests(log: logging.Logger) -> logging.Logger:
    """A logger for aiohttp that skips requests that are not HTTP: otherwise anyone could fill the log."""
    child = log.getChild("http")
    child.addFilter(_is_our_error)
    return child


def _is_our_error(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
