"""The format of all that a system stores and sends: workers agree in Redis on the one that they write.

A release reads the format before its own, and writes that one until `leadglow upgrade --finish`. So workers of two
releases can share the partitions, and the older one can be started again.
"""

from __future__ import annotations

import logging
import re
from typing import Final

from streams.mismatch import NEWER_SYSTEM, OLDER_SYSTEM, Mismatch
from streams.store.base import Store

log = logging.getLogger(__name__)
FORMAT: Final = 2
"""The newest format that this release reads and writes.

1: releases that noted no number. 2: releases that do; they write nothing that those before cannot read.
"""
OLDEST: Final = FORMAT - 1
"""The oldest format that it reads and writes."""
NAME: Final = "format"
"""Of the number in the settings that all workers share."""
_CLIENT: Final = re.compile(r"-format-(\d+)(?:-[0-9a-f-]{36})?$")
"""Kafka adds a UUID to the id of a member, which is all that the embedded broker says of it."""


class SystemFormat:
    """The format that a process writes."""

    def __init__(self, store: Store) -> None:
        """Nothing is read yet."""
        self._store = store
        self.written = OLDEST

    async def refresh(self) -> None:
        """Read which format the system uses; from then on it is the one to write.

        Raises:
            Mismatch: this release cannot read it.
        """
        found = await self._store.meta(NAME)
        require_readable(found)
        if self.written != parse_format(found):
            self.written = parse_format(found)
            log.info("writing format %d from now on", self.written)


async def begin_format(store: Store) -> None:
    """Note the format of this release for a system that has no state: a new one, or one whose Redis is lost.

    The latter may be in the middle of an upgrade, which this ends; docs/upgrade.md says what to do before.
    """
    if not await store.meta("partitions"):
        await store.meta(NAME, str(FORMAT))


def parse_format(found: str) -> int:
    """The format of a system by what it has noted."""
    return int(found or 1)


def require_readable(found: str) -> None:
    """Require that this release reads the format that a system has noted.

    Raises:
        Mismatch: it does not.
    """
    number = parse_format(found)
    if number > FORMAT:
        raise Mismatch(NEWER_SYSTEM.format(found=number, newest=FORMAT))
    if number < OLDEST:
        raise Mismatch(OLDER_SYSTEM.format(found=number, oldest=OLDEST))


def client_of(version: str) -> str:
    """What a worker calls itself in Kafka, so that others see which formats it reads."""
    return f"leadglow-{version}-format-{FORMAT}"


def format_of(client: str) -> int:
    """The newest format that a worker reads, by what it calls itself."""
    found = _CLIENT.search(client)
    return int(found[1]) if found else 1
