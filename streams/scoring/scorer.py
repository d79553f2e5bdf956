"""Score events: pure decisions over the states of one shard, in the order in which records arrive.

A Scorer holds the leads that were loaded for a step. ``apply`` takes one input after another; ``finish`` says what
the step changed. Nothing here reads a clock, waits, or fails: what cannot be scored was refused by the codec.
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from xxhash import xxh3_64_digest, xxh3_64_intdigest

from streams.scoring.bulk import BulkCard
from streams.scoring.counting import Counted, Counter
from streams.scoring.crossing import next_change, soonest
from streams.scoring.event import ANONYMOUS, Arrived, Control, Erase, Join, LeadEvent, Retract, join
from streams.scoring.identity import PUBLIC, add_aliases, merge, note_touch, note_trait
from streams.scoring.lead import (
    AT_BYTES,
    ID_BYTES,
    Erased,
    Lead,
    Redirect,
    decode,
    encode,
    encode_erased,
    encode_redirect,
)
from streams.scoring.retraction import take_back
from streams.scoring.rules import CardRule, Hit, Rules
from streams.scoring.score import published, read
from streams.scoring.stages import (
    DECAY,
    MERGED,
    RETRACTED,
    SCORECARD,
    Cause,
    Transition,
    advance,
    note_calm,
    settle,
)

MOST_HOPS = 8
"""Redirects that a state follows before it stays where it is: a ring, made of ids used as two kinds, ends there."""
State = Lead | Redirect | Erased


@dataclass(frozen=True, slots=True)
class Crossing:
    """A transition with the lead as it stood at that instant, and the event that caused it."""

    transition: Transition
    snapshot: bytes
    event: LeadEvent | None


@dataclass(frozen=True, slots=True)
class Forward:
    """Something that goes on to another lead; ``at`` is the offset of the record that it comes from."""

    target: str
    item: LeadEvent | Control
    at: int


@dataclass(slots=True)
class Outcome:
    """What a step decided: every value that changed, and what is to be told."""

    blobs: dict[str, bytes | None] = field(default_factory=dict)
    due: dict[str, float | None] = field(default_factory=dict)
    ranks: dict[str, dict[str, float | None]] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    crossings: list[Crossing] = field(default_factory=list)
    forwards: list[Forward] = field(default_factory=list)
    tally: Tally[str] = field(default_factory=Tally)
    """Counts of what happened, named like the metrics that tell them."""


def id_hash(message_id: str) -> bytes:
    """What a lead keeps of a message id."""
    return xxh3_64_digest(message_id.encode())[:ID_BYTES]


class Before:
    """What a lead was before an event, kept for the case that a stage changes."""

    __slots__ = ("_kept", "_lead")

    def __init__(self, lead: Lead) -> None:
        """Keep what a reading needs."""
        self._lead = lead
        traits = dict(lead.traits)
        self._kept = (lead.signals[:], lead.amount[:], lead.ref[:], traits, lead.fits)

    def exact(self, card: CardRule) -> float:
        """The exact score then, in units."""
        lead = self._lead
        now = (lead.signals, lead.amount, lead.ref, lead.traits, lead.fits)
        lead.signals, lead.amount, lead.ref, lead.traits, lead.fits = self._kept
        exact = read(card, lead, lead.clock).exact
        lead.signals, lead.amount, lead.ref, lead.traits, lead.fits = now
        return exact


class Scorer:
    """The leads of one shard and the rules that they are scored by."""

    def __init__(self, rules: Rules, at_home: Callable[[str], bool] = lambda lead_id: True) -> None:
        """Start with no lead loaded; ``at_home`` tells whether an unknown lead belongs here."""
        self.at_home = at_home
        self._take(rules)
        self.states: dict[str, State | None] = {}
        """Loaded leads; None for one that is known to have no state."""
        self.at = 0
        """The offset of the record that is being applied."""
        self.rescoring = False
        """The scorecards changed and not every lead was read by the new ones yet."""
        self._touched: dict[str, Lead] = {}
        self._outcome = Outcome()

    def use(self, rules: Rules) -> None:
        """Score by other rules from here on."""
        self._take(rules)
        self.rescoring = True
        for state in self.states.values():
            if isinstance(state, Lead):
                state.forget_derived()

    def _take(self, rules: Rules) -> None:
        self.rules = rules
        self.bulk = [BulkCard(card) for card in rules.cards]
        empty = [bulk.glance([Lead(0)]) for bulk in self.bulk]
        self._fresh_slack = min((float(glance.slack[0]) for glance in empty), default=math.inf)

    def put(self, lead_id: str, blob: bytes | None) -> None:
        """Take in what the store holds of a lead."""
        self.states[lead_id] = None if blob is None else decode(blob)

    # Inputs ---------------------------------------------------------------------------------------------------

    def apply(self, event: LeadEvent) -> None:
        """Apply one event to its lead, which must be loaded."""
        self.run({event.lead_id: [(self.at, event)]})

    def run(  # noqa: C901, PLR0912, PLR0915 - see below
        self, inputs: Mapping[str, Iterable[tuple[int, LeadEvent | Control]]]
    ) -> None:
        """Apply (offset, input) pairs, lead by lead and in order within each; the leads must be loaded.

        The hot loop: one amount changed an event, and no stage looked at unless one could change. Lead by lead,
        because fetching a lead from memory costs more than counting an event; long, because calls would, too.
        """
        states, touched, tally, match = self.states, self._touched, self._outcome.tally, self.rules.match
        for lead_id, items in inputs.items():
            lead = states[lead_id]
            for offset, event in items:
                self.at = offset
                if type(event) is not LeadEvent:
                    self.control(event)  # type: ignore[arg-type]
                    lead = states[lead_id]
                    continue
                if type(lead) is not Lead:
                    lead = self._open(lead_id, lead, event)
                    if type(lead) is not Lead:
                        continue
                arrival, at = event.arrival, event.at
                if arrival > lead.clock:
                    if arrival >= lead.calm_until:
                        self._advance(lead_id, lead, arrival)
                    lead.clock = arrival
                elif arrival <= lead.erased_at:
                    tally["erased"] += 1
                    continue
                if event.known:
                    lead.known = True
                if at > lead.last_seen:
                    lead.last_seen = at
                elif at < lead.first_seen:
                    lead.first_seen = at
                if event.touch is not None:
                    note_touch(lead, [at, *event.touch])
                hits, gain, risky, keys = match(event.name, event.values)
                if hits:
                    digest = xxh3_64_digest(event.message_id.encode())[:ID_BYTES]
                    if digest in lead.recent or digest in lead.ring:
                        tally["duplicates"] += 1
                        hits, gain = (), 0.0
                    else:
                        mark = digest + (at - lead.base).to_bytes(AT_BYTES, "big", signed=True)
                        lead.remember(mark + keys[0] if len(keys) == 1 else b"".join([mark + key for key in keys]))
                slack = lead.slack - gain
                if event.traits is not None or (hits and (slack <= 0 or (risky and lead.inside))):
                    self._settle(lead_id, lead, event, hits)
                elif hits:
                    lead.slack = slack
                    if risky:
                        self._count(lead, event, hits)
                    else:
                        since = at - lead.base
                        for _, signal, rate, amount, _, _ in hits:
                            lead.add(signal, rate, since, amount)
            if type(lead) is Lead:
                touched[lead_id] = lead

    def _settle(self, lead_id: str, lead: Lead, event: LeadEvent, hits: tuple[Hit, ...]) -> None:
        """Apply an event that could change a stage, and see whether it does."""
        before = Before(lead)
        for name, value in (event.traits or {}).items():
            row = [value, event.at, event.message_id]
            note_trait(lead, name, [*row, PUBLIC] if event.public else row)
        lead.fits = {} if event.traits else lead.fits
        self._count(lead, event, hits)
        cause = Cause("event", id_hash(event.message_id))
        transitions = settle(self.rules, lead_id, lead, lead.clock, cause, before.exact)
        self._tell(lead_id, lead, transitions, event)

    def _count(self, lead: Lead, event: LeadEvent, hits: tuple[Hit, ...]) -> None:
        for hit in hits:
            rule, at = hit.rule, event.at - lead.base
            amount = int(hit.amount) if hit.amount.is_integer() else hit.amount
            message_id = event.message_id if rule.amount_at is not None else ""
            value = 0 if hit.value is None else xxh3_64_intdigest(repr(hit.value).encode())
            if rule.detailed:
                entry = id_hash(event.message_id) + at.to_bytes(AT_BYTES, "big", signed=True) + rule.key
                lead.details[entry] = [message_id, amount, value]
            if hit.counter is None:
                lead.add(hit.signal, hit.inverse_half_life, at, hit.amount)
            else:
                self._count_limited(lead, hit.counter, [at, message_id, amount, value], event.arrival)

    def _count_limited(self, lead: Lead, counter: Counter, row: list[Any], arrival: int) -> None:
        counted = counter.count(lead, row, arrival)
        if counted is Counted.LIMITED or counted is Counted.LATE:
            self._outcome.tally[counted.value] += 1

    def _open(self, lead_id: str, state: State | None, event: LeadEvent) -> State | None:
        """A fresh lead for an unknown id; the state as it is where the event is not this lead's to have."""
        if state is None and not self.at_home(lead_id):
            self._misroute(event)
            return state
        if isinstance(state, Redirect) and not (state.visitor and event.known):
            self._forward(state.target.id, event)
            self._outcome.tally["forwarded"] += 1
            return state
        if isinstance(state, Erased) and event.arrival <= state.at_ms:
            self._outcome.tally["erased"] += 1
            return state
        return self._fresh(lead_id, event.at, event.arrival, state)

    def _fresh(self, lead_id: str, at_ms: int, arrival: int, state: State | None) -> Lead:
        lead = Lead(at_ms)
        lead.clock = arrival
        lead.erased_at = state.at_ms if isinstance(state, Erased) else 0
        if self._fresh_slack > 0:
            lead.calm_until, lead.slack = math.inf, self._fresh_slack
        self.states[lead_id] = lead
        self._outcome.tally["leads"] += 1
        return lead

    def _advance(self, lead_id: str, lead: Lead, to_ms: int) -> None:
        """Let the crossings that fell due by then happen first."""
        if lead.calm_until == -math.inf:
            cause = SCORECARD if self.rescoring else DECAY
            now_ms = max(lead.clock, to_ms) if self.rescoring else lead.clock
            self._tell(lead_id, lead, settle(self.rules, lead_id, lead, now_ms, cause), None)
            lead.clock = now_ms
        if to_ms >= lead.calm_until:
            self._recalm(lead, lead.clock)  # the bound is older than the events since, and a search costs more
        if to_ms >= lead.calm_until:
            self._tell(lead_id, lead, advance(self.rules, lead_id, lead, to_ms), None)
            self._recalm(lead, to_ms)

    def _recalm(self, lead: Lead, now_ms: int) -> None:
        """Work out anew how long the stages can stand."""
        bounds = [soonest(c, lead, r, published(r.exact)) for c in self.rules.cards for r in [read(c, lead, now_ms)]]
        note_calm(lead, now_ms, min((b[0] for b in bounds), default=math.inf), min((b[2] for b in bounds), default=0))

    def _tell(self, lead_id: str, lead: Lead, transitions: list[Transition], event: LeadEvent | None) -> None:
        if transitions:
            self._touched[lead_id] = lead
            lead.shown = {}  # the stage is published with the score
        for transition in transitions:
            snapshot = encode(lead) if transition.told else b""
            self._outcome.crossings.append(Crossing(transition, snapshot, event))

    def _forward(self, target: str, item: LeadEvent | Control) -> None:
        self._outcome.forwards.append(Forward(target, item, self.at))

    def _misroute(self, item: LeadEvent | Control) -> None:
        """Send on an input whose lead belongs to another partition."""
        self._forward(item.lead_id, item)
        self._outcome.tally["misrouted"] += 1

    # Control records and time ---------------------------------------------------------------------------------

    def control(self, record: Control) -> None:
        """Apply a control record to its lead, which must be loaded."""
        state = self.states[record.lead_id]
        if state is None and not self.at_home(record.lead_id):
            self._misroute(record)
            return
        erased_at = state.at_ms if isinstance(state, Erased) else state.erased_at if isinstance(state, Lead) else 0
        if record.arrival <= erased_at:
            return
        if isinstance(record, Join):
            self._join(record, state)
        elif isinstance(record, Arrived):
            self._arrive(record, state)
        elif isinstance(record, Erase):
            self._erase(record, state)
        else:
            self._retract(record, state)

    def _join(self, record: Join, state: State | None) -> None:
        if isinstance(state, Redirect):
            if state.target == record.greater:
                return
            onward = join(state.target, record.greater, record.arrival, record.explicit)
            if onward is None:
                self._outcome.tally["join_conflicts"] += 1
            else:
                self._forward(onward.lead_id, onward)
            return
        blob = b""
        if isinstance(state, Lead):
            if record.lesser.kind == ANONYMOUS and (state.known or state.aliases) and not record.explicit:
                self._outcome.tally["join_conflicts"] += 1  # it is no anonymous visitor
                return
            self._advance(record.lead_id, state, record.arrival)
            blob = encode(state)
        self._give_way(record.lead_id, Redirect(record.greater, record.lesser.kind == ANONYMOUS))
        arrived = Arrived(record.greater.id, record.lead_id, blob, record.arrival)
        self._forward(record.greater.id, arrived)
        self._outcome.tally["joins"] += 1

    def _give_way(self, lead_id: str, redirect: Redirect) -> None:
        self.states[lead_id] = redirect
        self._remove(lead_id)
        self._outcome.blobs[lead_id] = encode_redirect(redirect)

    def _remove(self, lead_id: str) -> None:
        """Take a lead out of the schedule and every ranking."""
        self._touched.pop(lead_id, None)
        self._outcome.due[lead_id] = None
        for card in self.rules.cards:
            self._outcome.ranks.setdefault(card.name, {})[lead_id] = None
        self._outcome.dirty.add(lead_id)

    def _arrive(self, record: Arrived, state: State | None) -> None:
        if isinstance(state, Redirect) and record.hops < MOST_HOPS:
            target = state.target.id
            onward = msgspec.structs.replace(record, lead_id=target, hops=record.hops + 1)
            self._forward(target, onward)
            return
        other = decode(record.blob) if record.blob else None
        lead = state if isinstance(state, Lead) else None
        if lead is None:
            if not isinstance(other, Lead):
                lead = Lead(record.arrival)
            else:
                lead = Lead(other.base)
                lead.first_seen, lead.last_seen, lead.clock = other.first_seen, other.last_seen, other.clock
            lead.erased_at = state.at_ms if isinstance(state, Erased) else 0
            self.states[record.lead_id] = lead
            self._outcome.tally["leads"] += 1
        if record.arrival > lead.clock:
            self._advance(record.lead_id, lead, record.arrival)
            lead.clock = record.arrival
        if isinstance(other, Lead):
            before = Before(lead)
            merge(self.rules, lead, other, record.origin)
            told = settle(self.rules, record.lead_id, lead, lead.clock, MERGED, before.exact)
            self._tell(record.lead_id, lead, told, None)
        else:
            add_aliases(lead, [record.origin])
        self._touched[record.lead_id] = lead

    def _erase(self, record: Erase, state: State | None) -> None:
        onward = [state.target.id] if isinstance(state, Redirect) else []
        onward += state.aliases if isinstance(state, Lead) else []
        if not isinstance(state, Erased):
            for lead_id in onward:
                self._forward(lead_id, Erase(lead_id, record.arrival))
        erased = Erased(record.arrival)
        self.states[record.lead_id] = erased
        self._remove(record.lead_id)
        self._outcome.blobs[record.lead_id] = encode_erased(erased)
        self._outcome.tally["erasures"] += 1

    def _retract(self, record: Retract, state: State | None) -> None:
        if isinstance(state, Redirect):
            self._forward(state.target.id, msgspec.structs.replace(record, lead_id=state.target.id))
            return
        lead_id, arrival, digest = record.lead_id, record.arrival, id_hash(record.message_id)
        lead = state if isinstance(state, Lead) else self._fresh(lead_id, arrival, arrival, state)
        self._touched[lead_id] = lead
        if arrival > lead.clock:
            self._advance(lead_id, lead, arrival)
            lead.clock = arrival
        before = Before(lead)
        if take_back(self.rules, lead, digest):
            told = settle(self.rules, lead_id, lead, lead.clock, Cause(RETRACTED, digest), before.exact)
            self._tell(lead_id, lead, told, None)
            self._outcome.tally["retracted"] += 1
        elif digest in lead.ring:
            self._outcome.tally["retracted_late"] += 1
        else:  # it came before its event, which will be known by its id
            lead.note_id(digest)
            self._outcome.tally["retracted"] += 1

    def tick(self, lead_id: str, now_ms: int) -> None:
        """Do what fell due for a lead by ``now_ms``, and find out when it is due again."""
        lead = self.states[lead_id]
        if not isinstance(lead, Lead):
            self._outcome.due[lead_id] = None
            return
        now_ms = max(now_ms, lead.clock)
        self._advance(lead_id, lead, now_ms)
        if self._touched.pop(lead_id, None) is not None or self.rescoring:
            self._outcome.blobs[lead_id] = encode(lead)
            self._outcome.dirty.add(lead_id)
        changes = [next_change(card, lead, now_ms) for card in self.rules.cards]
        lead.due = min((at for at in changes if at is not None), default=None)
        self._outcome.due[lead_id] = lead.due
        lead.stale = False
        for card in self.rules.cards:
            if self._show(card.name, lead_id, lead, published(read(card, lead, now_ms).exact)):
                self._outcome.dirty.add(lead_id)

    # The end of a step ----------------------------------------------------------------------------------------

    def finish(self) -> Outcome:
        """What the step changed. The scorer is ready for the next one."""
        outcome = self._outcome
        blobs = outcome.blobs
        for lead_id, lead in self._touched.items():
            blobs[lead_id] = encode(lead)
            lead.stale = True
        outcome.dirty.update(self._touched)
        self._touched = {}
        self._outcome = Outcome()
        return outcome

    def show(self, lead_ids: Iterable[str]) -> set[str]:
        """Read leads that steps have changed, each at its clock: their place in the ranking, and when each is due.

        Many at a time cost a tenth of one by one, and no stage waits for it: these are decided by bounds and single
        readings. What the timer has read since is not read again.

        Returns:
            The leads whose published score or stage is another than was shown last; redirects and erasures, too.
        """
        states = self.states
        touched = {i: lead for i in lead_ids if type(lead := states.get(i)) is Lead and lead.stale}
        changed = {lead_id for lead_id in lead_ids if lead_id not in touched}
        leads = list(touched.values())
        calm, due, slack = (np.full(len(leads), np.inf) for _ in range(3))
        for bulk in self.bulk:
            glance = bulk.glance(leads)
            for lead_id, lead, shown in zip(touched, leads, glance.shown, strict=True):
                if self._show(bulk.card.name, lead_id, lead, shown):
                    changed.add(lead_id)
            calm, due = np.minimum(calm, glance.calm), np.minimum(due, glance.due)
            slack = np.minimum(slack, glance.slack)
        schedule = self._outcome.due
        rows = zip(touched, leads, calm.tolist(), due.tolist(), slack.tolist(), strict=True)
        for lead_id, lead, calm_ms, due_ms, points in rows:
            lead.stale = False
            if lead.calm_until != -math.inf:  # its stages were decided by these scorecards
                lead.calm_until = lead.clock + calm_ms - 1
                lead.slack = points
            if due_ms != math.inf:
                at_ms = lead.clock + max(math.ceil(due_ms), 1)
                if lead.due is None or at_ms < lead.due:
                    lead.due = schedule[lead_id] = at_ms
        return changed

    def _show(self, card: str, lead_id: str, lead: Lead, shown: int) -> bool:
        if lead.shown.get(card) == shown:
            return False
        lead.shown[card] = shown
        self._outcome.ranks.setdefault(card, {})[lead_id] = shown
        return True
