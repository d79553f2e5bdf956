"""What became of each lead that was handed over to sales: an alert with the verdicts after it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from streams.scoring.sales_rows import ENTERED, NO_CHANNEL, UNDONE, About, Channel, SalesRow
from streams.scoring.verdicts import ACCEPTED, CONTACTED, KINDS, LOST, OPPORTUNITY, REJECTED, WON

_DEALS: Final = frozenset(KINDS[kind] for kind in (OPPORTUNITY, WON, LOST))
_DECISIONS: Final = _DEALS | {KINDS[ACCEPTED], KINDS[REJECTED]}
_ORDER: Final = {name: kind for kind, name in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Handover:
    """A lead entered a stage with an alert, and what sales made of it since."""

    lead: str
    """A hash of its id."""
    stage: str
    at_ms: int
    first: Channel = NO_CHANNEL
    last: Channel = NO_CHANNEL
    contacted_ms: int | None = None
    decision: str = ""
    """``accepted`` or ``rejected``; empty if it is open. An opportunity means that the lead was accepted."""
    reason: str = ""
    deal: str = ""
    """``opportunity``, ``won`` or ``lost``; empty without one."""
    amount: float | None = None
    currency: str = ""


def valid_rows(rows: Iterable[SalesRow]) -> list[SalesRow]:
    """The rows without undone verdicts, and each verdict once: a lead may have got it in two shards."""
    kept: dict[str, SalesRow] = {}
    alerts, undone = [], set()
    for row in sorted(rows, key=lambda row: (row.at_ms, _ORDER.get(row.kind, 0))):
        if row.kind == ENTERED:
            alerts.append(row)
        elif row.kind == UNDONE:
            undone.add(row.verdict)
        else:
            kept.setdefault(row.verdict, row)
    return [*alerts, *(row for digest, row in kept.items() if digest not in undone)]


def find_handovers(rows: Iterable[SalesRow], currency: str = "") -> dict[str, list[Handover]]:
    """The handovers of each scorecard, the earliest first; ``rows`` are valid.

    ``currency`` is that of amounts that name none.
    """
    entered: dict[About, dict[str, SalesRow | None]] = {}
    given: dict[tuple[About, str], list[SalesRow]] = {}
    for row in rows:
        for about in row.about:
            leads = entered.setdefault(about, {})
            if row.kind == ENTERED:
                leads[row.lead] = row
                continue
            # A lead that was joined to another one since has another id: its alert is the one of that instant.
            lead = row.lead if row.lead in leads or len(leads) != 1 else next(iter(leads))
            leads.setdefault(lead, None)
            given.setdefault((about, lead), []).append(row)
    found: dict[str, list[Handover]] = {}
    for about, leads in sorted(entered.items(), key=lambda item: item[0][2]):
        for lead, alert in leads.items():
            found.setdefault(about[0], []).append(_handover(lead, about, alert, given.get((about, lead), ()), currency))
    return found


def count_without_alert(rows: Iterable[SalesRow]) -> int:
    """The number of leads about which sales decided although no alert was sent before; ``rows`` are valid."""
    return len({row.lead for row in rows if not row.about and row.kind in _DECISIONS})


def _handover(lead: str, about: About, alert: SalesRow | None, verdicts: Sequence[SalesRow], currency: str) -> Handover:
    contacts = [row.at_ms for row in verdicts if row.kind == KINDS[CONTACTED]]
    decisions = [row for row in verdicts if row.kind in _DECISIONS]
    channels = alert or next(iter(verdicts))
    handed = Handover(lead, about[1], about[2], channels.first, channels.last, min(contacts, default=None))
    if not decisions:
        return handed
    last = decisions[-1]
    if last.kind == KINDS[REJECTED]:
        return replace(handed, decision="rejected", reason=str(last.detail))
    deals = [row for row in decisions if row.kind in _DEALS]
    if not deals:
        return replace(handed, decision="accepted")
    priced = [row for row in deals if not isinstance(row.detail, str)]
    amount = float(priced[-1].detail) if priced else None
    named = (priced[-1].currency or currency) if priced else ""
    return replace(handed, decision="accepted", deal=deals[-1].kind, amount=amount, currency=named)
