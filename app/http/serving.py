"""Listening on a host and port, with aiohttp's low-level server or an application on top of it."""

from __future__ import annotations

import logging
from typing import Any, Final

from aiohttp import web

from app.http.workarounds import without_bad_requests

MAX_HEAD_LINE_BYTES: Final = 64 * 1024
"""The longest line in the head of a request: Snowplow's GET requests carry whole events."""


def server_options(log: logging.Logger) -> dict[str, Any]:
    """What every server of ours passes to aiohttp."""
    return {
        "access_log": None,
        "logger": without_bad_requests(log),
        "max_line_size": MAX_HEAD_LINE_BYTES,
        "max_field_size": MAX_HEAD_LINE_BYTES,
    }


async def listen(runner: web.BaseRunner, host: str, port: int) -> str:
    """Start a server and return its URL; ``runner.cleanup()`` ends it.

    Raises:
        OSError: the host and port are not available.
    """
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return url_of(runner, host)


def url_of(runner: web.BaseRunner, host: str) -> str:
    """The URL of a server that listens on ``host``."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{runner.addresses[0][1]}"
