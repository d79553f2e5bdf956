"""One mail to one recipient: what opened and clicked it, and what the whole says about each. Pure.

The verdict about an open or click depends on what is known of the mail, not on the order in which it became known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.collector.vocabulary import CLICKED, DELIVERED, LINK_SCANNER, TOO_SOON
from streams.events.identities import LeadIds

SCANNER_LINKS: Final = 3
"""So many distinct links within WINDOW_MS are no person's doing."""
WINDOW_MS: Final = 2000
SOON_MS: Final = 2000
"""A click sooner after the delivery is no person's."""
SCAN_MS: Final = 60_000
"""Mail is inspected before it counts as delivered: a click up to this long before the delivery is no person's."""
MOST_OF_ONE: Final = 64
"""Events remembered of one mail, the latest to come."""


@dataclass(slots=True)
class MailAction:
    """One open, click or delivery."""

    message_id: str
    event: str
    at_ms: int
    link: int
    """The hash of what was clicked."""
    recipient: str
    ids: LeadIds
    reason: str | None
    """Why it is a machine's; None for a person's, as far as is known."""
    passed: bool = False
    """It went on without a mark."""
    convicted_by: str = ""
    """The message id of the event that made a machine's of what had gone on as a person's."""


class Mailing:
    """Everything remembered of one mail."""

    __slots__ = ("_events", "updated_ms")

    def __init__(self) -> None:
        """Start with nothing."""
        self._events: dict[str, MailAction] = {}
        self.updated_ms = 0

    def __len__(self) -> int:
        return len(self._events)

    def add_action(self, action: MailAction, now_ms: int) -> MailAction:
        """Take in an event, and decide anew about all; returns what is known of it, also from its first coming."""
        self.updated_ms = max(self.updated_ms, now_ms)
        known = self._events.get(action.message_id)
        if known is None:
            if len(self._events) >= MOST_OF_ONE:
                del self._events[next(iter(self._events))]
            self._events[action.message_id] = known = action
        for other, reason in self._verdicts():
            if other.passed and not other.convicted_by:
                other.convicted_by = known.message_id
            other.reason = reason
        known.passed = known.passed or (known.reason is None and known.event != DELIVERED)
        return known

    def convicted_by(self, by: MailAction) -> list[MailAction]:
        """The events that had gone on as a person's until ``by`` came."""
        return [each for each in self._events.values() if each.convicted_by == by.message_id]

    def _verdicts(self) -> list[tuple[MailAction, str]]:
        """The events that passed for a person's until now, with the reason why they do not."""
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
    """Spans of at most WINDOW_MS from click to click, each with SCANNER_LINKS distinct links."""
    ordered = sorted(clicks, key=lambda each: each.at_ms)
    spans: list[tuple[int, int]] = []
    for i, first in enumerate(ordered):
        inside = [each for each in ordered[i:] if each.at_ms - first.at_ms <= WINDOW_MS]
        if len({each.link for each in inside}) >= SCANNER_LINKS:
            spans.append((first.at_ms, inside[-1].at_ms))
    return spans
