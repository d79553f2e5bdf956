"""From the tails to whoever listens: pages that show something as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from app.http.refusals import Refusal

MOST_LISTENERS: Final = 500
MOST_ALERTS: Final = 1000
"""Alerts that wait for one listener; one that is slower begins anew."""
MOST_CHANGED: Final = 1000
"""Leads that are named to one listener at a time."""


class AlertSent(NamedTuple):
    """An alert was sent."""

    lead_id: str
    alert: dict[str, Any]


class LeadChanged(NamedTuple):
    """A published score or stage has changed."""

    lead_id: str
    scorecard: str | None
    """None where the lead is gone: joined or erased."""


Notice = AlertSent | LeadChanged


class News(NamedTuple):
    """What there is to tell."""

    alerts: list[AlertSent]
    changed: list[str]
    """Leads that have changed, each once."""
    flooded: bool
    """More have than are named."""

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.alerts or self.changed)


class Listener:
    """What one stream has still to be told."""

    def __init__(self, wants: Callable[[Notice], bool]) -> None:
        """``wants`` tells which notes are for it."""
        self.wants = wants
        self.lost = False
        """It was too slow, or the board stops: its client begins anew."""
        self._alerts: list[AlertSent] = []
        self._changed: dict[str, None] = {}
        self._flooded = False
        self._waiting = asyncio.Event()

    def offer(self, note: Notice) -> None:
        """Take a note. Changes run together; of alerts none may be left out, so too many end the stream."""
        if self.lost:
            return
        if type(note) is AlertSent:
            self._alerts.append(note)
            if len(self._alerts) > MOST_ALERTS:
                self.close()
        elif len(self._changed) < MOST_CHANGED:
            self._changed[note.lead_id] = None
        else:
            self._flooded = True
        self._waiting.set()

    def close(self) -> None:
        """End the stream."""
        self.lost = True
        self.take_news()
        self._waiting.set()

    async def wait_for_news(self, wait_s: float) -> News:
        """What there is to tell; nothing after a while without news."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.wait(), wait_s)
        return self.take_news()

    def take_news(self) -> News:
        """What there is to tell now."""
        self._waiting.clear()
        news = News(self._alerts, list(self._changed), self._flooded)
        self._alerts, self._changed, self._flooded = [], {}, False
        return news


class Broadcast:
    """Everybody who listens."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._listeners: set[Listener] = set()

    def __len__(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def publish(self, note: Notice) -> None:
        """Pass a note on."""
        for listener in self._listeners:
            if listener.wants(note):
                listener.offer(note)

    @contextmanager
    def listen(self, wants: Callable[[Notice], bool]) -> Iterator[Listener]:
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
