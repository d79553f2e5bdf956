"""Static files, at URLs that contain a hash of their content: browsers may cache them for ever."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from aiohttp import web

from app.http.refusals import Refusal

STATIC: Final = Path(__file__).with_name("static")
_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file."""

    body: bytes
    kind: str
    hash: str


class Assets:
    """All static files, read once."""

    def __init__(self, folder: Path = STATIC) -> None:
        """Read the files of known types."""
        self._files = {
            path.relative_to(folder).as_posix(): Asset(body, _KINDS[path.suffix], sha256(body).hexdigest()[:12])
            for path in sorted(folder.rglob("*"))
            if path.suffix in _KINDS
            for body in [path.read_bytes()]
        }

    def url_of(self, name: str) -> str:
        """The URL of a file."""
        return f"/static/{self._files[name].hash}/{name}"

    async def serve_file(self, request: web.Request) -> web.Response:
        """Send a file.

        Raises:
            Refusal: there is no file of this name and hash.
        """
        asset = self._files.get(request.match_info["name"])
        if asset is None or asset.hash != request.match_info["hash"]:
            raise Refusal(404, "not_found", "There is no such file.")
        return web.Response(body=asset.body, headers={"Content-Type": asset.kind, "Cache-Control": _FOR_EVER})
