"""Keep the verdicts of sales about a lead, and derive its state, its owner and its history from them.

A lead keeps few of them, chosen by event time and kind only, so the order of arrival does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

CONTACTED, ACCEPTED, REJECTED, RECYCLED, OPPORTUNITY, WON, LOST, OWNER, NOTE = range(1, 10)
"""Kinds of verdicts. Of two at the same instant, the greater kind comes later."""
KINDS: Final = {
    CONTACTED: "contacted",
    ACCEPTED: "accepted",
    REJECTED: "rejected",
    RECYCLED: "recycled",
    OPPORTUNITY: "opportunity",
    WON: "won",
    LOST: "lost",
    OWNER: "owner",
    NOTE: "note",
}
VERDICT_EVENTS: Final[Mapping[str, int]] = {
    "Lead Contacted": CONTACTED,
    "Lead Accepted": ACCEPTED,
    "Lead Rejected": REJECTED,
    "Lead Recycled": RECYCLED,
    "Owner Assigned": OWNER,
    "Note Added": NOTE,
    "Opportunity Created": OPPORTUNITY,
    "Opportunity Won": WON,
    "Opportunity Lost": LOST,
    "Contacted": CONTACTED,
    "Accepted": ACCEPTED,
    "Rejected": REJECTED,
    "Recycled": RECYCLED,
    "Lead Disqualified": REJECTED,
    "Deal Won": WON,
    "Deal Lost": LOST,
}
"""Name of a track call -> kind of verdict. Of each kind the first name is the one that the board sends."""
NEW: Final = "new"
STATES: Final = (NEW, *(KINDS[kind] for kind in (CONTACTED, ACCEPTED, REJECTED, RECYCLED, OPPORTUNITY, WON, LOST)))
MAX_TEXT_BYTES: Final = 40
"""Longer texts are cut; the whole text is in the event."""
MAX_SALES_AMOUNT: Final = 1e12
_DECISIONS: Final = frozenset([ACCEPTED, REJECTED, RECYCLED, OPPORTUNITY, WON, LOST])
_KEPT: Final = ((_DECISIONS, 3), (frozenset([CONTACTED]), 2), (frozenset([OWNER]), 2), (frozenset([NOTE]), 1))
"""Kinds, and how many verdicts of these a lead keeps: a note never displaces a decision."""
MAX_VERDICTS: Final = sum(most for _, most in _KEPT)

Detail = str | int | float
"""A reason, an owner, the text of a note, or an amount; an empty text if there is none."""


class SalesCall(msgspec.Struct, frozen=True):
    """The verdict in an event."""

    kind: int
    detail: Detail = ""
    by: str = ""
    """Who gave it."""
    currency: str = ""
    """Of an amount, as three capital letters; empty if the event names none."""


class Verdict(NamedTuple):
    """A verdict that a lead keeps."""

    at_ms: int
    kind: int
    digest: bytes
    """The hash of the event's message id."""
    detail: Detail = ""
    by: str = ""

    @property
    def order(self) -> tuple[int, int, bytes]:
        """The place among the verdicts of a lead."""
        return self[:3]


Verdicts = tuple[Verdict, ...]
"""Verdicts of a lead, the earliest first."""


class Sales(NamedTuple):
    """What the verdicts of a lead amount to."""

    state: str = NEW
    since_ms: int | None = None
    """The time of the verdict that led to the state; None for a new lead."""
    by: str = ""
    reason: str = ""
    """Why the lead was rejected or lost."""
    amount: float | None = None
    """That of the opportunity."""
    owner: str = ""


NO_SALES: Final = Sales()


def event_of(kind: int) -> str:
    """The name of the event that the board sends for a kind of verdict."""
    return next(name for name, each in VERDICT_EVENTS.items() if each == kind)


def keep_verdicts(verdicts: Iterable[Verdict]) -> Verdicts:
    """The verdicts that a lead keeps: each event once, and of each kind the latest."""
    once = {verdict.digest: verdict for verdict in sorted(verdicts, key=_order, reverse=True)}
    latest = sorted(once.values(), key=_order, reverse=True)
    kept = [each for kinds, most in _KEPT for each in [v for v in latest if v.kind in kinds][:most]]
    return tuple(sorted(kept, key=_order))


def without_event(verdicts: Verdicts, digest: bytes) -> Verdicts:
    """The verdicts without that of the event with this message id hash."""
    return tuple(verdict for verdict in verdicts if verdict.digest != digest)


def sales_of(verdicts: Verdicts) -> Sales:
    """Derive the state of a lead.

    The latest decision counts. To contact a lead changes the state only of one that is new or recycled.
    """
    if not verdicts:
        return NO_SALES
    latest = {verdict.kind: verdict for verdict in verdicts}
    decision = max((latest[kind] for kind in _DECISIONS & latest.keys()), key=_order, default=None)
    contact, now = latest.get(CONTACTED), decision
    if contact is not None and (decision is None or (decision.kind == RECYCLED and decision.order < contact.order)):
        now = contact
    owner = str(latest[OWNER].detail) if OWNER in latest else ""
    if now is None:
        return Sales(owner=owner)
    reason = str(now.detail) if now.kind in (REJECTED, LOST) and isinstance(now.detail, str) else ""
    return Sales(KINDS[now.kind], now.at_ms, now.by, reason, _amount(now.kind, latest), owner)


def cut_text(text: str) -> str:
    """As much of a text as a lead keeps; an ellipsis marks that some is missing."""
    if len(text.encode("utf-8", "replace")) <= MAX_TEXT_BYTES:
        return text
    room = MAX_TEXT_BYTES - len("…".encode())
    return text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore").rstrip() + "…"


def _amount(kind: int, latest: dict[int, Verdict]) -> float | None:
    """The amount of the opportunity that the state is about, or of the one before its end."""
    for each in (kind, OPPORTUNITY) if kind in (OPPORTUNITY, WON, LOST) else ():
        if each in latest and not isinstance(latest[each].detail, str):
            return float(latest[each].detail)
    return None


def _order(verdict: Verdict) -> tuple[int, int, bytes]:
    return verdict.order
