"""Relate a verdict of sales to the alerts before it: the stage that it is about, and how long the lead waited."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules
from streams.scoring.verdicts import ACCEPTED, CONTACTED, KINDS, REJECTED, Verdict

OTHER: Final = "other"
"""Any reason that is not in the scorecard."""


class Decision(NamedTuple):
    """A lead was accepted or rejected after an alert of this stage."""

    scorecard: str
    stage: str
    verdict: str
    reason: str
    """One of the scorecard, or ``other``; empty for an accepted lead."""


class GivenVerdict(NamedTuple):
    """A verdict, as it is counted."""

    kind: str
    decisions: tuple[Decision, ...] = ()
    waited_ms: tuple[tuple[str, int], ...] = ()
    """Scorecard -> time from its last alert to this first contact."""


LastAlert = tuple[CardRule, int, str]
"""A scorecard, and the time and the stage of its last alert."""


def last_alerts(rules: Rules, lead: Lead, until_ms: int) -> list[LastAlert]:
    """The last alert of each scorecard, of those that sent one."""
    return [(card, *alert) for card in rules.cards if (alert := _last_alert(card, lead, until_ms)) is not None]


def relate_verdict(lead: Lead, verdict: Verdict, alerts: Sequence[LastAlert]) -> GivenVerdict:
    """What to count of a verdict that a lead keeps; ``alerts`` are the last ones before it."""
    kind = KINDS[verdict.kind]
    if verdict.kind == CONTACTED:
        contacts = [each.at_ms for each in lead.verdicts if each.kind == CONTACTED and each.digest != verdict.digest]
        first = [(card.name, verdict.at_ms - at_ms) for card, at_ms, _ in alerts if max(contacts, default=-1) < at_ms]
        return GivenVerdict(kind, waited_ms=tuple(first))
    if verdict.kind in (ACCEPTED, REJECTED):
        decisions = (Decision(card.name, stage, kind, _reason(card, verdict)) for card, _, stage in alerts)
        return GivenVerdict(kind, tuple(decisions))
    return GivenVerdict(kind)


def _last_alert(card: CardRule, lead: Lead, until_ms: int) -> tuple[int, str] | None:
    """When and for which stage the last alert was sent."""
    return max(_alerts(card, lead, until_ms), default=None)


def _alerts(card: CardRule, lead: Lead, until_ms: int) -> Iterator[tuple[int, str]]:
    for rule in card.stages:
        latch = lead.latches.get(rule.key)
        if latch is not None and latch.published_at is not None and latch.published_at <= until_ms:
            yield latch.published_at, rule.stage.name


def _reason(card: CardRule, verdict: Verdict) -> str:
    if verdict.kind == ACCEPTED:
        return ""
    terms = card.card.sales
    return str(verdict.detail) if terms is not None and verdict.detail in terms.reasons else OTHER
