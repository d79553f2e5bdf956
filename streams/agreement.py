"""The scorecards that all workers of one Leadglow use, agreed on in Redis."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from streams.mismatch import OTHER_SCORECARDS, UNEQUAL_VERSIONS, UNREADABLE_SCORECARDS, Mismatch
from streams.scorefile import parse
from streams.scoring.rules import Rules
from streams.store.base import Store
from streams.yamlfile.load import YamlFileError, read_text
from streams.yamlfile.watched import Watched

log = logging.getLogger(__name__)
NAME: Final = "scorecards"
"""The name of the agreed text among the settings in the store."""
CHECK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Scorecards:
    """A scorecard file as text, and ready to run."""

    text: str
    rules: Rules
    warnings: tuple[str, ...] = ()
    """About the file, one line each."""

    @classmethod
    def read_file(cls, path: Path, lateness_ms: int) -> Self:
        """Read a file.

        Raises:
            YamlFileError: it has mistakes.
        """
        return cls.parse_text(read_text(path), str(path), lateness_ms)

    @classmethod
    def parse_text(cls, text: str, name: str, lateness_ms: int) -> Self:
        """Parse the text of a file; mistakes are reported under ``name``.

        Raises:
            YamlFileError: it has mistakes.
        """
        reading = parse(text, name)
        return cls(text, Rules(reading.value, lateness_ms), reading.warnings)

    @property
    def stored(self) -> str:
        """The form in the store: version, line feed, text."""
        return f"{self.version}\n{self.text}"

    @property
    def version(self) -> str:
        """SHA-256 of the canonical form."""
        return self.rules.version


def version_of(stored: str) -> str:
    """The version of scorecards in the store; empty where there are none."""
    return stored.partition("\n")[0]


def require_agreed(stored: str, version: str) -> None:
    """Check that scorecards in the store, if there are any, have this version.

    Raises:
        Mismatch: they have another one.
    """
    agreed = version_of(stored)
    if agreed and agreed != version:
        raise Mismatch(OTHER_SCORECARDS.format(agreed=agreed[:12], found=version[:12]))


async def publish(store: Store, scorecards: Scorecards, over: str = "") -> str:
    """Make these scorecards the agreed ones if the agreed version is ``over`` or it is empty; returns the agreed ones.

    Workers use them within seconds.
    """
    return await store.replace_meta(NAME, over, scorecards.stored)


class AgreedScorecards:
    """Keeps a worker at the agreed scorecards, and offers changes of its file to all workers."""

    def __init__(
        self, store: Store, file: Watched[Scorecards], lateness_ms: int, use: Callable[[Rules, Rules], None]
    ) -> None:
        """``use`` is called with the rules in use and the new ones."""
        self._store = store
        self._file = file
        self._lateness_ms = lateness_ms
        self._use = use
        self._offered = self._in_use = file.value

    async def join(self) -> None:
        """Compare the file with the agreed scorecards; the first worker's file becomes the agreed one.

        Raises:
            Mismatch: the file has another version.
        """
        require_agreed(await self._store.meta(NAME, self._in_use.stored), self._in_use.version)

    async def follow(self) -> None:
        """Check the file and the agreed scorecards once a second, for ever."""
        while True:
            await asyncio.sleep(CHECK_S)
            await self.check()

    async def check(self) -> None:
        """Offer a changed file, and use what is agreed."""
        await self._file.reload_if_changed()
        if self._file.value is not self._offered:
            agreed = await self._offer(self._offered.version, self._file.value)
        else:
            agreed = await self._store.meta(NAME) or await self._store.meta(NAME, self._in_use.stored)
        if version_of(agreed) != self._in_use.version:
            await self._adopt(agreed)

    async def _offer(self, over: str, new: Scorecards) -> str:
        """Replace the agreed scorecards by the changed file, unless they are others than the file was before."""
        self._offered = new
        agreed = await publish(self._store, new, over)
        try:
            require_agreed(agreed, new.version)
        except Mismatch as other:
            self._file.count_error()
            log.error("the changed scorecard file is not used, because its old version is not in use: %s", other)
        return agreed

    async def _adopt(self, agreed: str) -> None:
        offered = self._offered.version == version_of(agreed)
        old, self._in_use = self._in_use, self._offered if offered else await self._read_agreed(agreed)
        self._use(old.rules, self._in_use.rules)

    async def _read_agreed(self, agreed: str) -> Scorecards:
        """Read the agreed scorecards, in a thread, because a large file takes long.

        Raises:
            Mismatch: another version of Leadglow published them, and this one reads them differently.
        """
        version, _, text = agreed.partition("\n")
        try:
            new = await asyncio.to_thread(Scorecards.parse_text, text, "the scorecards in use", self._lateness_ms)
        except YamlFileError as error:
            raise Mismatch(UNREADABLE_SCORECARDS.format(error=error)) from None
        if new.version != version:
            raise Mismatch(UNEQUAL_VERSIONS.format(found=new.version[:12], agreed=version[:12]))
        return new
