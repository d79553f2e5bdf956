"""Passes notices of the topic tails to the open streams."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from app.http.refusals import Refusal

MAX_LISTENERS: Final = 500
MAX_OF_ONE: Final = 100
"""Listeners of one viewer: a team may share a token, and an open page has one or two."""
MAX_ALERTS: Final = 1000
"""Alerts that may wait for one listener; a slower one is disconnected."""
MAX_CHANGED: Final = 1000
"""Leads that are named to a listener at a time."""


class AlertSent(NamedTuple):
    """An alert was sent."""

    lead_id: str
    """That of an account if it is about one."""
    alert: dict[str, Any]


class LeadChanged(NamedTuple):
    """A published score or stage has changed."""

    lead_id: str
    scorecard: str | None
    """None if the lead was merged or erased."""


class LeadIndexed(NamedTuple):
    """A lead has changed in the search index."""

    lead_id: str


Notice = AlertSent | LeadChanged | LeadIndexed


class News(NamedTuple):
    """Notices that a listener has not received yet."""

    alerts: list[AlertSent]
    changed: list[str]
    """Changed leads, without duplicates."""
    flooded: bool
    """Whether more leads have changed than are named."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.alerts or self.changed)


class Listener:
    """The pending notices of one stream."""

    def __init__(self, is_wanted: Callable[[Notice], bool]) -> None:
        """``is_wanted`` selects its notices."""
        self.is_wanted = is_wanted
        self.lost = False
        """Whether it was too slow or the board stops; its client has to reconnect."""
        self._alerts: list[AlertSent] = []
        self._changed: dict[str, None] = {}
        self._flooded = False
        self._waiting = asyncio.Event()

    def offer(self, notice: Notice) -> None:
        """Add a notice. Changes are merged; alerts must not be dropped, so too many of them end the stream."""
        if self.lost:
            return
        if type(notice) is AlertSent:
            self._alerts.append(notice)
            if len(self._alerts) > MAX_ALERTS:
                self.close()
        elif len(self._changed) < MAX_CHANGED:
            self._changed[notice.lead_id] = None
        else:
            self._flooded = True
        self._waiting.set()

    def close(self) -> None:
        """End the stream."""
        self.lost = True
        self.take_news()
        self._waiting.set()

    async def wait_for_news(self, wait_s: float) -> News:
        """Wait for notices; returns none after ``wait_s``."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.wait(), wait_s)
        return self.take_news()

    def take_news(self) -> News:
        """Return the pending notices, and remove them."""
        self._waiting.clear()
        news = News(self._alerts, list(self._changed), self._flooded)
        self._alerts, self._changed, self._flooded = [], {}, False
        return news


class Broadcast:
    """All listeners."""

    def __init__(self) -> None:
        """There are no listeners yet."""
        self._listeners: set[Listener] = set()
        self._by_viewer: Counter[str] = Counter()

    def __len__(self) -> int:
        """The number of listeners."""
        return len(self._listeners)

    def publish(self, notice: Notice) -> None:
        """Pass a notice to the listeners that want it."""
        for listener in self._listeners:
            if listener.is_wanted(notice):
                listener.offer(notice)

    @contextmanager
    def listen(self, is_wanted: Callable[[Notice], bool], viewer: str) -> Iterator[Listener]:
        """Listen until the end of the block.

        Raises:
            Refusal: there are too many listeners, or this viewer has too many.
        """
        if self._by_viewer[viewer] >= MAX_OF_ONE:
            message = f"{MAX_OF_ONE} streams are open, which is the limit of one viewer: close some pages."
            raise Refusal(503, "too_many_streams", message, retry_after_s=10)
        if len(self._listeners) >= MAX_LISTENERS:
            message = f"{MAX_LISTENERS} streams are open, which is the limit of this board: close some."
            raise Refusal(503, "too_many_streams", message, retry_after_s=10)
        listener = Listener(is_wanted)
        self._listeners.add(listener)
        self._by_viewer[viewer] += 1
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            self._by_viewer[viewer] -= 1
            self._by_viewer += Counter()  # removes those at zero

    def close(self) -> None:
        """End every stream."""
        for listener in self._listeners:
            listener.close()
