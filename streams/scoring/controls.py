"""Apply control records to the leads and accounts of a shard: joins, merged states, erasures, retractions, scores."""

from __future__ import annotations

import msgspec

from streams.scoring.account_steps import contribute
from streams.scoring.event import ANONYMOUS, Arrived, Contribution, Control, Erase, Join, Retract, join
from streams.scoring.forgetting import look_at, note_heard
from streams.scoring.identity import add_aliases, merge
from streams.scoring.lead import Erased, Lead, Redirect, State, id_hash
from streams.scoring.leads import Leads
from streams.scoring.redirects import carry_retraction, memory_of
from streams.scoring.retraction import note_retracted, retract_event, take_back_verdict
from streams.scoring.sales_rows import undone_row
from streams.scoring.score import Before
from streams.scoring.stages import ERASED, MERGED, RETRACTED, Cause, absorb_latches, leave_stages, settle
from streams.scoring.stored import decode, encode, encode_erased, encode_redirect

MAX_HOPS = 8
"""Redirects that a state follows before it stays where it is.

Ids that are used as two kinds of identity can redirect in a circle; the limit ends it."""


def apply(leads: Leads, record: Control) -> None:
    """Apply a control record to its lead, which must be loaded."""
    state = leads.states[record.lead_id]
    if state is None and not leads.at_home(record.lead_id):
        leads.misroute(record)
        return
    if isinstance(record, Contribution):
        contribute(leads, record, state)
        return
    erased_at = state.at_ms if isinstance(state, Erased) else state.erased_at if isinstance(state, Lead) else 0
    if record.arrival <= erased_at:
        return
    if isinstance(record, Join):
        _join(leads, record, state)
    elif isinstance(record, Arrived):
        _arrive(leads, record, state)
    elif isinstance(record, Erase):
        _erase(leads, record, state)
    else:
        _retract(leads, record, state)


def _join(leads: Leads, record: Join, state: State | None) -> None:
    if isinstance(state, Redirect):
        if state.target == record.greater:
            return
        onward = join(state.target, record.greater, record.arrival, record.explicit)
        if onward is None:
            leads.outcome.tally["join_conflicts"] += 1
        else:
            leads.forward(onward.lead_id, onward)
        return
    blob, memory = b"", None
    if isinstance(state, Lead):
        if record.lesser.kind == ANONYMOUS and (state.known or state.aliases) and not record.explicit:
            leads.outcome.tally["join_conflicts"] += 1  # the lead is not an anonymous visitor
            return
        leads.advance(record.lead_id, state, record.arrival)
        state.clock = max(state.clock, record.arrival)
        blob = encode(state)
        left = leave_stages(leads.rules, record.lead_id, state, state.clock, MERGED, record.greater.id)
        leads.note_transitions(record.lead_id, state, left, None)
        memory = memory_of(state)
    if leads.rules.forget is not None:
        memory = memory or Lead(record.arrival)
        memory.clock = record.arrival
    _replace_with_redirect(leads, record.lead_id, Redirect(record.greater, record.lesser.kind == ANONYMOUS, memory))
    arrived = Arrived(record.greater.id, record.lead_id, blob, record.arrival)
    leads.forward(record.greater.id, arrived)
    leads.outcome.tally["joins"] += 1


def _replace_with_redirect(leads: Leads, lead_id: str, redirect: Redirect) -> None:
    leads.states[lead_id] = redirect
    leads.remove(lead_id)
    leads.outcome.due[lead_id] = look_at(leads.rules, lead_id, redirect, 0)
    leads.outcome.blobs[lead_id] = encode_redirect(redirect)


def _arrive(leads: Leads, record: Arrived, state: State | None) -> None:
    if isinstance(state, Redirect) and record.hops < MAX_HOPS:
        target = state.target.id
        onward = msgspec.structs.replace(record, lead_id=target, hops=record.hops + 1)
        leads.forward(target, onward)
        return
    other = decode(record.blob) if record.blob else None
    lead = state if isinstance(state, Lead) else None
    if lead is None:
        begun = other if isinstance(other, Lead) else Lead(record.arrival)
        lead = leads.new_lead(record.lead_id, begun.base, begun.clock, state)
        lead.first_seen, lead.last_seen = begun.first_seen, begun.last_seen
    now_ms = max(record.arrival, other.clock) if isinstance(other, Lead) else record.arrival
    if now_ms > lead.clock:
        leads.advance(record.lead_id, lead, now_ms)
        lead.clock = now_ms
    if isinstance(other, Lead):
        before = Before(lead)
        lead.unsent = lead.unsent or bool(other.verdicts)
        retracted = merge(leads.rules, lead, other, record.origin)
        subject = (leads.rules, record.lead_id, lead)
        transitions = absorb_latches(*subject, other.latches, lead.clock, before.exact, retracted)
        transitions += settle(*subject, lead.clock, MERGED, before.exact, retracted)
        leads.note_transitions(record.lead_id, lead, transitions, None)
    else:
        add_aliases(lead, [record.origin])
    note_heard(leads.rules, lead, record.arrival)
    leads.touched[record.lead_id] = lead


def _erase(leads: Leads, record: Erase, state: State | None) -> None:
    onward = [state.target.id] if isinstance(state, Redirect) else []
    onward += state.aliases if isinstance(state, Lead) else []
    if not isinstance(state, Erased):
        for lead_id in onward:
            leads.forward(lead_id, Erase(lead_id, record.arrival))
    if isinstance(state, Lead):
        _leave_erased(leads, record, state)
    erased = Erased(record.arrival)
    leads.states[record.lead_id] = erased
    leads.remove(record.lead_id)
    leads.outcome.blobs[record.lead_id] = encode_erased(erased)
    leads.outcome.tally["erasures"] += 1


def _leave_erased(leads: Leads, record: Erase, lead: Lead) -> None:
    """Leave every stage with alerts that contain nothing of the lead but its id and scores."""
    leads.advance(record.lead_id, lead, record.arrival)
    now_ms = max(lead.clock, record.arrival)
    left = leave_stages(leads.rules, record.lead_id, lead, now_ms, ERASED)
    leads.note_transitions(record.lead_id, Lead(now_ms), left, None)


def _retract(leads: Leads, record: Retract, state: State | None) -> None:
    lead_id, arrival, digest = record.lead_id, record.arrival, id_hash(record.message_id)
    if isinstance(state, Redirect):
        leads.forward(state.target.id, carry_retraction(leads, record, state))
        return
    lead = state if isinstance(state, Lead) else leads.new_lead(lead_id, arrival, arrival, state)
    leads.touched[lead_id] = lead
    if arrival > lead.clock:
        leads.advance(lead_id, lead, arrival)
        lead.clock = arrival
    before = Before(lead)
    undone = retract_event(leads.rules, lead, digest, record.counted_as)
    if lead.verdicts:
        leads.outcome.sales.append(undone_row(lead_id, digest, arrival))
    had_verdict = take_back_verdict(lead, digest)
    lead.unsent = lead.unsent or had_verdict
    if undone:
        note_retracted(lead, digest)
        transitions = settle(leads.rules, lead_id, lead, lead.clock, Cause(RETRACTED, digest), before.exact, (digest,))
        leads.note_transitions(lead_id, lead, transitions, None)
        leads.outcome.tally["retracted"] += 1
    elif lead.knows(digest) and not had_verdict:
        leads.outcome.tally["retracted_late"] += 1
    else:  # it had only a verdict, or it arrived before its event, which will then be skipped as a duplicate
        if not lead.knows(digest):
            lead.note_id(digest)
        note_retracted(lead, digest)
        leads.outcome.tally["retracted"] += 1
