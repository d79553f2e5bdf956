"""Forget leads, and redirects to leads, of which nothing was heard for a long time.

The instant depends on the stored state and the scorecards alone. So it is the same whether a timer, the next input or a
rebuild comes upon it (laws 4 and 6), and the schedule needs only a lower bound of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final

from streams.scoring.account_steps import leave_accounts
from streams.scoring.accounts import values_of
from streams.scoring.event import LeadEvent
from streams.scoring.lead import Erased, Latch, Lead, Redirect, State
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange, settle_and_advance
from streams.scoring.stages import Cause
from streams.scoring.stored import encode_erased, encode_redirect
from streams.scoring.verdicts import KINDS, LOST, NEW, RECYCLED, REJECTED, sales_of
from streams.units import DAY_MS

if TYPE_CHECKING:
    from streams.scoring.leads import Leads

FORGOTTEN: Final = Cause("forgotten")
HEARD: Final = ""
"""Key of the latch whose ``since`` is when an event arrived that was over a day older than its arrival.

Earlier versions keep such a latch and do not read it. ``last_seen`` would not do: it is that of the oldest event of an
import, and of a contact whose record in the CRM never changes."""
_MAIL_ID: Final = re.compile("[0-9a-f]{64}")
"""The id of a lead that is named by its address only: the SHA-256 of the address."""
_NOT_WITH_SALES: Final = frozenset([KINDS[REJECTED], KINDS[RECYCLED], KINDS[LOST]])


# When -----------------------------------------------------------------------------------------------------------------


def forget_at(rules: Rules, lead_id: str, lead: Lead) -> float:
    """The instant at which a lead is forgotten if nothing else happens to it; infinite while something holds it."""
    terms = rules.forget
    if terms is None or _is_inside(rules, lead) or _is_with_sales(lead):
        return inf
    idle_ms = terms.visitors_ms if is_visitor(lead_id, lead) else terms.leads_ms
    heard = max((latch.since for latch in lead.latches.values()), default=0)
    return max(max(lead.last_seen, heard) + idle_ms, lead.clock)


def is_visitor(lead_id: str, lead: Lead) -> bool:
    """Whether nobody knows who it is: no ``userId``, no joined id and no email address."""
    return not (lead.known or lead.aliases or "email" in lead.traits or _MAIL_ID.fullmatch(lead_id))


def look_at(rules: Rules, lead_id: str, state: State | None, now_ms: int) -> int | None:
    """When to look whether it is to be forgotten: a lower bound if there is one after ``now_ms``; None for never."""
    terms, at_ms = rules.forget, inf
    if terms is None:
        return None
    if isinstance(state, Lead):
        early_ms = state.last_seen + terms.least_ms(state.known)
        at_ms = early_ms if early_ms > now_ms else forget_at(rules, lead_id, state)
    elif isinstance(state, Redirect):
        at_ms = _end_of(rules, state)
    return None if at_ms == inf else int(at_ms)


def sooner(one_ms: int | None, other_ms: int | None) -> int | None:
    """The earlier of two instants, of which either may be never."""
    return one_ms if other_ms is None else other_ms if one_ms is None else min(one_ms, other_ms)


def _is_inside(rules: Rules, lead: Lead) -> bool:
    keys = {key for key, latch in lead.latches.items() if latch.inside}
    return bool(keys) and any(rule.key in keys for card in rules.cards for rule in card.stages)


def _is_with_sales(lead: Lead) -> bool:
    """Whether sales works on a lead, or won it."""
    if not lead.verdicts:
        return False
    sales = sales_of(lead.verdicts)
    return bool(sales.owner) if sales.state == NEW else sales.state not in _NOT_WITH_SALES


def _end_of(rules: Rules, redirect: Redirect) -> float:
    """When a redirect is forgotten: never after its target, because what comes under its id is sent to that."""
    if rules.forget is None or redirect.memory is None:
        return inf
    return redirect.memory.clock + rules.forget.leads_ms


# What was heard -------------------------------------------------------------------------------------------------------


def note_heard(rules: Rules, lead: Lead, arrival: int) -> bool:
    """Remember, to the day, the arrival of what happened long before it; returns whether that was new."""
    if rules.forget is None or arrival - lead.last_seen <= DAY_MS:
        return False
    heard = lead.latches.get(HEARD)
    if heard is not None and arrival - heard.since <= DAY_MS:
        return False
    lead.latches[HEARD] = Latch(since=arrival)
    return True


def note_use(leads: Leads, event: LeadEvent, redirect: Redirect) -> None:
    """Remember, to the day, that an event came under the id of a redirect."""
    memory = redirect.memory
    if leads.rules.forget is not None and (memory is None or event.arrival - memory.clock > DAY_MS):
        redirect.memory = memory = memory or Lead(event.at)
        memory.clock = event.arrival
        leads.outcome.blobs[event.lead_id] = encode_redirect(redirect)


def _note_upgrade(leads: Leads, lead_id: str, state: State | None, to_ms: int) -> None:
    """Remember the latest instant at which something may have been heard of what an earlier version has stored.

    That version kept neither what arrived long after its time nor the use of a redirect.
    """
    if leads.rules.forget is None:
        return
    if isinstance(state, Lead):
        if note_heard(leads.rules, state, state.clock):
            leads.touched[lead_id] = state
    elif isinstance(state, Redirect):
        to_ms = max(to_ms, leads.is_upgrading)
        state.memory = state.memory or Lead(to_ms)
        state.memory.clock = max(state.memory.clock, to_ms)
        leads.outcome.blobs[lead_id] = encode_redirect(state)


# Forgetting -----------------------------------------------------------------------------------------------------------


def let_time_pass(leads: Leads, lead_id: str, to_ms: int) -> None:
    """Settle a lead by a change of the scorecards, and forget a lead or redirect that was idle for too long."""
    if leads.is_upgrading:
        _note_upgrade(leads, lead_id, leads.states.get(lead_id), to_ms)
    if leads.change is not None:
        leads.settle_change(lead_id)
    state = leads.states.get(lead_id)
    if isinstance(state, Lead):
        _forget_by(leads, leads.rules, lead_id, state, to_ms, lambda at_ms: leads.advance(lead_id, state, at_ms))
    elif isinstance(state, Redirect) and (end_ms := _end_in(leads, state)) <= to_ms:
        _drop(leads, lead_id, state.memory, int(end_ms))


def forget_before(leads: Leads, change: RulesChange, lead_id: str, lead: Lead) -> bool:
    """Whether a lead is forgotten by the rules before a change that it has not been settled by."""

    def advance(at_ms: int) -> None:
        lead.forget_derived()
        transitions = settle_and_advance(change.old, lead_id, lead, at_ms)
        leads.note_transitions(lead_id, lead, transitions, None, change.old)
        lead.forget_derived()

    if lead.clock >= change.at_ms:
        return False
    return _forget_by(leads, change.old, lead_id, lead, change.at_ms, advance)


def _forget_by(
    leads: Leads, rules: Rules, lead_id: str, lead: Lead, to_ms: int, advance: Callable[[int], None]
) -> bool:
    terms = rules.forget
    if terms is None or to_ms < lead.last_seen + (least_ms := terms.least_ms(lead.known)):
        return False
    reached_ms: float = lead.clock
    while (end_ms := forget_at(rules, lead_id, lead)) <= to_ms or (end_ms == inf and reached_ms < to_ms):
        # A lead that leaves its stages on the way is not forgotten before another ``least_ms`` has passed.
        reached_ms = end_ms if end_ms < inf else min(reached_ms + least_ms, to_ms)
        advance(int(reached_ms))
        if forget_at(rules, lead_id, lead) == end_ms < inf:  # no stage has changed
            _forget(leads, rules, lead_id, lead, int(end_ms))
            return True
    return False


def _forget(leads: Leads, rules: Rules, lead_id: str, lead: Lead, at_ms: int) -> None:
    before = values_of(rules, lead)
    leave_accounts(leads, lead_id, before, {}, at_ms, FORGOTTEN)
    leads.outcome.moved.update([lead_id] if before else [])
    _drop(leads, lead_id, lead, at_ms)
    leads.outcome.tally["forgotten"] += 1


def _end_in(leads: Leads, redirect: Redirect) -> float:
    """When a redirect is forgotten: by the rules before a change of the scorecards if that was before the change."""
    change = leads.change
    if change is not None and (end_ms := _end_of(change.old, redirect)) <= change.at_ms:
        return end_ms
    return max(_end_of(leads.rules, redirect), leads.since_ms)


def _drop(leads: Leads, lead_id: str, lead: Lead | None, at_ms: int) -> None:
    """Remove everything under an id; of one that was in stages, the instant stays, so that later alerts get new ids.

    What was erased before stays erased: then the id of later alerts is told by the next ms.
    """
    erased_at = 0 if lead is None else lead.erased_at
    had_stages = lead is not None and (erased_at or lead.latches.keys() - {HEARD})
    kept = Erased(erased_at + 1 if erased_at > 0 else -at_ms) if had_stages else None
    leads.states[lead_id] = kept
    leads.remove(lead_id)
    leads.outcome.blobs[lead_id] = None if kept is None else encode_erased(kept)
