"""Stages are latches with hysteresis; every change of one is a Transition with an id of its own, for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from streams.scoring.crossing import flips, next_flip, soonest
from streams.scoring.lead import Latch, Lead
from streams.scoring.rules import CardRule, Rules, StageRule
from streams.scoring.score import Score, Standing, published, read

ALERT_NAMESPACE: UUID = uuid5(NAMESPACE_URL, "urn:leadglow:alert")


class Cause(NamedTuple):
    """Why stages are looked at; ``event`` is the hash of the message id of the event, where one is the reason."""

    name: str
    event: bytes = b""


DECAY, SCORECARD, MERGED = Cause("decay"), Cause("scorecard_changed"), Cause("merged")
RETRACTED = "retracted"


@dataclass(frozen=True, slots=True)
class Transition:
    """A stage of a lead was entered or left at ``at_ms``; ``told`` if it is to be published on handoff."""

    lead_id: str
    card: str
    stage: str
    kind: str
    """``entered`` or ``left``."""
    at_ms: int
    cause: str
    """``event``, ``decay``, ``scorecard_changed``, ``merged`` or ``retracted``."""
    episode: int
    told: bool
    silenced: bool
    """Kept back by the cooldown."""
    previous: float
    """The exact score before the cause, in units."""
    erased_at: int
    """When the lead that had this id before was erased; 0 if none was."""

    @property
    def alert_id(self) -> str:
        """The same for ever: uuid5 over lead, scorecard, stage, episode, kind and cause, and an erasure before it."""
        told = [self.lead_id, self.card, self.stage, str(self.episode), self.kind, self.cause]
        if self.erased_at:  # episodes begin anew
            told.append(str(self.erased_at))
        return str(uuid5(ALERT_NAMESPACE, "\x1f".join(told)))


def settle(
    rules: Rules, lead_id: str, lead: Lead, now_ms: int, cause: Cause, before: Callable[[CardRule], float] | None = None
) -> list[Transition]:
    """Bring every latch in line with the score at ``now_ms``, and note how long that can stand.

    ``before`` tells a card's exact score (units) before the cause; without it, it is that of a millisecond ago.
    """
    transitions: list[Transition] = []
    calm, slack = inf, inf
    for card in rules.cards:
        if not card.stages:
            continue
        reading = read(card, lead, now_ms)
        for rule in card.stages:
            latch = lead.latches.get(rule.key)
            if flips(card, rule, lead, reading, now_ms) or (
                cause.name == RETRACTED
                and latch is not None
                and latch.inside
                and latch.by == cause.event
                and reading.exact < rule.enter
            ):
                previous = before(card) if before else read(card, lead, now_ms - 1).exact
                transitions.append(_turn(rule, lead_id, lead, now_ms, cause, previous))
        card_calm, _, card_slack = soonest(card, lead, reading, published(reading.exact))
        calm, slack = min(calm, card_calm), min(slack, card_slack)
    note_calm(lead, now_ms, calm, slack)
    return transitions


def note_calm(lead: Lead, now_ms: int, calm_ms: float, slack: float) -> None:
    """Remember until when, and for how many added units, no stage can change."""
    lead.calm_until = now_ms + calm_ms - 1
    lead.slack = slack


def advance(rules: Rules, lead_id: str, lead: Lead, to_ms: int) -> list[Transition]:
    """Let time pass up to ``to_ms``: every crossing that falls due happens at its own instant.

    The clock of the lead moves to the last of them and no further, so that looking early changes nothing.
    """
    transitions: list[Transition] = []
    while to_ms >= lead.calm_until and (at_ms := _next(rules, lead, to_ms)) is not None:
        lead.clock = at_ms
        transitions += settle(rules, lead_id, lead, at_ms, DECAY)
    return transitions


def _next(rules: Rules, lead: Lead, to_ms: int) -> int | None:
    found: int | None = None
    for card in rules.cards:
        at_ms = next_flip(card, lead, lead.clock, to_ms if found is None else found)
        found = at_ms if at_ms is not None else found
    return found


def _turn(rule: StageRule, lead_id: str, lead: Lead, now_ms: int, cause: Cause, previous: float) -> Transition:
    """Turn one latch over, deciding whether the world is told."""
    stage = rule.stage
    latch = lead.latches.setdefault(rule.key, Latch())
    if latch.inside:
        kind, latch.inside, silenced = "left", False, latch.silent
        if cause.name == RETRACTED and not silenced:
            latch.published_at = None  # what should not have been told keeps nobody quiet
    else:
        kind, latch.inside = "entered", True
        latch.episode += 1
        latch.by = cause.event
        cooling = latch.published_at is not None and now_ms - latch.published_at < stage.cooldown_ms
        silenced = latch.silent = stage.handoff and cooling
        if stage.handoff and not silenced:
            latch.published_at = now_ms
    latch.since = now_ms
    told = stage.handoff and not silenced
    card = rule.key.rpartition("/")[0]
    return Transition(
        lead_id, card, stage.name, kind, now_ms, cause.name, latch.episode, told, silenced, previous, lead.erased_at
    )


def standing(card: CardRule, lead: Lead, now_ms: int) -> Standing:
    """Where a lead stands at ``now_ms``, an instant not before its clock."""
    return Standing(Score(*read(card, lead, now_ms)[:3]), current_stage(card, lead), now_ms)


def current_stage(card: CardRule, lead: Lead) -> str | None:
    """The last latched stage in file order."""
    inside = [r.stage.name for r in card.stages if r.key in lead.latches and lead.latches[r.key].inside]
    return inside[-1] if inside else None
