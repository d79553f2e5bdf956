"""Builds the records of handoff (CloudEvents 1.0 with the reasons of a score) and of lead-scores. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

import orjson

from streams.schemas.handoff import HANDOFF
from streams.scoring.event import LeadEvent
from streams.scoring.explanation import Explanation, explain
from streams.scoring.fit import UNIT
from streams.scoring.lead import Lead
from streams.scoring.obstacles import obstacles_of
from streams.scoring.outcome import Crossing
from streams.scoring.rules import CardRule, Rules
from streams.scoring.score import Standing, published
from streams.scoring.stages import Transition
from streams.scoring.stored import decode
from streams.scoring.verdicts import sales_of
from streams.shard.alert_events import FindRecord, alert_events, find_nothing

CONTENT_TYPE: Final = "application/cloudevents+json"
MAX_REASONS: Final = 10
MAX_RECENT: Final = 10
_LAST_MS = 253_402_300_799_999
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(1024)
def rfc3339(at_ms: float) -> str:
    """Format ms since the epoch as RFC 3339 in UTC, to the millisecond, from 1970 to 9999."""
    minutes, ms = divmod(min(max(int(at_ms), 0), _LAST_MS), 60_000)
    return f"{_to_the_minute(minutes)}:{ms // 1000:02}.{ms % 1000:03}Z"


@lru_cache(10_000)
def _to_the_minute(minutes: int) -> str:
    return (_EPOCH + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M")


def alert(crossing: Crossing, rules: Rules, link_base: str, find_record: FindRecord = find_nothing) -> bytes:
    """Build the CloudEvent of a crossing as structured JSON. ``link_base`` is the URL of the board.

    ``find_record`` finds the records of earlier events, which are then named.
    """
    transition = crossing.transition
    lead = decode(crossing.snapshot)
    assert isinstance(lead, Lead)
    card = next(c for c in rules.cards if c.name == transition.card)
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": transition.alert_id,
        "source": f"/leadglow/{card.name}",
        "type": f"leadglow.stage.{transition.kind}.v1",
        "subject": transition.lead_id,
        "time": rfc3339(transition.at_ms),
        "datacontenttype": "application/json",
        "dataschema": HANDOFF,
        "partitionkey": transition.lead_id,
        "data": _data(crossing, lead, card, rules, link_base),
    }
    found = alert_events(lead, crossing.event, rules, find_record)
    event["data"]["activity"]["events"] = [row | {"at": rfc3339(row["at"])} for row in found]
    return orjson.dumps(event)


def _data(crossing: Crossing, lead: Lead, card: CardRule, rules: Rules, link_base: str) -> dict[str, Any]:
    t = crossing.transition
    why = explain(card, lead, t.at_ms, rules)
    rule = next(r for r in card.stages if r.stage.name == t.stage)
    entered = t.kind == "entered"
    data: dict[str, Any] = {
        "handoff_id": t.alert_id,
        "lead": _lead(t.lead_id, lead),
        "sales": show_sales(lead),
        "score": {
            "value": why.exact,
            "previous": t.previous / UNIT,
            "delta": (round(why.exact * UNIT) - t.previous) / UNIT,
            "published": why.score,
            "grade": why.grade,
            "fit": why.fit,
            "engagement": why.engagement,
            "categories": why.categories,
        },
        "stage": {"name": t.stage, "label": rule.stage.label or t.stage, "kind": t.kind, "episode": t.episode},
        "threshold": {
            "name": t.stage,
            "value": rule.stage.enter if entered else rule.stage.leave,
            "direction": "up" if entered else "down",
            "rearm_below": rule.stage.leave,
            "cooldown_seconds": rule.stage.cooldown_ms / 1000,
            "crossing_number": t.episode,
        },
        "reasons": _reasons(why),
        "not_entered": show_obstacles(card, lead, t.at_ms, rules),
        "activity": _activity(lead, why, rules),
        "scorecard": {"name": card.name, "label": card.card.label, "version": rules.version},
        "model": {"name": card.name, "version": rules.version[:12], "checksum": f"sha256:{rules.version}"},
        "cause": t.cause,
        "triggering_event": _trigger(t, crossing.event),
        "channels": _channels(lead),
    }
    if t.joined_to:
        data["merged_into"] = t.joined_to
    if link_base:
        data["links"] = {"lead": f"{link_base.rstrip('/')}/leads/{quote(t.lead_id, safe='')}"}
    return data


def show_obstacles(card: CardRule, lead: Lead, at_ms: int, rules: Rules) -> dict[str, list[dict[str, Any]]]:
    """What keeps a lead out of each stage that it is not in, with instants as text."""
    found = obstacles_of(card, lead, at_ms, rules)
    for obstacle in (each for obstacles in found.values() for each in obstacles):
        obstacle |= {name: rfc3339(obstacle[name]) for name in ("since", "until") if name in obstacle}
    return found


def _lead(lead_id: str, lead: Lead) -> dict[str, Any]:
    traits = lead.trait_values()
    email = traits.get("email")
    row: dict[str, Any] = {"lead_id": lead_id, "anonymous_ids": lead.aliases[:20], "traits": traits}
    if isinstance(email, str) and "@" in email:
        row["email"] = email
    if owner := owner_of(lead):
        row["owner"] = owner
    return row


def owner_of(lead: Lead) -> str:
    """The owner whom sales assigned, else the trait `owner`; empty if there is none."""
    trait = lead.traits.get("owner", ("",))[0]
    return sales_of(lead.verdicts).owner or (trait if isinstance(trait, str) else "")


def show_sales(lead: Lead) -> dict[str, Any]:
    """What sales made of a lead."""
    sales = sales_of(lead.verdicts)
    row: dict[str, Any] = {"state": sales.state}
    if sales.since_ms is not None:
        row["since"] = rfc3339(sales.since_ms)
    row |= {name: value for name in ("by", "reason", "amount") if (value := getattr(sales, name)) not in ("", None)}
    return row


def _reasons(why: Explanation) -> list[dict[str, Any]]:
    """The parts of the score, the largest first. If there are too many, the last row is the sum of the rest."""
    parts = sorted(why.parts, key=lambda part: -abs(part.points))
    kept, rest = parts[:MAX_REASONS], parts[MAX_REASONS:]
    if rest:
        rest = parts[MAX_REASONS - 1 :]
        kept = parts[: MAX_REASONS - 1]
    rows = []
    for part in kept:
        row: dict[str, Any] = {"rule": part.name, "label": part.label or part.name, "kind": part.kind}
        row |= {"points": part.points, "count": part.count}
        if part.after_caps is not None:
            row["after_caps"] = part.after_caps
        if part.last_at is not None:
            row["last_at"] = rfc3339(part.last_at)
        rows.append(row)
    if rest:
        total = sum(round(part.points * UNIT) for part in rest) / UNIT
        count = sum(part.count for part in rest)
        rows.append({"rule": "others", "label": "others", "kind": "others", "points": total, "count": count})
    return rows


def _activity(lead: Lead, why: Explanation, rules: Rules) -> dict[str, Any]:
    """The last time of each signal, for the sales team."""
    happened = sorted((p for p in why.parts if p.last_at is not None), key=lambda p: -(p.last_at or 0))
    kept = {rule.id for rule in rules.by_id.values() if rule.owner is not None}
    counted = [(signal, count) for signal, count in zip(lead.signals, lead.count, strict=True) if signal not in kept]
    return {
        "first_seen_at": rfc3339(lead.first_seen),
        "last_seen_at": rfc3339(lead.last_seen),
        "events_total": sum(count for _, count in counted),
        "recent": [
            {"type": p.name, "label": p.label or p.name, "at": rfc3339(p.last_at or 0), "points": p.points}
            for p in happened[:MAX_RECENT]
        ],
    }


def _trigger(transition: Transition, event: LeadEvent | None) -> dict[str, Any]:
    """The event that caused the crossing; if there is none, the cause and the instant of the crossing."""
    if event is None:
        at = rfc3339(transition.at_ms)
        return {"event_id": "", "type": transition.cause, "occurred_at": at, "received_at": at}
    return {
        "event_id": event.message_id,
        "type": event.name,
        "occurred_at": rfc3339(event.at),
        "received_at": rfc3339(event.arrival),
    }


def _channels(lead: Lead) -> dict[str, Any]:
    """The first and the last touch of a campaign."""
    names = ("source", "medium", "campaign")
    touches = [{"at": rfc3339(at), **dict(zip(names, rest, strict=True))} for at, *rest in lead.touches]
    return {"first_touch": touches[0], "last_touch": touches[-1]} if touches else {}


def score_record(lead_id: str, card: CardRule, standing: Standing, version: str) -> bytes:
    """Build one record of lead-scores."""
    score = standing.score
    row: Mapping[str, Any] = {
        "lead_id": lead_id,
        "scorecard": card.name,
        "score": published(score.exact),
        "grade": card.grade(score.exact / UNIT, score.fit / UNIT, score.engagement / UNIT),
        "stage": standing.stage,
        "fit": score.fit / UNIT,
        "engagement": score.engagement / UNIT,
        "applies": standing.applies,
        "shadow": card.card.shadow,
        "version": version,
        "at": rfc3339(standing.at_ms),
    }
    return orjson.dumps(row)
