"""Accounts as the command line, the board and its API show them. Pure."""

from __future__ import annotations

from typing import Any

from streams.scoring.account_rules import AccountRule
from streams.scoring.account_state import Account
from streams.scoring.accounts import ranked_at, score_of
from streams.scoring.fit import UNIT
from streams.shard.account_alert import describe_roll_up, top_leads
from streams.shard.alert import rfc3339

View = dict[str, Any]
TOP_LEADS = 3
MAX_PEOPLE = 1000


def account_row(account: Account, rule: AccountRule) -> View:
    """An account in a list."""
    score = score_of(rule, account)
    inside = [stage for stage in rule.stages if _is_inside(account, stage.key)]
    return {
        "account": account.value,
        "scorecard": account.card,
        "score": score // UNIT,
        "exact": score / UNIT,
        "stage": inside[-1].stage.name if inside else None,
        "leads": len(account.members),
        "changed_at": rfc3339(account.seen_ms),
        "top_leads": top_leads(account, TOP_LEADS),
    }


def account_view(account: Account, rule: AccountRule, most: int = MAX_PEOPLE) -> View:
    """Everything about an account; of its leads the ``most`` with the highest scores."""
    row = account_row(account, rule)
    del row["top_leads"]
    stages = [
        {
            "name": stage.stage.name,
            "label": stage.stage.label or stage.stage.name,
            "enter": stage.stage.enter,
            "leave": stage.stage.leave,
            "inside": _is_inside(account, stage.key),
            "since": rfc3339(latch.since) if (latch := account.latches.get(stage.key)) is not None else None,
        }
        for stage in rule.stages
    ]
    more = {"key": rule.accounts.key, "roll_up": describe_roll_up(rule), "stages": stages}
    return row | more | {"people": top_leads(account, most)}


def rank(account: Account, rule: AccountRule) -> float:
    """The place of an account in the ranking."""
    return ranked_at(rule, account) or 0.0


def _is_inside(account: Account, key: str) -> bool:
    latch = account.latches.get(key)
    return latch is not None and latch.inside
