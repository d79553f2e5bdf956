"""Sums up the accounts that a scorecard makes of some leads. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.account_views import View, account_row, describe_accounts
from streams.scoring.account_rules import AccountRule
from streams.scoring.account_state import Account, Member
from streams.scoring.lead import Lead


@dataclass(frozen=True, slots=True)
class StageReached:
    """A stage of accounts, and how many reach it by their scores at the end."""

    name: str
    label: str
    enter: float
    accounts: int


@dataclass(frozen=True, slots=True)
class AccountTrial:
    """The accounts at the end of a trial."""

    says: str
    """How they are made, in words."""
    accounts: int
    leads: int
    """Leads of an account; the others have no key."""
    stages: tuple[StageReached, ...]
    top: tuple[View, ...]
    """Those with the highest scores, with the last stage that each reaches, or None."""


def try_accounts(rule: AccountRule, leads: Mapping[str, Lead], scores: Mapping[str, int], limit: int) -> AccountTrial:
    """The accounts of leads with these published scores; of the accounts so many as rows.

    A stage is reached by the score alone: an account that is inside stays until its score is below ``leave``.
    """
    accounts: dict[str, Account] = {}
    for lead_id, score in scores.items():
        value = rule.value_of(leads[lead_id].traits)
        if value is not None:
            account = accounts.setdefault(value, Account(rule.name, value))
            account.members[lead_id] = Member(score, (0, 0))
    rows = [account_row(account, rule) for account in accounts.values()]
    rows.sort(key=lambda row: (-row["exact"], row["account"]))
    stages = [each.stage for each in rule.stages]
    return AccountTrial(
        says=describe_accounts(rule),
        accounts=len(rows),
        leads=sum(row["leads"] for row in rows),
        stages=tuple(
            StageReached(each.name, each.label, each.enter, sum(row["exact"] >= each.enter for row in rows))
            for each in stages
        ),
        top=tuple(_top_row(row, rule) for row in rows[:limit]),
    )


def _top_row(row: View, rule: AccountRule) -> View:
    reached = [each.stage.name for each in rule.stages if row["exact"] >= each.stage.enter]
    shown = {name: row[name] for name in ("account", "score", "exact", "leads", "top_leads")}
    return {**shown, "stage": reached[-1] if reached else None}
