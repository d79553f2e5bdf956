"""Decide when leads enter and leave stages; each change is a Transition with a permanent alert id."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Final, NamedTuple, Protocol
from uuid import NAMESPACE_URL, UUID, uuid5

from streams.scoring.crossing import bound_next_change, flips, next_flip
from streams.scoring.lead import Latch, Lead
from streams.scoring.rules import CardRule, Rules, StageRule
from streams.scoring.score import Score, Standing, read

ALERT_NAMESPACE: UUID = uuid5(NAMESPACE_URL, "urn:leadglow:alert")


class Cause(NamedTuple):
    """Why stages are decided now; ``by`` is the message id hash of the event that caused it, if one did.

    For a change of the scorecards, ``by`` is the mark of its publication. ``quiet``: no alert is sent.
    """

    name: str
    by: bytes = b""
    quiet: bool = False


NOT_APPLICABLE = "not_applicable"
DECAY, SCORECARD, MERGED, ERASED = Cause("decay"), Cause("scorecard_changed"), Cause("merged"), Cause("erased")
RETRACTED = "retracted"
QUIET: Final = b"q"
"""Ends ``Latch.by`` of a stage that was left without an alert, because a change of the scorecards was quiet."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A stage of a lead was entered or left at ``at_ms``; ``is_alert``: it must be published on handoff."""

    lead_id: str
    card: str
    stage: str
    kind: str
    """``entered`` or ``left``."""
    at_ms: int
    cause: str
    """``event``, ``decay``, ``scorecard_changed``, ``merged``, ``retracted``, ``erased`` or ``not_applicable``."""
    episode: int
    is_alert: bool
    silenced: bool
    """Not published because of the cooldown, or because its entry was made without handoff."""
    previous: float
    """The exact score before the cause, in units."""
    erased_at: int
    """When a former lead with this id was erased; minus the instant if it was forgotten; 0 if there was none."""
    joined_to: str = ""
    """The lead that this one was merged into, if that is why it left."""

    @property
    def alert_id(self) -> str:
        """Permanent id: uuid5 over lead, scorecard, stage, episode, kind, cause and ``erased_at``."""
        parts = [self.lead_id, self.card, self.stage, str(self.episode), self.kind, self.cause]
        if self.erased_at:  # its episodes started again from 1
            parts.append(str(self.erased_at))
        return str(uuid5(ALERT_NAMESPACE, "\x1f".join(parts)))


def settle(  # noqa: PLR0913, PLR0917 - they are all needed
    rules: Rules,
    lead_id: str,
    lead: Lead,
    now_ms: int,
    cause: Cause,
    before: Callable[[CardRule], float] | None = None,
    retracted: Collection[bytes] = (),
) -> list[Transition]:
    """Update every latch to the score at ``now_ms``, and note how long no stage can change.

    ``before`` returns the exact score (units) of a card before the cause; default: the score one millisecond earlier.
    If the event that caused a stage entry is among the ``retracted``, the lead stays only with a score to enter.
    """
    transitions: list[Transition] = []
    calm, slack = inf, inf
    for card in rules.cards:
        if not card.stages:
            continue
        reading = read(card, lead, now_ms)
        reason = cause if reading.applies or cause.name == SCORECARD.name else Cause(NOT_APPLICABLE, cause.by)
        for rule in card.stages:
            latch = lead.latches.get(rule.key)
            if flips(card, rule, lead, reading, now_ms) or (
                latch is not None and latch.inside and latch.by in retracted and reading.exact < rule.enter
            ):
                previous = before(card) if before else read(card, lead, now_ms - 1).exact
                transitions.append(flip_latch(rule, lead_id, lead, now_ms, reason, previous))
        card_calm, _, card_slack = bound_next_change(card, lead, reading)
        calm, slack = min(calm, card_calm), min(slack, card_slack)
    note_calm(lead, now_ms, calm, slack)
    return transitions


def note_calm(lead: Lead, now_ms: int, calm_ms: float, slack: float) -> None:
    """Remember until when, and for how many added units, no stage can change."""
    lead.calm_until = now_ms + calm_ms - 1
    lead.slack = slack


def advance(rules: Rules, lead_id: str, lead: Lead, to_ms: int) -> list[Transition]:
    """Advance a lead to ``to_ms``, applying each crossing at its own instant.

    The clock of the lead moves to the last crossing only, so that advancing early changes nothing.
    """
    transitions: list[Transition] = []
    while to_ms >= lead.calm_until and (at_ms := _next_crossing(rules, lead, to_ms)) is not None:
        lead.clock = at_ms
        transitions += settle(rules, lead_id, lead, at_ms, DECAY)
    return transitions


def _next_crossing(rules: Rules, lead: Lead, to_ms: int) -> int | None:
    found: int | None = None
    for card in rules.cards:
        at_ms = next_flip(card, lead, lead.clock, to_ms if found is None else found)
        found = at_ms if at_ms is not None else found
    return found


def leave_stages(
    rules: Rules, lead_id: str, lead: Lead, now_ms: int, cause: Cause, joined_to: str = ""
) -> list[Transition]:
    """Leave every stage, because the lead is erased or merged into another one."""
    return [
        replace(flip_latch(rule, lead_id, lead, now_ms, cause, read(card, lead, now_ms).exact), joined_to=joined_to)
        for card in rules.cards
        for rule in card.stages
        if (latch := lead.latches.get(rule.key)) is not None and latch.inside
    ]


def absorb_latches(  # noqa: PLR0913, PLR0917 - they are all needed
    rules: Rules,
    lead_id: str,
    lead: Lead,
    theirs: Mapping[str, Latch],
    now_ms: int,
    before: Callable[[CardRule], float],
    retracted: Collection[bytes],
) -> list[Transition]:
    """Merge the latches of an absorbed lead: inside if either was, unless the score or a block rules it out.

    The entry under this lead's own id is published if the absorbed lead's was.
    """
    transitions = []
    for card in rules.cards:
        reading = read(card, lead, now_ms)
        for rule in card.stages:
            if (other := theirs.get(rule.key)) is None:
                continue
            mine = lead.latches.setdefault(rule.key, Latch())
            times = [latch.published_at for latch in (mine, other) if latch.published_at is not None]
            mine.published_at = max(times, default=None)
            kept = other.by not in retracted or reading.exact >= rule.enter
            if not (other.inside and kept) or (mine.inside and (other.silent or not mine.silent)):
                continue
            lead.latches[rule.key] = Latch(inside=True)
            stays = not flips(card, rule, lead, reading, now_ms)
            lead.latches[rule.key] = mine
            if stays:
                if mine.inside:  # its entry was not published
                    transitions.append(flip_latch(rule, lead_id, lead, now_ms, MERGED, before(card)))
                cause = Cause(MERGED.name, other.by)
                transitions.append(flip_latch(rule, lead_id, lead, now_ms, cause, before(card), other.silent))
    return transitions


class Latched(Protocol):
    """Something that has stages: a lead or an account."""

    latches: dict[str, Latch]
    erased_at: int


def flip_latch(  # noqa: PLR0913, PLR0917 - they are all needed
    rule: StageRule,
    lead_id: str,
    lead: Latched,
    now_ms: int,
    cause: Cause,
    previous: float,
    silent: bool | None = None,
) -> Transition:
    """Flip one latch and decide whether the transition is published; ``silent`` overrides the cooldown."""
    stage = rule.stage
    latch = lead.latches.setdefault(rule.key, Latch())
    if latch.inside:
        kind, latch.inside = "left", False
        if cause.name == SCORECARD.name:
            latch.by = cause.by + QUIET * cause.quiet
        if cause.name == RETRACTED and not latch.silent:
            latch.published_at = None  # a retracted entry starts no cooldown
    else:
        kind, latch.inside = "entered", True
        latch.episode += 1
        latch.by = cause.by
        cooling = latch.published_at is not None and now_ms - latch.published_at < stage.cooldown_ms
        latch.silent = not rule.alerts or cause.quiet or (cooling if silent is None else silent)
        if not latch.silent:
            latch.published_at = now_ms
    latch.since = now_ms
    silent_now = latch.silent or cause.quiet
    is_alert = rule.alerts and not silent_now
    silenced = rule.alerts and silent_now
    card = rule.key.rpartition("/")[0]
    return Transition(
        lead_id, card, stage.name, kind, now_ms, cause.name, latch.episode, is_alert, silenced, previous, lead.erased_at
    )


def standing(card: CardRule, lead: Lead, now_ms: int) -> Standing:
    """Score and stage of a lead at ``now_ms``, an instant not before its clock."""
    reading = read(card, lead, now_ms)
    return Standing(Score(*reading[:3]), current_stage(card, lead), now_ms, reading.applies)


def current_stage(card: CardRule, lead: Lead) -> str | None:
    """The last stage in file order that the lead is inside; None if it is inside none."""
    inside = [r.stage.name for r in card.stages if r.key in lead.latches and lead.latches[r.key].inside]
    return inside[-1] if inside else None
