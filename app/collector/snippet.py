"""Our own tracking snippet, ``/leadglow.js``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

from app.collector import responses

PATH: Final = "/leadglow.js"
FILE: Final = Path(__file__).with_name("static") / "leadglow.js"
CONTENT_TYPE: Final = "text/javascript; charset=utf-8"


async def serve_snippet(request: web.BaseRequest) -> web.Response:
    """The script, which browsers may keep for an hour."""
    return responses.cached_file(request, FILE.read_bytes(), CONTENT_TYPE)
