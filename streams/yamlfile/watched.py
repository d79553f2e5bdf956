"""A file in use: read at the start, and again whenever it changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
RELOAD_S: Final = 1.0


class Watched(Generic[T]):
    """What a file says, as it was when it last had no mistake."""

    def __init__(self, path: Path, load: Callable[[Path], T], what: str, refused: Callable[[], None]) -> None:
        """Read the file, called ``what`` in the log; ``refused`` is called when a changed one has mistakes.

        Raises:
            Exception: what ``load`` raises for a file with mistakes.
        """
        self._path = path
        self._load = load
        self._what = what
        self._refused = refused
        self._seen = self._look()
        self.value = load(path)

    async def watch(self) -> None:
        """Look at the file again and again."""
        while True:
            await asyncio.sleep(RELOAD_S)
            await self.reload_if_changed()

    async def reload_if_changed(self) -> None:
        """Take a changed file; keep to what the old one said if it has mistakes."""
        seen = await asyncio.to_thread(self._look)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            new = await asyncio.to_thread(self._load, self._path)
        except Exception as error:
            self._refused()
            log.error("the changed %s is refused; what it said before stays in force:\n%s", self._what, error)
            return
        self.follow(self.value, new)
        self.value = new
        log.info("the changed %s is in force", self._what)

    def follow(self, old: T, new: T) -> None:
        """Carry over what must not begin anew: nothing, unless a subclass knows better."""

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
