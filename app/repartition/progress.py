"""Reports how far a repartition is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

OnProgress = Callable[[str, int, int], None]
"""Called with what is done, how much of it is done, and how much it is in all (0: unknown)."""


@dataclass(slots=True)
class StepProgress:
    """Counts the items of one step."""

    doing: str
    report: OnProgress
    check: Callable[[], Awaitable[None]]
    """Called after each page."""
    total: int = 0
    done: int = 0

    async def add(self, count: int) -> None:
        """Count a page."""
        self.done += count
        self.report(self.doing, self.done, max(self.total, self.done))
        await self.check()
