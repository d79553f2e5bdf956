"""Says on the screen of a demo why a changed scorecard file is not in use."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from streams.publishing.scorecards import Scorecards
from streams.yamlfile.load import YamlFileError

HELD: Final = (
    "{file} is not in use: it would send more than {most} alerts at once. To see them: leadglow scorecards diff FILE. "
    "To use it: leadglow scorecards publish FILE --yes, or with --quiet to send none."
)
REFUSED: Final = "A mistake in the changed file, so the previous version stays in use: {error}"
_HELD_METRIC: Final = ("leadglow_scorecards_held_total", "")
_VERSION_METRIC: Final = "leadglow_scorecards_info"

Metrics = Mapping[tuple[str, str], float]


class CardFile:
    """The scorecard file of a demo, as its worker sees it."""

    def __init__(self, path: Path, most: int) -> None:
        """``most`` is the number of alerts from which on a changed file is held back."""
        self._path = path
        self._most = most
        self._stamp = self._read_stamp()
        self._version, self._error = "", ""
        self._held_before = self._held = 0.0
        """The worker's count of files held back, before the latest change of the file and now."""

    async def explain(self, metrics: Metrics) -> str:
        """Why the file on disk is not in use; empty if it is, or if the worker has yet to look at it."""
        held, self._held = self._held, metrics.get(_HELD_METRIC, 0.0)
        stamp = await asyncio.to_thread(self._read_stamp)  # the metrics of the last call do not count a change since
        if stamp != self._stamp:
            self._stamp, self._held_before = stamp, held
            await asyncio.to_thread(self._read)
        if self._error:
            return REFUSED.format(error=self._error)
        if (_VERSION_METRIC, self._version) in metrics:
            self._held_before = self._held  # another version may be published later, in place of the file's
        elif self._version and self._held > self._held_before:
            return HELD.format(file=self._path, most=self._most)
        return ""

    def _read(self) -> None:
        self._version, self._error = "", ""
        try:
            self._version = Scorecards.read_file(self._path, 0).version
        except YamlFileError as error:
            self._error = str(error).partition("\n")[0]

    def _read_stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size
