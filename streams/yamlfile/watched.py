"""Watches a configuration file: loads it at the start, and again when it changes."""

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
    """The value of a file: the last version without mistakes."""

    def __init__(self, path: Path, load: Callable[[Path], T], name: str, count_error: Callable[[], None]) -> None:
        """Read the file; ``name`` is for the log, ``count_error`` is called when a changed file has mistakes.

        Raises:
            Exception: the error that ``load`` raises for a file with mistakes.
        """
        self._path = path
        self._load = load
        self._name = name
        self.count_error = count_error
        self._stamp = self._read_stamp()
        self.value = load(path)
        self.on_change: Callable[[T, T], None] = lambda old, new: None
        """Called with the old and the new value just before the new one is used."""

    async def watch(self) -> None:
        """Check every second whether the file has changed; never returns."""
        while True:
            await asyncio.sleep(RELOAD_S)
            await self.reload_if_changed()

    async def reload_if_changed(self) -> None:
        """Read a changed file; keep the old value if it has mistakes."""
        stamp = await asyncio.to_thread(self._read_stamp)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            new = await asyncio.to_thread(self._load, self._path)
        except Exception as error:
            self.count_error()
            log.error("the changed %s is refused; the previous version stays in use:\n%s", self._name, error)
            return
        self.on_change(self.value, new)
        self.value = new
        log.info("reloaded the changed %s", self._name)

    def _read_stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
