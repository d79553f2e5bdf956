"""Builds the records of handoff about accounts: CloudEvents with the score and the leads of an account. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from streams.schemas.account_alerts import ACCOUNT_ALERT_URN, MAX_LEADS
from streams.scoring.account_ids import card_of_ranking
from streams.scoring.account_rules import AccountRule
from streams.scoring.account_state import Account
from streams.scoring.accounts import score_of
from streams.scoring.card_rules import CardRule
from streams.scoring.fit import UNIT
from streams.scoring.outcome import Crossing
from streams.scoring.stored import decode
from streams.shard.alert import rfc3339


def account_alert(crossing: Crossing, account: Account, link_base: str) -> bytes:
    """Build the CloudEvent of a crossing of an account as structured JSON. ``link_base`` is the URL of the board."""
    transition, card = crossing.transition, _card_of(crossing)
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": transition.alert_id,
        "source": f"/leadglow/{card.name}",
        "type": f"leadglow.account.{transition.kind}.v1",
        "subject": transition.lead_id,
        "time": rfc3339(transition.at_ms),
        "datacontenttype": "application/json",
        "dataschema": ACCOUNT_ALERT_URN,
        "partitionkey": transition.lead_id,
        "data": _data(crossing, account, card, link_base),
    }
    return orjson.dumps(event)


def account_of(crossing: Crossing) -> Account | None:
    """The account that crossed a bound; None for a crossing of a lead."""
    if card_of_ranking(crossing.transition.card) == crossing.transition.card:
        return None
    account = decode(crossing.snapshot)
    return account if isinstance(account, Account) else None


def _card_of(crossing: Crossing) -> CardRule:
    name = card_of_ranking(crossing.transition.card)
    return next(card for card in crossing.rules.cards if card.name == name)


def _data(crossing: Crossing, account: Account, card: CardRule, link_base: str) -> dict[str, Any]:
    t, rule = crossing.transition, card.accounts
    assert rule is not None
    score, stage = score_of(rule, account), next(each for each in rule.stages if each.stage.name == t.stage).stage
    entered = t.kind == "entered"
    data: dict[str, Any] = {
        "handoff_id": t.alert_id,
        "account": {"key": rule.accounts.key, "value": account.value, "leads": len(account.members)},
        "score": {
            "value": score / UNIT,
            "previous": t.previous / UNIT,
            "delta": (score - t.previous) / UNIT,
            "published": score // UNIT,
            "roll_up": describe_roll_up(rule),
        },
        "stage": {"name": t.stage, "label": stage.label or t.stage, "kind": t.kind, "episode": t.episode},
        "threshold": {
            "name": t.stage,
            "value": stage.enter if entered else stage.leave,
            "direction": "up" if entered else "down",
            "rearm_below": stage.leave,
            "cooldown_seconds": stage.cooldown_ms / 1000,
            "crossing_number": t.episode,
        },
        "leads": top_leads(account, MAX_LEADS),
        "scorecard": {"name": card.name, "label": card.card.label, "version": crossing.rules.version},
        "cause": t.cause,
    }
    if link_base:
        data["links"] = {"account": f"{link_base.rstrip('/')}/accounts/{card.name}/{quote(account.value, safe='')}"}
    return data


def top_leads(account: Account, most: int) -> list[dict[str, Any]]:
    """The leads with the highest scores, highest first."""
    ranked = sorted(account.members.items(), key=lambda each: (-each[1].score, each[0]))
    return [{"lead_id": lead_id, "score": member.score} for lead_id, member in ranked[:most]]


def describe_roll_up(rule: AccountRule) -> str:
    """How the scores add up, as people read it: ``top 3``."""
    return f"top {rule.accounts.top}" if rule.accounts.roll_up == "top" else rule.accounts.roll_up
