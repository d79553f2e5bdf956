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
MAX_NAMED = 5
"""The most scores that an explanation names."""


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
        "stage_label": (inside[-1].stage.label or inside[-1].stage.name) if inside else None,
        "leads": len(account.members),
        "changed_at": rfc3339(account.seen_ms),
        "top_leads": top_leads(account, TOP_LEADS),
    }


def account_view(account: Account, rule: AccountRule, most: int = MAX_PEOPLE) -> View:
    """Everything about an account; of its leads the ``most`` with the highest scores."""
    row = account_row(account, rule)
    del row["top_leads"]
    score = score_of(rule, account) / UNIT
    stages = [
        {
            "name": stage.stage.name,
            "label": stage.stage.label or stage.stage.name,
            "enter": stage.stage.enter,
            "leave": stage.stage.leave,
            "inside": (inside := _is_inside(account, stage.key)),
            "missing": 0.0 if inside else stage.stage.enter - score,
            "since": rfc3339(latch.since) if (latch := account.latches.get(stage.key)) is not None else None,
        }
        for stage in rule.stages
    ]
    more = {
        "key": rule.accounts.key,
        "roll_up": describe_roll_up(rule),
        "explanation": explain_score(account, rule),
        "stages": stages,
    }
    return row | more | {"people": top_leads(account, most)}


def describe_accounts(rule: AccountRule) -> str:
    """How leads make accounts, and their scores those of accounts, in words."""
    return f"leads with the same {rule.accounts.key} are one account; its score is {_describe_score(rule)}"


def explain_score(account: Account, rule: AccountRule) -> str:
    """How the scores of its leads make that of an account, in words and numbers."""
    scores = sorted((member.score for member in account.members.values() if member.score > 0), reverse=True)
    if not scores:
        return "no lead has a score above 0"
    kind = rule.accounts.roll_up
    counted = scores[: _counted(rule)]
    shown = [*map(str, counted[:MAX_NAMED]), *(["…"] if len(counted) > MAX_NAMED else [])]
    return f"{_describe_score(rule)}: {(', ' if kind == 'saturating' else ' + ').join(shown)}"


def _counted(rule: AccountRule) -> int | None:
    """How many leads count; None for all."""
    return {"max": 1, "top": rule.accounts.top}.get(rule.accounts.roll_up)


def _describe_score(rule: AccountRule) -> str:
    counted = _counted(rule)
    if counted == 1:
        return "the highest score of its leads"
    if rule.accounts.roll_up == "saturating":
        return "that of its leads together, each of which brings it nearer to the maximum"
    return f"the {f'{counted} highest ' if counted else ''}scores of its leads added"


def describe_stage(stage: View, score: int) -> str:
    """Why an account is in a stage of its view, or what it lacks, in words."""
    if stage["inside"]:
        return f"it leaves below {stage['leave']:g}"
    return f"score {score} of {stage['enter']:g}"


def rank(account: Account, rule: AccountRule) -> float:
    """The place of an account in the ranking."""
    return ranked_at(rule, account) or 0.0


def _is_inside(account: Account, key: str) -> bool:
    latch = account.latches.get(key)
    return latch is not None and latch.inside
