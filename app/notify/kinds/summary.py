"""An alert in words for people: who, why, what they did, what changed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from app.notify.alerts import Alert, value_at
from app.notify.kinds.base import first_words

_REASONS: Final = 5
_EVENTS: Final = 6
_FACTS: Final = ("title", "company", "email", "phone", "country")
_CAUSES: Final = {
    "decay": "time passed without activity",
    "retracted": "an event turned out to be a machine's",
    "merged": "two leads became one",
    "moved": "a lead left for another company",
    "scorecard_changed": "the scorecard changed",
    "erased": "the lead was erased",
    "forgotten": "a lead was idle for too long, and forgotten",
    "not_applicable": "the scorecard does not apply any more",
}


@dataclass(frozen=True, slots=True)
class Summary:
    """The words of a message."""

    headline: str
    facts: tuple[tuple[str, str], ...]
    """Who it is: name and value."""
    changes: tuple[str, ...]
    reasons: tuple[str, ...]
    activity: tuple[str, ...]
    link: str
    """The lead's page; empty without one."""


def summarize(alert: Alert) -> Summary:
    """The words about an alert."""
    link = str(value_at(alert.data, "links.account" if alert.is_about_account else "links.lead") or "")
    return Summary(
        headline=_headline(alert),
        facts=tuple(_facts(alert)),
        changes=tuple(_changes(alert)),
        reasons=tuple(filter(None, map(_reason, _rows(alert.data.get("reasons") or _leads_of(alert))[:_REASONS]))),
        activity=tuple(_activity(alert)),
        link=link if urlsplit(link).scheme in ("http", "https") else "",
    )


def name_of(alert: Alert) -> str:
    """The name of a lead, or what is known in its place."""
    traits = alert.traits
    whole = " ".join(str(traits[each]) for each in ("first_name", "last_name") if traits.get(each))
    named = traits.get("name") or whole or traits.get("email") or value_at(alert.data, "account.value") or alert.lead_id
    return first_words(named)


def _headline(alert: Alert) -> str:
    stage = first_words(value_at(alert.data, "stage.label") or alert.stage)
    verb = "entered" if alert.direction == "entered" else "left"
    return f"{name_of(alert)} {verb} {stage}"


def _facts(alert: Alert) -> Iterator[tuple[str, str]]:
    for name in _FACTS:
        if value := alert.traits.get(name):
            yield name.capitalize(), first_words(value)
    if alert.owner:
        yield "Owner", first_words(alert.owner)
    if channel := value_at(alert.data, "channels.last_touch"):
        names = [first_words(channel.get(each)) for each in ("source", "medium", "campaign") if channel.get(each)]
        yield "Channel", " / ".join(names)
    yield "Scorecard", first_words(value_at(alert.data, "scorecard.label") or alert.scorecard)


def _changes(alert: Alert) -> Iterator[str]:
    score = alert.data.get("score") or {}
    value, previous = score.get("value"), score.get("previous")
    if isinstance(value, int | float) and isinstance(previous, int | float):
        grade = f", grade {first_words(score['grade'])}" if score.get("grade") else ""
        yield f"Score {_tenths(value):.1f} (before: {_tenths(previous):.1f}){grade}"
    cause = str(alert.data.get("cause", ""))
    event = value_at(alert.data, "triggering_event.type")
    if cause == "event" and event:
        yield f"Caused by: {first_words(event)}"
    elif cause in _CAUSES:
        yield f"Cause: {_CAUSES[cause]}"


def _tenths(points: float) -> float:
    """Rounded down, as stages are: 49.99 has not reached 50."""
    return math.floor(points * 10) / 10


def _leads_of(alert: Alert) -> list[dict[str, Any]]:
    """What the leads of an account give, as reasons."""
    return [{"rule": row.get("lead_id", ""), "points": row.get("score")} for row in _rows(alert.data.get("leads"))]


def _reason(row: Mapping[str, Any]) -> str:
    """Empty for points that have faded to nothing."""
    points = row.get("after_caps", row.get("points", 0))
    count = row.get("count", 0)
    times = f" ({count} times)" if isinstance(count, int) and count > 1 else ""
    shown = f"{points:+.1f}" if isinstance(points, int | float) else "?"
    return "" if shown in ("+0.0", "-0.0") else f"{shown} {first_words(row.get('label') or row.get('rule', ''))}{times}"


def _activity(alert: Alert) -> Iterator[str]:
    """The latest first: events with their titles where the alert has them, else signals."""
    activity = alert.data.get("activity") or {}
    for row in (_rows(activity.get("events")) or _rows(activity.get("recent")))[:_EVENTS]:
        at = first_words(row.get("at") or row.get("occurred_at", ""))[:16].replace("T", " ")
        words = [first_words(row.get("label") or row.get("event") or row.get("type", ""))]
        words += [f"“{shown}”"] if (shown := first_words(row.get("show") or row.get("title") or "")) else []
        yield " ".join(filter(None, [at and f"{at} UTC", *words]))


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
