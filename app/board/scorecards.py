"""Describes a scorecard in words and numbers, with the recent count of each signal. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from app.account_views import describe_accounts
from app.lead_views import labels_of
from app.scorecards.text import (
    describe_block,
    describe_condition,
    describe_fading,
    describe_fit,
    describe_signal,
    format_limit,
)
from streams.scoring.account_rules import AccountRule
from streams.scoring.fit import UNIT
from streams.scoring.rules import CardRule, Rules
from streams.scoring.scorecard import FitLine, Scorecard, Signal, Stage
from streams.shard.account_alert import describe_roll_up
from streams.store.base import Fired
from streams.units import format_duration


def describe_scorecard(card: CardRule, rules: Rules, fired: Fired) -> dict[str, Any]:
    """Describe a scorecard; a missing bound is None."""
    scorecard = card.card
    return {
        "name": scorecard.name,
        "label": scorecard.label or scorecard.name,
        "shadow": scorecard.shadow,
        "applies_to": describe_condition(scorecard.applies_to) or None,
        "version": rules.version,
        "range": [scorecard.minimum, scorecard.maximum],
        "grades": _grades(scorecard.grades),
        "engagement_grades": _grades(scorecard.engagement_grades),
        "fit_max": _finite(scorecard.fit_max),
        "signals": [_signal(s, scorecard, fired) for s in rules.model.signals if s.name in scorecard.points],
        "categories": [
            {
                "name": c.name,
                "label": c.label,
                "signals": list(c.signals),
                "min": _finite(c.minimum),
                "max": _finite(c.maximum),
            }
            for c in scorecard.categories
        ],
        "fit": [describe_line(line) for line in scorecard.fit],
        "stages": [_stage(scorecard, stage, labels_of(rules.model.signals)) for stage in scorecard.stages],
        "accounts": None if card.accounts is None else _accounts(card.accounts, scorecard),
    }


def describe_line(line: FitLine, units: float | None = None) -> dict[str, Any]:
    """Describe a fit line, which gives a lead these units; without them, a line that multiplies has no points."""
    product = None if units is None else units / UNIT
    return {
        "name": line.part,
        "label": line.label,
        "trait": line.trait,
        "says": describe_fit(line),
        "points": line.points if line.times is None else product,
    }


def _grades(grades: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"grade": grade, "from": bound} for grade, bound in grades]


def _signal(signal: Signal, card: Scorecard, fired: Fired) -> dict[str, Any]:
    worth = card.points[signal.name]
    count, amount = fired.get(signal.name, (0, None))
    points = (count if amount is None else amount) * worth.points
    category = next((c.name for c in card.categories if signal.name in c.signals), "other")
    return {
        "name": signal.name,
        "label": signal.label,
        "says": describe_signal(signal),
        "half_life": describe_fading(signal),
        "limit": format_limit(signal.limit),
        "points": worth.points,
        "absent": worth.absent,
        "cap": _finite(worth.cap),
        "category": category,
        "fired_7d": count,
        "points_7d": None if signal.at_least else round(points, 9) + 0.0,
        "never": count == 0,
    }


def _stage(card: Scorecard, stage: Stage, labels: Mapping[str, str]) -> dict[str, Any]:
    needs = {"fit": stage.needs_fit, "engagement": stage.needs_engagement}
    keep = {"fit": stage.keep_fit, "engagement": stage.keep_engagement}
    return {
        "name": stage.name,
        "label": stage.label,
        "enter": stage.enter,
        "leave": stage.leave,
        "needs": {name: points for name, points in needs.items() if points is not None},
        "keep": {name: points for name, points in keep.items() if points is not None},
        "needs_signals": list(stage.needs_signals),
        "blocked_by": [*stage.blocked_by, *map(describe_block, stage.blocks)],
        "blocked_by_labels": [
            *(labels.get(name, name) for name in stage.blocked_by),
            *(describe_block(block, labels) for block in stage.blocks),
        ],
        "cooldown": format_duration(stage.cooldown_ms) if stage.cooldown_ms else None,
        "handoff": stage.handoff and not card.shadow,
    }


def _accounts(rule: AccountRule, card: Scorecard) -> dict[str, Any]:
    return {
        "key": rule.accounts.key,
        "roll_up": describe_roll_up(rule),
        "says": describe_accounts(rule),
        "stages": [_stage(card, each.stage, {}) for each in rule.stages],
    }


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value
