"""Score the events of one shard in the order in which their records arrive.

This is the reference: it defines the correct result, and the accelerator must produce the same bytes.
Nothing here reads a clock, waits or fails; the codec has already rejected events that cannot be scored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from streams.scoring import controls
from streams.scoring.account_state import Account
from streams.scoring.account_steps import advance_account, leave_by, store_accounts
from streams.scoring.accounts import values_of
from streams.scoring.counting import Counted
from streams.scoring.crossing import bound_next_change, next_look
from streams.scoring.event import Control, LeadEvent
from streams.scoring.forgetting import let_time_pass, look_at, note_heard, note_use, sooner
from streams.scoring.identity import note_touch, note_traits, note_verdict
from streams.scoring.interface import Batch
from streams.scoring.lead import NEAR_MS, Erased, Lead, Redirect, State, detail_key, id_hash, value_hash
from streams.scoring.leads import Leads
from streams.scoring.outcome import Outcome
from streams.scoring.retraction import was_retracted
from streams.scoring.rules import UNRANKED, CardRule, Hit
from streams.scoring.score import Before, Standing, place_of, published, read
from streams.scoring.stages import Cause, settle, standing
from streams.scoring.stored import encode, encode_redirect

CLOSE_MS: Final = 3_600_000
"""If the lower bound of the next change is closer than this, the exact change is searched for instead.

Parts hidden by a cap can make the bound too early for days; without the search, the timer would check such a lead
all the time."""


class Scorer(Leads):
    """The leads of one shard, changed by events, control records and time."""

    # Inputs ---------------------------------------------------------------------------------------------------

    def apply_batch(self, batch: Batch) -> None:
        """Apply the inputs of a batch; their leads must be loaded."""
        for i in range(len(batch)):
            self.at = batch.offset(i)
            self.apply(batch.input(i))

    def apply(self, item: LeadEvent | Control) -> None:
        """Apply one input to its lead, which must be loaded."""
        let_time_pass(self, item.lead_id, item.arrival)
        accounts = values_of(self.rules, self.states[item.lead_id]) if self.may_move(item) else None
        if isinstance(item, LeadEvent):
            before, state = self.states[item.lead_id], self._lead_for_event(item)
            if isinstance(state, Lead):
                self._apply_event(state, item, is_new=state is not before)
        else:
            controls.apply(self, item)
        after = self.states[item.lead_id]
        if accounts is not None:
            leave_by(self, item, accounts, values_of(self.rules, after))
        if isinstance(after, Lead):
            self.touched[item.lead_id] = after

    def _lead_for_event(self, event: LeadEvent) -> State | None:
        """The lead of an event, new if its id is unknown; any other state if the event does not apply to it."""
        lead_id = event.lead_id
        state = self.states[lead_id]
        if isinstance(state, Lead):
            return state
        if state is None and not self.at_home(lead_id):
            self.misroute(event)
            return state
        if isinstance(state, Redirect) and not (state.visitor and event.known):
            self._send_on(state, event)
            return state
        if isinstance(state, Erased) and event.arrival <= state.at_ms:
            self.outcome.tally["erased"] += 1
            return state
        return self.new_lead(lead_id, event.at, event.arrival, state)

    def _send_on(self, redirect: Redirect, event: LeadEvent) -> None:
        """Send an event on to the lead that this one was joined to, unless it was counted or sent on before."""
        note_use(self, event, redirect)
        match, digest = self.rules.match(event.name, event.values), id_hash(event.message_id)
        memory = redirect.memory or Lead(event.at)
        if match.hits and not was_retracted(memory, digest):
            if memory.knows(digest):
                self.outcome.tally["duplicates"] += 1
                return
            memory.remember(digest, event.at - memory.base, match.signals, self.at)
            for hit in match.hits:
                if hit.rule.detailed:
                    note_detail(memory.details, memory.base, event, hit)
            redirect.memory = memory
            self.outcome.blobs[event.lead_id] = encode_redirect(redirect)
        self.forward(redirect.target.id, event)
        self.outcome.tally["forwarded"] += 1

    def _apply_event(self, lead: Lead, event: LeadEvent, is_new: bool) -> None:
        if event.arrival <= lead.erased_at:
            self.outcome.tally["erased"] += 1
            return
        if event.arrival > lead.clock:
            self.advance(event.lead_id, lead, event.arrival)
            lead.clock = event.arrival
        lead.known = lead.known or event.known
        lead.first_seen, lead.last_seen = min(lead.first_seen, event.at), max(lead.last_seen, event.at)
        note_heard(self.rules, lead, event.arrival)
        if event.touch is not None:
            note_touch(lead, [event.at, *event.touch])
        if event.verdict is not None and (verdict := note_verdict(lead, event, event.verdict)) is not None:
            self.relate_verdict(event, lead, verdict, event.verdict.currency)
        before = Before(lead)
        self._note_traits(lead, event)
        hits = self._remember(lead, event)
        for hit in hits:
            self._count(lead, event, hit)
        enters_at_once = is_new and self.fresh_slack <= 0  # by what is absent
        if hits or event.traits is not None or enters_at_once:
            cause = Cause("event", id_hash(event.message_id))
            transitions = settle(self.rules, event.lead_id, lead, lead.clock, cause, before.exact)
            self.note_transitions(event.lead_id, lead, transitions, event)

    def _note_traits(self, lead: Lead, event: LeadEvent) -> None:
        if not event.traits:
            return
        lead.fits = {}
        if left_out := note_traits(lead, event, self.rules.traits):
            self.outcome.tally["traits_left_out"] += left_out

    def _remember(self, lead: Lead, event: LeadEvent) -> tuple[Hit, ...]:
        """Remember an event and return the signals that it matches; none if it is a duplicate."""
        match, digest = self.rules.match(event.name, event.values), id_hash(event.message_id)
        if not match.hits:
            return ()
        if lead.knows(digest):
            self.outcome.tally["duplicates"] += 1
            return ()
        lead.remember(digest, event.at - lead.base, match.signals, self.at)
        return match.hits

    def _count(self, lead: Lead, event: LeadEvent, hit: Hit) -> None:
        """Count an event as one of the signals that it matched."""
        rule, at, outcome = hit.rule, event.at - lead.base, self.outcome
        detail = note_detail(lead.details, lead.base, event, hit)
        if hit.counter is None:
            lead.add(hit.signal, hit.inverse_half_life, at, hit.amount)
            counted = Counted.ADDED
        else:
            counted = hit.counter.count(lead, [at, *detail], event.arrival)
        if rule.owner is not None:
            return
        if counted is Counted.ADDED:
            outcome.fired[rule.name] += 1
            if rule.amount_at is not None:
                outcome.amounts.setdefault(rule.name, []).append(hit.amount)
        elif counted is not Counted.MOVED:
            outcome.tally[counted.value] += 1

    # Time -----------------------------------------------------------------------------------------------------

    def advance_due(self, lead_ids: Iterable[str], now_ms: int) -> None:
        """Apply the changes that fell due by ``now_ms``, and find out when each lead is due again.

        The due time is a lower bound of the next change. If nothing changed and the bound is close, the bound is too
        early, so the exact instant is searched for.
        """
        for lead_id in lead_ids:
            let_time_pass(self, lead_id, now_ms)
            lead = self.states[lead_id]
            if isinstance(lead, Account):
                advance_account(self, lead, now_ms)
                continue
            if not isinstance(lead, Lead):
                self.outcome.due[lead_id] = look_at(self.rules, lead_id, lead, now_ms)
                continue
            self.advance(lead_id, lead, max(now_ms, lead.clock))
            now = max(now_ms, lead.clock)
            changed = self.touched.pop(lead_id, None) is not None or self.rescoring
            if changed:
                self.outcome.blobs[lead_id] = encode(lead)
            shown, change_ms = self._read_shown(lead_id, lead, now)
            lead.unsent = lead.unsent or self.rescoring
            if lead.unsent:
                self.outcome.dirty.add(lead_id)
            far = changed or shown or change_ms >= CLOSE_MS
            at_ms = _after(now, change_ms) if far else self._next_look(lead, now)
            lead.due = self.outcome.due[lead_id] = sooner(at_ms, look_at(self.rules, lead_id, lead, now))

    def _next_look(self, lead: Lead, now_ms: int) -> int | None:
        changes = [next_look(card, lead, now_ms) for card in self.rules.cards]
        return min((at for at in changes if at is not None), default=None)

    # The end of a step ----------------------------------------------------------------------------------------

    def finish(self) -> Outcome:
        """End the step and return what it changed."""
        outcome = self.outcome
        for lead_id, lead in self.touched.items():
            outcome.blobs[lead_id] = encode(lead)
            lead.stale = True
        outcome.dirty.update(self.touched)
        if self.touched_accounts:
            store_accounts(self.touched_accounts, self.rules, outcome)
            self.touched_accounts = {}
        self.touched = {}
        self.outcome = Outcome()
        return outcome

    def update_ranking(self, lead_ids: Iterable[str]) -> None:
        """Work out the ranking and the due time of leads that earlier steps changed, each at its clock.

        Leads that the timer has read since are skipped.
        """
        for lead_id in lead_ids:
            lead = self.states.get(lead_id)
            if not isinstance(lead, Lead) or not lead.stale:
                continue
            at_ms = _after(lead.clock, self._read_shown(lead_id, lead, lead.clock)[1])
            at_ms = sooner(at_ms, look_at(self.rules, lead_id, lead, lead.clock))
            if at_ms is not None and (lead.due is None or at_ms < lead.due):
                lead.due = self.outcome.due[lead_id] = at_ms

    def _read_shown(self, lead_id: str, lead: Lead, now_ms: int) -> tuple[bool, float]:
        """Put a lead where it belongs in each ranking.

        Returns:
            Whether the whole number of a score changed, and the earliest next change of the lead, in ms from now.
        """
        changed, change = False, math.inf
        lead.stale = False
        for card in self.rules.cards:
            reading = read(card, lead, now_ms)
            place, known = place_of(reading, lead.last_seen), lead.shown.get(card.name)
            if known != place:
                lead.shown[card.name] = place
                self.outcome.ranks.setdefault(card.name, {})[lead_id] = None if place == UNRANKED else place
            changed = changed or known is None or math.floor(known) != math.floor(place)
            lead.unsent = lead.unsent or known is None or _is_published_anew(card, known, place)
            change = min(change, bound_next_change(card, lead, reading)[1])
        return changed, change

    # What is published ----------------------------------------------------------------------------------------

    def standings(self, lead_ids: Iterable[str], at_ms: int) -> dict[str, list[Standing]]:
        """Score and stage of each lead on each scorecard, at ``at_ms`` or at its clock if that is later."""
        return {
            lead_id: [standing(card, lead, max(at_ms, lead.clock)) for card in self.rules.cards]
            for lead_id in lead_ids
            if isinstance(lead := self.states.get(lead_id), Lead)
        }

    def unsent(self, lead_ids: Iterable[str]) -> list[str]:
        """The leads whose score or stage must be published, including redirects and erasures."""
        return [i for i in lead_ids if not isinstance(lead := self.states.get(i), Lead) or lead.unsent]

    def ahead(self, standings: Mapping[str, Sequence[Standing]]) -> list[str]:
        """The leads of which a score differs from the one in the ranking."""
        return [
            lead_id
            for lead_id, known in standings.items()
            if isinstance(lead := self.states[lead_id], Lead)
            and any(
                lead.shown.get(card.name) is None or published(each.score.exact) != card.shown(lead.shown[card.name])
                for card, each in zip(self.rules.cards, known, strict=True)
            )
        ]

    def mark_sent(self, lead_ids: Iterable[str]) -> None:
        """Note that the current scores of these leads were published."""
        for lead_id in lead_ids:
            if isinstance(lead := self.states.get(lead_id), Lead):
                lead.unsent = False


def note_detail(details: dict[bytes, list[Any]], base: int, event: LeadEvent, hit: Hit) -> list[Any]:
    """Remember what an event counts for one of its signals: [message id, amount, value hash], where it has a part."""
    rule, at = hit.rule, event.at - base
    amount = int(hit.amount) if hit.amount.is_integer() else hit.amount
    message_id = event.message_id if rule.amount_at is not None else ""
    detail = [message_id, amount, 0 if hit.value is None else value_hash(hit.value)]
    if rule.detailed and -NEAR_MS <= at < NEAR_MS:
        key = detail_key(id_hash(event.message_id), at, rule.id)
        details.pop(key, None)  # that of an equal event which the lead has forgotten
        details[key] = detail
    return detail


def _is_published_anew(card: CardRule, known: float, place: float) -> bool:
    """Whether two places in the ranking have different published scores, or only one of them is a place."""
    return card.shown(known) != card.shown(place) or (known == UNRANKED) != (place == UNRANKED)


def _after(now_ms: int, delay_ms: float) -> int | None:
    """The first whole ms at least ``delay_ms`` away; None for never."""
    return None if delay_ms == math.inf else now_ms + max(math.ceil(delay_ms), 1)
