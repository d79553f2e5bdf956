"""Score events: pure decisions over the states of one shard, in the order in which records arrive.

A Scorer holds the leads that were loaded for a step. ``run`` takes the inputs; ``finish`` says what the step
changed. Nothing here reads a clock, waits, or fails: what cannot be scored was refused by the codec.
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from typing import Final

from streams.scoring import controls
from streams.scoring.counting import Counted
from streams.scoring.crossing import next_change, soonest
from streams.scoring.event import Control, LeadEvent
from streams.scoring.identity import PUBLIC, note_touch, note_trait
from streams.scoring.lead import NEAR_MS, Erased, Lead, Redirect, State, detail_key, id_hash, value_hash
from streams.scoring.leads import Leads
from streams.scoring.outcome import Outcome
from streams.scoring.rules import Hit
from streams.scoring.score import Before, published, read
from streams.scoring.stages import Cause, note_calm, settle
from streams.scoring.stored import encode

CLOSE_MS: Final = 3_600_000
"""A bound on the next change that is less far away is not believed, but the change searched for.

What a cap hides brings bounds closer than the change for days: a lead is not to be looked at all the time."""


class Scorer(Leads):
    """The leads of one shard and what events, control records and time do to them."""

    # Inputs ---------------------------------------------------------------------------------------------------

    def apply(self, event: LeadEvent) -> None:
        """Apply one event to its lead, which must be loaded."""
        self.run({event.lead_id: [(self.at, event)]})

    def run(  # noqa: C901, PLR0912, PLR0915 - see below
        self, inputs: Mapping[str, Iterable[tuple[int, LeadEvent | Control]]]
    ) -> None:
        """Apply (offset, input) pairs, lead by lead and in order within each; the leads must be loaded.

        One amount is changed an event, and no stage looked at unless one could change. Lead by lead, because fetching
        a lead from memory costs more than counting an event; long, because calls would, too.
        """
        states, touched, tally, match = self.states, self.touched, self.outcome.tally, self.rules.match
        counted = self.counted
        for lead_id, items in inputs.items():
            lead = states[lead_id]
            for offset, event in items:
                self.at = offset
                if type(event) is not LeadEvent:
                    controls.apply(self, event)  # type: ignore[arg-type]
                    lead = states[lead_id]
                    continue
                if type(lead) is not Lead:
                    lead = self._open(lead_id, lead, event)
                    if type(lead) is not Lead:
                        continue
                arrival, at = event.arrival, event.at
                if arrival > lead.clock:
                    if arrival >= lead.calm_until:
                        self.advance(lead_id, lead, arrival)
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
                hits, gain, beyond_gain, particular, signals = match(event.name, event.values)
                if hits:
                    digest = id_hash(event.message_id)
                    if lead.knows(digest):
                        tally["duplicates"] += 1
                        hits, gain = (), 0.0
                    else:
                        lead.remember(digest, at - lead.base, signals)
                        counted.append(signals)
                slack = lead.slack - gain
                may_turn = slack <= 0 or (particular and beyond_gain) or (lead.inside and (particular or beyond_gain))
                if event.traits is not None or (hits and may_turn):
                    self._settle(lead_id, lead, event, hits, beyond_gain)
                elif particular:
                    lead.slack -= self._count(lead, event, hits)[0]
                elif hits:
                    lead.slack = slack
                    since = at - lead.base
                    for _, signal, rate, amount, _, _ in hits:
                        lead.add(signal, rate, since, amount)
            if type(lead) is Lead:
                touched[lead_id] = lead

    def _settle(self, lead_id: str, lead: Lead, event: LeadEvent, hits: tuple[Hit, ...], beyond_gain: bool) -> None:
        """Apply an event that could change a stage, and see whether it does, unless what counted of it cannot."""
        before = Before(lead)
        for name, value in (event.traits or {}).items():
            row = [value, event.at, event.message_id]
            note_trait(lead, name, [*row, PUBLIC] if event.public else row)
        lead.fits = {} if event.traits else lead.fits
        gain, moved = self._count(lead, event, hits)
        # What blocked, or was more than a limit lets in, may be gone.
        may_turn = (moved and beyond_gain) or (lead.inside and (moved or beyond_gain))
        if not event.traits and gain < lead.slack and not may_turn:
            lead.slack -= gain
            return
        cause = Cause("event", id_hash(event.message_id))
        transitions = settle(self.rules, lead_id, lead, lead.clock, cause, before.exact)
        self.tell(lead_id, lead, transitions, event)

    def _count(self, lead: Lead, event: LeadEvent, hits: tuple[Hit, ...]) -> tuple[float, bool]:
        """Count what an event matched.

        Returns:
            The most units that this can have added to any scorecard, and whether it took the place of something later.
        """
        gain, moved = 0.0, False
        for hit in hits:
            rule, at = hit.rule, event.at - lead.base
            amount = int(hit.amount) if hit.amount.is_integer() else hit.amount
            message_id = event.message_id if rule.amount_at is not None else ""
            value = 0 if hit.value is None else value_hash(hit.value)
            if rule.detailed and -NEAR_MS <= at < NEAR_MS:
                key = detail_key(id_hash(event.message_id), at, rule.id)
                lead.details[key] = [message_id, amount, value]
            counted = Counted.ADDED
            if hit.counter is None:
                lead.add(hit.signal, hit.inverse_half_life, at, hit.amount)
            else:
                counted = hit.counter.count(lead, [at, message_id, amount, value], event.arrival)
            if counted is Counted.MOVED or counted is Counted.ADDED:
                gain += rule.gain * hit.amount
                moved = moved or counted is Counted.MOVED
            else:
                self.outcome.tally[counted.value] += 1
            if counted is not Counted.ADDED:
                self.outcome.fired[rule.name] -= 1  # of all that matched
                continue
            if rule.amount_at is not None:
                amounts = self.outcome.amounts
                amounts[rule.name] = amounts.get(rule.name, 0.0) + hit.amount
        return gain, moved

    def _open(self, lead_id: str, state: State | None, event: LeadEvent) -> State | None:
        """A fresh lead for an unknown id; the state as it is where the event is not this lead's to have."""
        if state is None and not self.at_home(lead_id):
            self.misroute(event)
            return state
        if isinstance(state, Redirect) and not (state.visitor and event.known):
            self.forward(state.target.id, event)
            self.outcome.tally["forwarded"] += 1
            return state
        if isinstance(state, Erased) and event.arrival <= state.at_ms:
            self.outcome.tally["erased"] += 1
            return state
        return self.fresh(lead_id, event.at, event.arrival, state)

    def control(self, record: Control) -> None:
        """Apply a control record to its lead, which must be loaded."""
        controls.apply(self, record)

    # Time -----------------------------------------------------------------------------------------------------

    def tick(self, lead_ids: Iterable[str], now_ms: int) -> None:
        """Do what fell due for leads by ``now_ms``, and find out when each is due again.

        A bound says when; where nothing has changed and it is close, it was too early, and the very instant is searched
        for.
        """
        for lead_id in lead_ids:
            lead = self.states[lead_id]
            if not isinstance(lead, Lead):
                self.outcome.due[lead_id] = None
                continue
            self.advance(lead_id, lead, max(now_ms, lead.clock))
            now = max(now_ms, lead.clock)
            changed = self.touched.pop(lead_id, None) is not None or self.rescoring
            if changed:
                self.outcome.blobs[lead_id] = encode(lead)
            shown, _, change_ms, _ = self._show(lead_id, lead, now)
            lead.unsent = lead.unsent or self.rescoring
            if lead.unsent:
                self.outcome.dirty.add(lead_id)
            far = changed or shown or change_ms >= CLOSE_MS
            lead.due = _after(now, change_ms) if far else self._next_change(lead, now)
            self.outcome.due[lead_id] = lead.due

    def _next_change(self, lead: Lead, now_ms: int) -> int | None:
        changes = [next_change(card, lead, now_ms) for card in self.rules.cards]
        return min((at for at in changes if at is not None), default=None)

    # The end of a step ----------------------------------------------------------------------------------------

    def finish(self) -> Outcome:
        """What the step changed. The scorer is ready for the next one."""
        outcome = self.outcome
        blobs = outcome.blobs
        for lead_id, lead in self.touched.items():
            blobs[lead_id] = encode(lead)
            lead.stale = True
        outcome.dirty.update(self.touched)
        for signals, number in Tally(self.counted).items():
            for signal in signals:
                outcome.fired[self.rules.by_id[signal].name] += number
        self.touched = {}
        self.counted.clear()
        self.outcome = Outcome()
        return outcome

    def show(self, lead_ids: Iterable[str]) -> None:
        """Read leads that steps have changed, each at its clock: their place in the ranking, and when each is due.

        What the timer has read since is not read again.
        """
        for lead_id in lead_ids:
            lead = self.states.get(lead_id)
            if not isinstance(lead, Lead) or not lead.stale:
                continue
            _, calm_ms, change_ms, slack = self._show(lead_id, lead, lead.clock)
            if lead.calm_until != -math.inf:  # its stages were decided by these scorecards
                note_calm(lead, lead.clock, calm_ms, slack)
            at_ms = _after(lead.clock, change_ms)
            if at_ms is not None and (lead.due is None or at_ms < lead.due):
                lead.due = self.outcome.due[lead_id] = at_ms

    def _show(self, lead_id: str, lead: Lead, now_ms: int) -> tuple[bool, float, float, float]:
        """Show what a lead comes to.

        Returns:
            Whether a published score is another than was shown; how long its stages stand and when it changes at the
            earliest, in ms from now; and how many units may be added before a stage could be entered.
        """
        changed, calm, change, slack = False, math.inf, math.inf, math.inf
        lead.stale = False
        for card in self.rules.cards:
            reading = read(card, lead, now_ms)
            score = published(reading.exact)
            if lead.shown.get(card.name) != score:
                lead.shown[card.name] = score
                lead.unsent = changed = True
                self.outcome.ranks.setdefault(card.name, {})[lead_id] = score
            bounds = soonest(card, lead, reading, score)
            calm, change, slack = map(min, (calm, change, slack), bounds)
        return changed, calm, change, slack

    def unsent(self, lead_ids: Iterable[str]) -> list[str]:
        """Of these leads those whose score or stage is to be published; redirects and erasures, too."""
        states = self.states
        return [i for i in lead_ids if type(lead := states.get(i)) is not Lead or lead.unsent]

    def sent(self, lead_ids: Iterable[str]) -> None:
        """What is shown of these leads was published."""
        for lead_id in lead_ids:
            if type(lead := self.states.get(lead_id)) is Lead:
                lead.unsent = False


def _after(now_ms: int, delay_ms: float) -> int | None:
    """The first whole ms that is at least so far away; None for never."""
    return None if delay_ms == math.inf else now_ms + max(math.ceil(delay_ms), 1)
