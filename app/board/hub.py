"""From the feeds to whoever listens: pages that show something as it happens."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from app.refusal import Refusal

MOST_LISTENERS: Final = 500
MOST_NOTES: Final = 1000
"""Notes that wait for one listener; one that is slower begins anew."""


class Alerted(NamedTuple):
    """An alert was sent."""

    lead_id: str
    alert: dict[str, Any]


class Changed(NamedTuple):
    """A published score or stage has changed."""

    lead_id: str
    scorecard: str | None
    """None where the lead is gone: joined or erased."""


Note = Alerted | Changed


class Listener:
    """What one stream has still to be told."""

    def __init__(self, wants: Callable[[Note], bool]) -> None:
        """``wants`` tells which notes are for it."""
        self.wants = wants
        self.lost = False
        """It was too slow, or the board stops: its client begins anew."""
        self._notes: deque[Note] = deque()
        self._news = asyncio.Event()

    def tell(self, note: Note) -> None:
        """Take a note."""
        if len(self._notes) >= MOST_NOTES:
            self.close()
        if not self.lost:
            self._notes.append(note)
            self._news.set()

    def close(self) -> None:
        """End the stream."""
        self.lost = True
        self._notes.clear()
        self._news.set()

    async def news(self, wait_s: float) -> list[Note]:
        """What there is to tell; empty after a while without news."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), wait_s)
        return self.take()

    def take(self) -> list[Note]:
        """What there is to tell now."""
        self._news.clear()
        notes = list(self._notes)
        self._notes.clear()
        return notes


class Hub:
    """Everybody who listens."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._listeners: set[Listener] = set()

    def __len__(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def tell(self, note: Note) -> None:
        """Pass a note on."""
        for listener in self._listeners:
            if listener.wants(note):
                listener.tell(note)

    @contextmanager
    def listening(self, wants: Callable[[Note], bool]) -> Iterator[Listener]:
        """Listen for as long as the block lasts.

        Raises:
            Refusal: too many do.
        """
        if len(self._listeners) >= MOST_LISTENERS:
            message = f"{MOST_LISTENERS} streams are open, and this board takes no more: close some."
            raise Refusal(503, "too_many_streams", message, retry_after_s=10)
        listener = Listener(wants)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """End every stream."""
        for listener in self._listeners:
            listener.close()
