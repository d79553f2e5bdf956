"""What a lane needs of the log that it reads."""

from __future__ import annotations

from typing import Protocol


class LogCursor(Protocol):
    """Reads one partition of ``lead-events``."""

    async def seek(self, offset: int) -> None:
        """Read from this offset on."""

    async def first_offset(self) -> int:
        """The offset of the first record that is left; 0 while Kafka cannot be reached."""
