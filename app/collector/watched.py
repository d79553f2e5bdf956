"""The keys file in use: read at the start, and again whenever it changes."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

from app.collector import keys, webhooks
from app.collector.keys import KeyRing, KeysError
from app.collector.metrics import Metrics

log = logging.getLogger(__name__)
RELOAD_S: Final = 1.0


class WatchedKeys:
    """The keys in force: the file's, as it was when it last had no mistake."""

    def __init__(self, path: Path, metrics: Metrics) -> None:
        """Read the file.

        Raises:
            KeysError: it has mistakes.
        """
        self._path = path
        self._metrics = metrics
        self._seen = self._look()
        self.ring: KeyRing = keys.load(path, webhooks.SERVICES)

    async def watch(self) -> None:
        """Look at the file again and again."""
        while True:
            await asyncio.sleep(RELOAD_S)
            await self.reload_if_changed()

    async def reload_if_changed(self) -> None:
        """Take a changed file; keep to the old keys if it has mistakes."""
        seen = await asyncio.to_thread(self._look)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            ring = await asyncio.to_thread(keys.load, self._path, webhooks.SERVICES)
        except KeysError as error:
            self._metrics.keys_errors.inc()
            log.error("the changed keys file is refused, the keys from before stay in force:\n%s", error)
            return
        ring.carry_over(self.ring)
        self.ring = ring
        log.info("the changed keys file is in force: %d keys, %d webhooks", len(ring.keys), len(ring.webhooks))

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
