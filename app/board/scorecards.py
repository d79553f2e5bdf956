"""Describes a scorecard in words and numbers, with the recent count of each signal. Pure."""

from __future__ import annotations

import math
from typing import Any

from app.scorecards.text import describe_fit, describe_signal, format_limit
from streams.scoring.rules import CardRule, Rules
from streams.scoring.scorecard import Scorecard, Signal
from streams.store.base import Fired
from streams.units import format_duration


def describe_scorecard(card: CardRule, rules: Rules, fired: Fired) -> dict[str, Any]:
    """Describe a scorecard; a missing bound is None."""
    scorecard = card.card
    return {
        "name": scorecard.name,
        "label": scorecard.label or scorecard.name,
        "version": rules.version,
        "range": [scorecard.minimum, scorecard.maximum],
        "grades": [{"grade": grade, "from": bound} for grade, bound in scorecard.grades],
        "fit_max": _finite(scorecard.fit_max),
        "signals": [_signal(s, scorecard, fired) for s in rules.model.signals if s.name in scorecard.points],
        "categories": [
            {"name": c.name, "signals": list(c.signals), "min": _finite(c.minimum), "max": _finite(c.maximum)}
            for c in scorecard.categories
        ],
        "fit": [{"trait": line.trait, "says": describe_fit(line), "points": line.points} for line in scorecard.fit],
        "stages": [_stage(scorecard, i) for i in range(len(scorecard.stages))],
    }


def _signal(signal: Signal, card: Scorecard, fired: Fired) -> dict[str, Any]:
    worth = card.points[signal.name]
    count, amount = fired.get(signal.name, (0, None))
    category = next((c.name for c in card.categories if signal.name in c.signals), "other")
    return {
        "name": signal.name,
        "says": describe_signal(signal),
        "half_life": format_duration(signal.half_life_ms),
        "limit": format_limit(signal.limit),
        "points": worth.points,
        "cap": _finite(worth.cap),
        "category": category,
        "fired_7d": count,
        "points_7d": round((count if amount is None else amount) * worth.points, 9) + 0.0,
        "never": count == 0,
    }


def _stage(card: Scorecard, i: int) -> dict[str, Any]:
    stage = card.stages[i]
    needs = {"fit": stage.needs_fit, "engagement": stage.needs_engagement}
    return {
        "name": stage.name,
        "enter": stage.enter,
        "leave": stage.leave,
        "needs": {name: points for name, points in needs.items() if points is not None},
        "blocked_by": list(stage.blocked_by),
        "cooldown": format_duration(stage.cooldown_ms) if stage.cooldown_ms else None,
        "handoff": stage.handoff,
    }


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value
