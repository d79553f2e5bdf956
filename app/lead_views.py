"""A lead's state as JSON values, for the command line and the board. Pure."""

from collections.abc import Iterable
from math import inf
from typing import Any, Final

from app.sales import sales_view
from streams.scoring.amounts import was_present
from streams.scoring.crossing import next_change
from streams.scoring.explanation import explain
from streams.scoring.fit import UNIT
from streams.scoring.forgetting import forget_at
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules
from streams.scoring.score import place_of, published, read
from streams.scoring.scorecard import Category, Signal, Stage
from streams.scoring.stages import DECAY, advance, current_stage, settle
from streams.scoring.verdicts import sales_of
from streams.shard.alert import owner_of, rfc3339, show_obstacles

View = dict[str, Any]
NOT_APPLICABLE: Final = "the scorecard does not apply"


def lead_view(lead_id: str, lead: Lead, rules: Rules, at_ms: int) -> View:
    """Everything about a lead at ``at_ms`` if no further events arrive; advances ``lead``."""
    at_ms = _advance(lead_id, lead, rules, at_ms)
    end_ms = forget_at(rules, lead_id, lead)
    return {
        "lead_id": lead_id,
        "as_of": rfc3339(at_ms),
        "first_seen_at": rfc3339(lead.first_seen),
        "last_seen_at": rfc3339(lead.last_seen),
        "forgotten_at": None if end_ms == inf else rfc3339(end_ms),
        "aliases": list(lead.aliases),
        "traits": lead.trait_values(),
        "sales": sales_view(lead_id, lead),
        "scorecards": {card.name: _card_view(card, lead, rules, at_ms) for card in rules.cards},
    }


def labels_of(parts: Iterable[Signal] | Iterable[Category] | Iterable[Stage]) -> dict[str, str]:
    """The labels of parts of a scorecard file, by name; those without one are left out."""
    return {part.name: part.label for part in parts if part.label}


def signals_of(lead: Lead, rules: Rules) -> frozenset[str]:
    """The signals whose amount for a lead was above 0 at any time, by events that were not retracted."""
    return frozenset(name for name, rule in rules.signals.items() if was_present(rule, lead))


def points_of(part: View) -> float:
    """The points of a part of a view, or of a reason of an alert, after caps."""
    return float(part["after_caps"] if "after_caps" in part else part["points"])


def describe_obstacle(obstacle: View) -> str:
    """What keeps a lead out of a stage, in words."""
    if "applies" in obstacle:
        return NOT_APPLICABLE
    if "needs_signal" in obstacle:
        return f"needs {obstacle.get('label') or obstacle['needs_signal']}"
    if "recycled" in obstacle:
        return _describe_rejection(obstacle)
    if "blocked_by" in obstacle:
        end = f" until {obstacle['until'][:10]}" if "until" in obstacle else ""
        return f"blocked by {obstacle.get('label') or obstacle['blocked_by']} since {obstacle['since'][:10]}{end}"
    return f"{obstacle['needs']} {round_down(obstacle['has'], 1):.1f} of {obstacle['at_least']:g}"


def _describe_rejection(obstacle: View) -> str:
    reason = f" ({obstacle['reason']})" if "reason" in obstacle else ""
    text = f"{obstacle['blocked_by']} since {obstacle['since'][:10]}{reason}"
    if "until" not in obstacle:
        return f"{text}; not recycled yet"
    end = obstacle["until"][:10]
    return f"{text}; {'recycled, held out until' if obstacle['recycled'] else 'may be recycled from'} {end}"


def describe_sales(sales: View) -> str:
    """State, time, author, reason, amount and owner, in words."""
    parts = [
        sales["state"],
        f"since {sales['since'][:10]}" if "since" in sales else "",
        f"by {sales['by']}" if "by" in sales else "",
        f"({sales['reason']})" if "reason" in sales else "",
        f"({sales['amount']:g})" if "amount" in sales else "",
        f"owner {sales['owner']}" if sales["owner"] else "",
    ]
    return " ".join(filter(None, parts))


def round_down(points: float, digits: int) -> float:
    """Points with fewer digits, never more of them: 69.99 is not shown as 70."""
    return float(round(points * UNIT) * 10**digits // UNIT / 10**digits)


def rank(lead: Lead, card: CardRule, at_ms: int) -> float:
    """The place of a lead in the ranking at ``at_ms`` if no further events arrive."""
    return place_of(read(card, lead, max(at_ms, lead.clock)), lead.last_seen)


def row_view(lead_id: str, lead: Lead, card: CardRule, rules: Rules, at_ms: int) -> View:
    """A lead as a row of a ranking; advances ``lead`` to ``at_ms``."""
    at_ms = _advance(lead_id, lead, rules, at_ms)
    why = explain(card, lead, at_ms, rules)
    return {
        "lead_id": lead_id,
        "scorecard": card.name,
        "applies": why.applies,
        "score": why.score,
        "exact": why.exact,
        "grade": why.grade,
        "stage": current_stage(card, lead),
        "fit": why.fit,
        "engagement": why.engagement,
        "last_seen_at": rfc3339(lead.last_seen),
        "sales": sales_of(lead.verdicts).state,
        "owner": owner_of(lead) or None,
        "parts": [part.row() for part in why.parts],
    }


def _advance(lead_id: str, lead: Lead, rules: Rules, at_ms: int) -> int:
    """Advance a lead to ``at_ms``, or to its own clock if that is later; returns the instant."""
    at_ms = max(at_ms, lead.clock)
    settle(rules, lead_id, lead, lead.clock, DECAY)  # the scorecards may be newer than the state
    if at_ms >= lead.calm_until:
        advance(rules, lead_id, lead, at_ms)
    return at_ms


def _card_view(card: CardRule, lead: Lead, rules: Rules, at_ms: int) -> View:
    why = explain(card, lead, at_ms, rules)
    return {
        "label": card.card.label or card.name,
        "shadow": card.card.shadow,
        "applies": why.applies,
        "score": why.score,
        "exact": why.exact,
        "grade": why.grade,
        "stage": current_stage(card, lead),
        "stages": {rule.stage.name: _is_in_stage(lead, rule.key) for rule in card.stages},
        "not_entered": show_obstacles(card, lead, at_ms, rules),
        "stage_labels": labels_of(card.card.stages),
        "fit": why.fit,
        "engagement": why.engagement,
        "categories": why.categories,
        "category_labels": labels_of(card.card.categories),
        "parts": [part.row() for part in why.parts],
        "next_change": _next_change(card, lead, at_ms),
    }


def _is_in_stage(lead: Lead, key: str) -> bool:
    latch = lead.latches.get(key)
    return latch is not None and latch.inside


def _next_change(card: CardRule, lead: Lead, at_ms: int) -> View | None:
    """When decay will change the published score or a stage, and the published score from then on."""
    at = next_change(card, lead, at_ms)
    return None if at is None else {"at": rfc3339(at), "to": published(read(card, lead, at).exact)}
