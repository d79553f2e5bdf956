"""Watches a configuration file: loads it at the start, and again when it changes."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from streams.clock import now_ms

log = logging.getLogger(__name__)
T = TypeVar("T")
RELOAD_S: Final = 1.0


class Watched(Generic[T]):
    """The value of a file: the last version without mistakes."""

    def __init__(self, path: Path, load: Callable[[Path], T], label: str) -> None:
        """Read the file; ``label`` is its name in the log and in metrics.

        Raises:
            Exception: the error that ``load`` raises for a file with mistakes.
        """
        self._path = path
        self._load = load
        self.label = label
        self._stamp = self._read_stamp()
        self.sha256 = ""
        """The digest of the contents in use."""
        self.loaded_s = 0.0
        """When they were read, in seconds since the epoch."""
        self.is_refused = False
        """Whether the contents on disk have mistakes, or are gone."""
        self.errors = 0
        """How often changed contents had mistakes."""
        self.value = self._read()
        self.on_change: Callable[[T, T], None] = lambda old, new: None
        """Called with the old and the new value just before the new one is used."""
        self.on_reload: Callable[[], None] = lambda: None
        """Called after a changed file was taken or refused."""

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
            new = await asyncio.to_thread(self._read)
        except Exception as error:
            self.is_refused = True
            self.errors += 1
            log.error("the changed %s file is refused; the previous version stays in use:\n%s", self.label, error)
            self.on_reload()
            return
        self.on_change(self.value, new)
        self.value = new
        self.is_refused = False
        log.info("reloaded the changed %s file", self.label)
        self.on_reload()

    def _read(self) -> T:
        value = self._load(self._path)
        self.sha256 = hashlib.sha256(self._path.read_bytes()).hexdigest()
        self.loaded_s = now_ms() / 1000
        return value

    def _read_stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
