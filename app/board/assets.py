"""The files that pages load, under addresses that change with their content: browsers may keep them for ever."""

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
    """One file."""

    body: bytes
    kind: str
    hash: str


class Assets:
    """All of them, read once."""

    def __init__(self, folder: Path = STATIC) -> None:
        """Only files of the kinds that pages load are served."""
        self._files = {
            path.relative_to(folder).as_posix(): Asset(body, _KINDS[path.suffix], sha256(body).hexdigest()[:12])
            for path in sorted(folder.rglob("*"))
            if path.suffix in _KINDS
            for body in [path.read_bytes()]
        }

    def url_of(self, name: str) -> str:
        """The address of a file."""
        return f"/static/{self._files[name].hash}/{name}"

    async def serve_file(self, request: web.Request) -> web.Response:
        """A file.

        Raises:
            Refusal: there is none of this name and hash.
        """
        asset = self._files.get(request.match_info["name"])
        if asset is None or asset.hash != request.match_info["hash"]:
            raise Refusal(404, "not_found", "There is no such file.")
        return web.Response(body=asset.body, headers={"Content-Type": asset.kind, "Cache-Control": _FOR_EVER})
