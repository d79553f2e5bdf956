"""Change the rules of a lead at the instant of a publication: time passes under the old rules up to it.

A change that is repeated for a lead changes nothing: after it, the clock of the lead is not before the instant, and its
stages agree with the new rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from streams.scoring.bounds import MARGIN
from streams.scoring.crossing import bound_next_change, flips
from streams.scoring.lead import Latch, Lead
from streams.scoring.rules import CardRule, Rules, StageRule
from streams.scoring.score import Reading, fit_of, read
from streams.scoring.stages import DECAY, QUIET, SCORECARD, Cause, Transition, advance, flip_latch, note_calm, settle

MARK: Final = b"place:"
"""Begins ``Latch.by`` of a stage that a change of the scorecards decided; the place of its publication follows."""


class Undo(NamedTuple):
    """The publications whose effect on stages a change takes back."""

    places: frozenset[int]
    since_ms: int
    """When the first of them came into force."""


@dataclass(frozen=True, slots=True)
class RulesChange:
    """A change of the scorecards, as a shard finds it in its log."""

    old: Rules
    new: Rules
    at_ms: int
    """The arrival of the control record."""
    place: int = 0
    """The place of the publication."""
    quiet: bool = False
    """Whether stages change without alerts."""
    undo: Undo | None = None

    @property
    def cause(self) -> Cause:
        """The cause of the transitions."""
        return Cause(SCORECARD.name, mark_of(self.place), self.quiet)


def mark_of(place: int) -> bytes:
    """``Latch.by`` of a stage that the publication at this place decided."""
    return MARK + b"%d" % place


def pass_time(change: RulesChange, lead_id: str, lead: Lead) -> list[Transition]:
    """Advance a lead under the old rules to the instant of a change; its clock is not before that instant then."""
    lead.forget_derived()
    if lead.clock >= change.at_ms:
        return []
    transitions = settle_and_advance(change.old, lead_id, lead, change.at_ms)
    lead.clock = change.at_ms
    lead.forget_derived()
    return transitions


def settle_and_advance(rules: Rules, lead_id: str, lead: Lead, to_ms: int) -> list[Transition]:
    """Let time pass; before that, the stages are decided, because the latches may be those of older rules."""
    transitions: list[Transition] = []
    calm, slack = inf, inf
    for card in rules.cards:
        if _is_out_of_reach(card, lead):
            continue
        reading = read(card, lead, lead.clock)
        if any_flips(card, lead, reading, lead.clock):
            transitions = settle(rules, lead_id, lead, lead.clock, DECAY)
            break
        card_calm, _, card_slack = bound_next_change(card, lead, reading)
        calm, slack = min(calm, card_calm), min(slack, card_slack)
    else:
        note_calm(lead, lead.clock, calm, slack)
    return transitions + advance(rules, lead_id, lead, to_ms)


def any_flips(card: CardRule, lead: Lead, reading: Reading, at_ms: int) -> bool:
    """Whether any stage changes; a lead far below a stage that it is not in cannot enter it."""
    most = reading.exact + MARGIN
    for rule in card.stages:
        if (most >= rule.enter or (lead.latches and _is_in(rule, lead))) and flips(card, rule, lead, reading, at_ms):
            return True
    return False


def _is_out_of_reach(card: CardRule, lead: Lead) -> bool:
    """Whether a lead is in no stage, and too low for one since its clock even if nothing that raises it fades."""
    if not card.stages:
        return True
    if card.timed or (lead.latches and any(_is_in(rule, lead) for rule in card.stages)):
        return False
    most, weights = fit_of(card, lead) + MARGIN, card.weights
    for signal, amount in zip(lead.signals, lead.amount):  # noqa: B905 - faster
        if signal in weights and (worth := weights[signal][0] * amount) > 0:
            most += worth
    for low, _ in card.bounds:
        most += max(low, 0)
    is_low = not any([max(card.minimum, most) >= rule.enter for rule in card.stages])  # noqa: C419 - faster
    return is_low and (not lead.ref or lead.base + max(lead.ref) <= lead.clock)


def _is_in(rule: StageRule, lead: Lead) -> bool:
    latch = lead.latches.get(rule.key)
    return latch is not None and latch.inside


def lost_stages(old: Rules, new: Rules) -> list[tuple[CardRule, StageRule, bool]]:
    """The stages that are removed (True), or whose alerts are (False), with their old rules."""
    kept = {rule.key: rule.alerts for card in new.cards for rule in card.stages}
    rules = [(card, rule) for card in old.cards for rule in card.stages]
    lost = [each for each in rules if each[1].key not in kept or (each[1].alerts and not kept[each[1].key])]
    return [(card, rule, rule.key not in kept) for card, rule in lost]


def leave_lost_stages(change: RulesChange, lead_id: str, lead: Lead) -> list[Transition]:
    """Tell receivers that a lead leaves the stages of which they will not hear again; it leaves those that are removed.

    In a stage that is only without alerts from now on, the lead stays, and ``was_withdrawn`` is true.
    """
    transitions = []
    for card, rule, is_removed in lost_stages(change.old, change.new):
        latch = lead.latches.get(rule.key)
        if latch is None or not latch.inside or not (is_removed or _holds(latch, change)):
            continue
        before = latch.row()
        lead.forget_derived()
        previous = read(card, lead, lead.clock - 1).exact
        transitions.append(flip_latch(rule, lead_id, lead, lead.clock, change.cause, previous))
        if not is_removed:
            lead.latches[rule.key] = Latch(*before)
            lead.latches[rule.key].silent = True
        lead.forget_derived()
    return transitions


def _holds(latch: Latch, change: RulesChange) -> bool:
    """Whether receivers hold a lead as inside, and may be told otherwise."""
    return not latch.silent and not change.quiet


def was_withdrawn(latch: Latch) -> bool:
    """Whether receivers were told that a lead left a stage because it lost its alerts, but the lead is still inside."""
    return latch.inside and latch.silent and latch.published_at == latch.since


def settle_change(change: RulesChange, lead_id: str, lead: Lead) -> list[Transition]:
    """Decide every stage of a lead by the new rules, at its clock, after ``leave_lost_stages``."""
    withdrawn = [latch for latch in lead.latches.values() if was_withdrawn(latch)]
    transitions = [] if change.undo is None else _undo(change, change.undo, lead_id, lead)
    transitions += settle(change.new, lead_id, lead, lead.clock, change.cause)
    for latch in withdrawn:
        latch.silent &= latch.inside  # a rollback may tell receivers of an entry, because they were told of the leaving
    return transitions


def _undo(change: RulesChange, undo: Undo, lead_id: str, lead: Lead) -> list[Transition]:
    """Take back the transitions that the undone publications alone caused.

    A stage that was entered since then is left, unless the lead would enter it now. A stage that a change of the
    scorecards made it leave is entered again, if the lead would have stayed inside. If a stage lost its alerts,
    receivers are told again that the lead is inside.
    """
    transitions = []
    for card in change.new.cards:
        reading = read(card, lead, lead.clock)
        for rule in card.stages:
            latch = lead.latches.get(rule.key)
            if latch is None or latch.by.rstrip(QUIET) == mark_of(change.place):
                continue
            is_undone = latch.since >= undo.since_ms if latch.inside else _was_left_by(latch, undo)
            if is_undone and latch.inside and not _would_flip(card, rule, lead, reading, False):
                transitions.append(_leave(change, card, rule, lead_id, lead))
            elif not (is_undone or was_withdrawn(latch)) or _would_flip(card, rule, lead, reading, True):
                continue
            elif not latch.inside:
                transitions += _enter_again(change, card, rule, lead_id, lead)
            elif was_withdrawn(latch) and rule.alerts and not change.quiet:
                latch.inside = False
                previous = read(card, lead, lead.clock - 1).exact
                transitions.append(flip_latch(rule, lead_id, lead, lead.clock, change.cause, previous, False))
    return transitions


def _was_left_by(latch: Latch, undo: Undo) -> bool:
    return latch.by.startswith(MARK) and int(latch.by[len(MARK) :].rstrip(QUIET)) in undo.places


def _would_flip(card: CardRule, rule: StageRule, lead: Lead, reading: Reading, inside: bool) -> bool:
    """Whether a lead that is inside, or outside, would leave or enter a stage now."""
    latch = lead.latches[rule.key]
    lead.latches[rule.key] = Latch(inside=inside)
    would = flips(card, rule, lead, reading, lead.clock)
    lead.latches[rule.key] = latch
    return would


def _leave(change: RulesChange, card: CardRule, rule: StageRule, lead_id: str, lead: Lead) -> Transition:
    previous = read(card, lead, lead.clock - 1).exact
    left = flip_latch(rule, lead_id, lead, lead.clock, change.cause, previous)
    latch = lead.latches[rule.key]
    if not latch.silent:
        latch.published_at = None  # an entry that is undone starts no cooldown
    return left


def _enter_again(change: RulesChange, card: CardRule, rule: StageRule, lead_id: str, lead: Lead) -> list[Transition]:
    """Enter a stage again; without an alert if receivers were not told that it was left."""
    latch = lead.latches[rule.key]
    told = latch.silent or not latch.by.endswith(QUIET)
    if not told:
        latch.inside, latch.since, latch.by = True, lead.clock, mark_of(change.place)
        return []
    previous = read(card, lead, lead.clock - 1).exact
    return [flip_latch(rule, lead_id, lead, lead.clock, change.cause, previous, latch.silent)]
