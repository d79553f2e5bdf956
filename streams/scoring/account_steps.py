"""Change the accounts of a shard in a step: add what leads contribute, tell accounts who left, and end accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from streams.scoring.account_ids import ranking_of
from streams.scoring.account_state import Account
from streams.scoring.accounts import change_account, ends_at, note_contribution, ranked_at, score_of, settle_account
from streams.scoring.event import Contribution, Control, Erase, LeadEvent
from streams.scoring.lead import State
from streams.scoring.outcome import Crossing, Outcome
from streams.scoring.rules import Rules
from streams.scoring.stages import ERASED, MERGED, Cause, Transition
from streams.scoring.stored_accounts import encode_account

if TYPE_CHECKING:
    from streams.scoring.leads import Leads

MOVED = Cause("moved")


# The shard of an account ----------------------------------------------------------------------------------------------


def contribute(leads: Leads, record: Contribution, state: State | None) -> None:
    """Note what a lead gives to an account, and decide its stages."""
    known = state if isinstance(state, Account) else None
    if known is not None:
        known = None if _has_ended(leads, known, record.arrival) else known
    account = known or Account(record.card, record.account)
    was_empty = known is not None and not known.members
    rule = leads.rules.accounts.get(record.card)  # None if this shard has not read the scorecards of the lead's yet
    previous = score_of(rule, account) if rule is not None else 0
    if not note_contribution(account, record):
        leads.outcome.tally["contributions_known"] += 1
        return
    leads.outcome.tally["contributions"] += 1
    leads.states[account.id] = leads.touched_accounts[account.id] = account
    if rule is not None:
        cause = Cause(record.cause, quiet=record.quiet)
        _note_transitions(leads, account, settle_account(rule, account, cause, previous), leads.rules)
    if was_empty or not account.members:
        leads.outcome.due[account.id] = ends_at(leads.rules, account)


def advance_account(leads: Leads, account: Account, now_ms: int) -> None:
    """Settle an account by the last change of the scorecards; remove it if it ended by ``now_ms``."""
    if not _has_ended(leads, account, now_ms):
        leads.outcome.due[account.id] = ends_at(leads.rules, account)
        return
    leads.states[account.id] = leads.outcome.blobs[account.id] = leads.outcome.due[account.id] = None
    leads.outcome.ranks.setdefault(ranking_of(account.card), {})[account.id] = None
    leads.touched_accounts.pop(account.id, None)


def _has_ended(leads: Leads, account: Account, now_ms: int) -> bool:
    """Settle an account by the last change of the scorecards, unless it ended before; returns whether it has ended."""
    change = leads.change
    if change is not None and _is_over(change.old, account, change.at_ms):
        return True
    _settle_change(leads, account)
    return _is_over(leads.rules, account, now_ms)


def _is_over(rules: Rules, account: Account, at_ms: int) -> bool:
    end_ms = ends_at(rules, account)
    return end_ms is not None and end_ms <= at_ms


def _settle_change(leads: Leads, account: Account) -> None:
    """Settle an account by the last change of the scorecards, while there are leads that are not settled."""
    if leads.change is not None:
        lost, changed = change_account(leads.change, account)
        _note_transitions(leads, account, lost, leads.change.old)
        _note_transitions(leads, account, changed, leads.rules)
        leads.touched_accounts[account.id] = account


def _note_transitions(leads: Leads, account: Account, transitions: Sequence[Transition], rules: Rules) -> None:
    for each in transitions:
        snapshot = encode_account(account) if each.is_alert else b""
        leads.outcome.crossings.append(Crossing(each, snapshot, None, rules))


def store_accounts(accounts: Mapping[str, Account], rules: Rules, outcome: Outcome) -> None:
    """Add the changed accounts of a step to its outcome, with their places in the rankings."""
    for of, account in accounts.items():
        rule = rules.accounts.get(account.card)
        place = None if rule is None else ranked_at(rule, account)
        outcome.blobs[of] = encode_account(account)
        outcome.ranks.setdefault(ranking_of(account.card), {})[of] = place


# The shard of a lead --------------------------------------------------------------------------------------------------


def may_move(rules: Rules, item: LeadEvent | Control) -> bool:
    """Whether an input may take its lead out of an account."""
    if not rules.keys:
        return False
    if isinstance(item, LeadEvent):
        return item.traits is not None and not rules.keys.isdisjoint(item.traits)
    return not isinstance(item, Contribution)


def leave_by(leads: Leads, item: LeadEvent | Control, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Tell accounts that a lead left them by an input: another value of the key, a join, an erasure."""
    if before == after:
        return
    leads.outcome.moved.add(item.lead_id)
    cause = MOVED if isinstance(item, LeadEvent) else ERASED if isinstance(item, Erase) else MERGED
    leave_accounts(leads, item.lead_id, before, after, item.arrival, cause)


def leave_accounts(
    leads: Leads, lead_id: str, before: Mapping[str, str], after: Mapping[str, str], at_ms: int, cause: Cause
) -> None:
    """Tell the accounts of ``before`` that are not those of ``after`` that a lead has left them."""
    quiet = leads.change is not None and leads.change.quiet
    for card, value in before.items():
        if after.get(card) != value:
            offset = leads.at + 1
            left = Contribution(card, value, lead_id, None, offset, at_ms, at_ms, cause.name, quiet)
            leads.forward(left.lead_id, left)
