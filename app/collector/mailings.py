"""One mail to one recipient: its opens, clicks and deliveries, and the verdict about each. Pure.

A verdict depends on all events of the mail, but not on the order of their arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.collector.vocabulary import CLICKED, DELIVERED, LINK_SCANNER, TOO_SOON
from streams.events.identities import LeadIds

SCANNER_LINKS: Final = 3
"""This many distinct links within WINDOW_MS are clicked by a machine."""
WINDOW_MS: Final = 2000
SOON_MS: Final = 2000
"""A click sooner after the delivery is a machine's."""
SCAN_MS: Final = 60_000
"""Mail is scanned before delivery: a click up to this long before the delivery is a machine's."""
MAX_PER_MESSAGE: Final = 64
"""Events remembered of one mail; the oldest arrivals are forgotten."""


@dataclass(slots=True)
class MailAction:
    """One open, click or delivery."""

    message_id: str
    event: str
    at_ms: int
    link: int
    """The hash of the clicked link."""
    recipient: str
    ids: LeadIds
    reason: str | None
    """Why it is a machine's; None for a person's, as far as known."""
    passed: bool = False
    """Whether it was sent on without a mark."""
    convicted_by: str = ""
    """The message id of the later event that exposed it as a machine's."""


class Mailing:
    """The events remembered of one mail."""

    __slots__ = ("_events", "updated_ms")

    def __init__(self) -> None:
        """It has no events yet."""
        self._events: dict[str, MailAction] = {}
        self.updated_ms = 0

    def __len__(self) -> int:
        return len(self._events)

    def add_action(self, action: MailAction, now_ms: int) -> MailAction:
        """Add an event and judge all events again; returns the event, as first added if it is a repetition."""
        self.updated_ms = max(self.updated_ms, now_ms)
        known = self._events.get(action.message_id)
        if known is None:
            if len(self._events) >= MAX_PER_MESSAGE:
                del self._events[next(iter(self._events))]
            self._events[action.message_id] = known = action
        for other, reason in self._verdicts():
            if other.passed and not other.convicted_by:
                other.convicted_by = known.message_id
            other.reason = reason
        known.passed = known.passed or (known.reason is None and known.event != DELIVERED)
        return known

    def convicted_by(self, by: MailAction) -> list[MailAction]:
        """The events that were sent on as a person's before ``by`` exposed them."""
        return [each for each in self._events.values() if each.convicted_by == by.message_id]

    def _verdicts(self) -> list[tuple[MailAction, str]]:
        """Events newly found to be a machine's, each with the reason."""
        events = list(self._events.values())
        bursts = _bursts([each for each in events if each.event == CLICKED])
        delivered = [each.at_ms for each in events if each.event == DELIVERED]
        found: list[tuple[MailAction, str]] = []
        for each in events:
            if each.reason is not None or each.event == DELIVERED:
                continue
            if any(first <= each.at_ms <= last for first, last in bursts):
                found.append((each, LINK_SCANNER))
            elif each.event == CLICKED and any(-SCAN_MS <= each.at_ms - at < SOON_MS for at in delivered):
                found.append((each, TOO_SOON))
        return found


def _bursts(clicks: list[MailAction]) -> list[tuple[int, int]]:
    """Spans of time of at most WINDOW_MS with clicks on at least SCANNER_LINKS distinct links."""
    ordered = sorted(clicks, key=lambda each: each.at_ms)
    spans: list[tuple[int, int]] = []
    for i, first in enumerate(ordered):
        inside = [each for each in ordered[i:] if each.at_ms - first.at_ms <= WINDOW_MS]
        if len({each.link for each in inside}) >= SCANNER_LINKS:
            spans.append((first.at_ms, inside[-1].at_ms))
    return spans
