"""Change accounts: note what leads give, and decide stages. Pure.

An account needs no clock for its score: between two contributions it is constant, because the shards of its leads tell
when a published score changes, also by fading.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from streams.scoring.account_ids import SUBJECT
from streams.scoring.account_rules import AccountRule
from streams.scoring.account_state import Account, Member
from streams.scoring.event import Contribution
from streams.scoring.fit import UNIT
from streams.scoring.lead import Latch, Lead, State, id_hash
from streams.scoring.rules import Rules, StageRule
from streams.scoring.rules_change import RulesChange
from streams.scoring.score import rank_of
from streams.scoring.stages import Cause, Transition, flip_latch

MAX_LEFT: Final = 1000
"""The most leads that left of which an account keeps the places: those that left last."""


def score_of(rule: AccountRule, account: Account) -> int:
    """The score of an account, in units."""
    return rule.roll_up(member.score for member in account.members.values())


def ranked_at(rule: AccountRule, account: Account) -> float | None:
    """The place of an account in the ranking; None without leads."""
    return rank_of(score_of(rule, account) // UNIT, account.seen_ms) if account.members else None


def note_contribution(account: Account, contribution: Contribution) -> bool:
    """Note what a lead gives, unless the account knows something later of it; whether it did."""
    lead_id, place = contribution.member, (contribution.offset, contribution.at)
    digest = id_hash(lead_id)
    known = account.members[lead_id].place if lead_id in account.members else account.left.get(digest)
    if known is not None and place <= known:
        return False
    account.seen_ms = max(account.seen_ms, contribution.at)
    account.left.pop(digest, None)
    if contribution.score is not None:
        account.members[lead_id] = Member(contribution.score, place)
        return True
    account.members.pop(lead_id, None)
    account.left[digest] = place
    if len(account.left) > MAX_LEFT:
        del account.left[min(account.left, key=lambda each: (account.left[each][1], each))]
    return True


def settle_account(rule: AccountRule, account: Account, cause: Cause, previous: float) -> list[Transition]:
    """Decide every stage; ``previous`` is the score before the cause, in units."""
    score = score_of(rule, account)
    found = []
    for stage in rule.stages:
        latch = account.latches.get(stage.key)
        inside = latch is not None and latch.inside
        if score < stage.leave if inside else score >= stage.enter:
            found.append(_flip(stage, account, cause, previous))
    return found


def change_account(change: RulesChange, account: Account) -> tuple[list[Transition], list[Transition]]:
    """Settle an account by a change of the scorecards; a repeated change does nothing.

    Returns:
        The stages that it leaves because they, or their alerts, are removed, by the old rules; and those that change.
    """
    old, new = change.old.accounts.get(account.card), change.new.accounts.get(account.card)
    account.seen_ms = max(account.seen_ms, change.at_ms)
    kept = {stage.key: stage.alerts for stage in new.stages} if new is not None else {}
    previous = score_of(old, account) if old is not None else 0
    lost = []
    for stage in old.stages if old is not None else ():
        latch = account.latches.get(stage.key)
        if latch is None or not latch.inside:
            continue
        if stage.key not in kept:
            lost.append(_flip(stage, account, change.cause, previous))
        elif stage.alerts and not kept[stage.key] and not latch.silent and not change.quiet:
            before = latch.row()
            lost.append(_flip(stage, account, change.cause, previous))
            account.latches[stage.key] = Latch(*before)
            account.latches[stage.key].silent = True
    return lost, [] if new is None else settle_account(new, account, change.cause, previous)


def ends_at(rules: Rules, account: Account) -> int | None:
    """When an account without leads ends, if no lead comes to it before; None for never.

    It keeps the places of its former leads for the time after which visitors are forgotten. One that was in a stage
    does not end, because the ids of its next alerts must differ.
    """
    if rules.forget is None or account.members or account.latches or math.isinf(rules.forget.visitors_ms):
        return None
    return max((at for _, at in account.left.values()), default=account.seen_ms) + int(rules.forget.visitors_ms)


def _flip(stage: StageRule, account: Account, cause: Cause, previous: float) -> Transition:
    return flip_latch(stage, SUBJECT + account.value, account, account.seen_ms, cause, previous)


def values_of(rules: Rules, state: State | None) -> Mapping[str, str]:
    """The account of a lead by each scorecard that has accounts, whether or not the scorecard applies to the lead."""
    if not rules.accounts or not isinstance(state, Lead):
        return {}
    found = {name: rule.value_of(state.traits) for name, rule in rules.accounts.items()}
    return {name: value for name, value in found.items() if value is not None}
