"""Measures one scorecard of a replay, as values for JSON and for the report. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isinf
from typing import Any, Final

from app.backtest import metrics
from app.backtest.metrics import Confusion, Group
from app.lead_views import labels_of
from app.scorecards.intervals import wilson_interval
from app.scorecards.won_lost import compare_signals
from streams.scoring.rules import CardRule
from streams.scoring.stages import Transition
from streams.shard.alert import rfc3339
from streams.units import DAY_MS

View = dict[str, Any]
BANDS: Final = 10
BARS: Final = 20


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a scorecard showed just before an outcome."""

    score: float
    stage: str | None
    handed_off: bool
    """Whether the lead had been in the stage that is handed off before."""
    seen: bool
    """Whether the lead had any event before."""
    won: bool
    name: str
    """Of the event that was the outcome."""
    signals: frozenset[str] = frozenset()
    """The signals that the lead had before."""


@dataclass(frozen=True, slots=True)
class CardRun:
    """The result of one scorecard."""

    card: CardRule
    from_ms: int
    to_ms: int
    transitions: Sequence[Transition]
    """Of the range."""
    scores: Sequence[float]
    """Of every lead at the end."""
    stages: Sequence[str | None]
    days_to_qualify: Sequence[float]
    predictions: Sequence[Prediction]


def target_stage(card: CardRule) -> str | None:
    """The stage that counts as qualified: the last one that is handed off, or else the last one."""
    stages = [rule.stage for rule in card.stages]
    handed = [stage.name for stage in stages if stage.handoff]
    return handed[-1] if handed else stages[-1].name if stages else None


def measure_card(run: CardRun, capacity: int | None) -> View:
    """Everything about one scorecard."""
    target = target_stage(run.card)
    entered = [t.at_ms for t in run.transitions if t.stage == target and t.kind == "entered" and not t.silenced]
    left = [t.at_ms for t in run.transitions if t.stage == target and t.kind == "left" and not t.silenced]
    weekly = metrics.count_by_week(entered, run.from_ms, run.to_ms)
    leaving = dict(metrics.count_by_week(left, run.from_ms, run.to_ms))
    sent = [t.at_ms for t in run.transitions if t.is_alert]
    alerts = dict(metrics.count_by_week(sent, run.from_ms, run.to_ms))
    return {
        "label": run.card.card.label,
        "target_stage": target,
        "target_label": labels_of(rule.stage for rule in run.card.stages).get(target or "", ""),
        "alerts": len(sent),
        "alerts_per_week": _rate(len(sent), run),
        "qualified": len(entered),
        "qualified_per_week": _rate(len(entered), run),
        "weeks": [_week_view(week, count, leaving[week], alerts[week]) for week, count in weekly],
        "stages": [_stage_view(run, rule.stage.name, rule.stage) for rule in run.card.stages],
        "days_to_qualify": _days_view(run.days_to_qualify),
        "distribution": [_group_view(group) for group in _distribution(run)],
        "capacity": _capacity_view([n for _, n in weekly], capacity),
        "outcomes": _outcomes_view(run, target) if run.predictions else None,
    }


def _week_view(week_ms: int, entered: int, left: int, alerts: int) -> View:
    return {"week": rfc3339(week_ms)[:10], "entered": entered, "left": left, "alerts": alerts}


def _rate(count: int, run: CardRun) -> float | None:
    """The number a week; None for less than a day, which says nothing about a week."""
    return round(count / weeks_between(run.from_ms, run.to_ms), 2) if run.to_ms - run.from_ms >= DAY_MS else None


def weeks_between(from_ms: int, to_ms: int) -> float:
    """The length of a range in weeks; a day at least, so that a rate of a few minutes means something."""
    return max(to_ms - from_ms, DAY_MS) / metrics.WEEK_MS


def _capacity_view(weekly: Sequence[int], capacity: int | None) -> View | None:
    return None if capacity is None else {"leads_a_week": capacity, **asdict(metrics.measure_load(weekly, capacity))}


def _stage_view(run: CardRun, name: str, stage: Any) -> View:
    moves = Counter((t.kind, t.silenced) for t in run.transitions if t.stage == name)
    return {
        "name": name,
        "label": stage.label,
        "enter": stage.enter,
        "leave": stage.leave,
        "handoff": stage.handoff,
        "entered": moves["entered", False],
        "left": moves["left", False],
        "silenced": moves["entered", True] + moves["left", True],
        "inside_at_end": sum(stage == name for stage in run.stages),
    }


def _days_view(days: Sequence[float]) -> View:
    shares = {"fastest_tenth": 0.1, "median": 0.5, "slowest_tenth": 0.9}
    found = {name: metrics.quantile(days, share) for name, share in shares.items()}
    return {"leads": len(days), **{name: value if value is None else round(value, 3) for name, value in found.items()}}


def _distribution(run: CardRun) -> list[Group]:
    return metrics.split_bands(run.scores, [False] * len(run.scores), _bounds(run.card, run.scores, BARS))


def _bounds(card: CardRule, scores: Sequence[float], parts: int) -> list[float]:
    """Equal steps from the lowest to the highest score of the range, or of the leads if it has no end."""
    low, high = card.card.minimum, card.card.maximum
    low = min(scores, default=0.0) if isinf(low) else low
    high = max(scores, default=100.0) if isinf(high) else high
    high = high if high > low else low + 1
    return [low + (high - low) * i / parts for i in range(parts)] + [high]


def _group_view(group: Group) -> View:
    return {"from": round(group.low, 2), "to": round(group.high, 2), "leads": round(group.leads, 2)}


# Outcomes -------------------------------------------------------------------------------------------------------


def _outcomes_view(run: CardRun, target: str | None) -> View:
    won = [each.won for each in run.predictions]
    scores = [each.score for each in run.predictions]
    base = sum(won) / len(won)
    names = [rule.stage.name for rule in run.card.stages]
    inside = [
        target is not None and each.stage in names and names.index(each.stage) >= names.index(target)
        for each in run.predictions
    ]
    by_name = Counter(each.name for each in run.predictions)
    return {
        "won": sum(won),
        "lost": len(won) - sum(won),
        "unseen": sum(not each.seen for each in run.predictions),
        "by_event": dict(by_name.most_common()),
        "win_rate": round(base, 4),
        "in_stage": _confusion_view(metrics.confuse(inside, won)),
        "handed_off": _confusion_view(metrics.confuse([each.handed_off for each in run.predictions], won)),
        "area_under_curve": _rounded(metrics.area_under_curve(scores, won)),
        "deciles": [_decile_view(group, base) for group in metrics.split_deciles(scores, won)],
        "signals": compare_signals(run.card, [(each.signals, each.won) for each in run.predictions]),
        "calibration": list(map(_band_view, metrics.split_bands(scores, won, _bounds(run.card, scores, BANDS)))),
    }


def _confusion_view(found: Confusion) -> View:
    shares = {name: _rounded(getattr(found, name)) for name in ("precision", "recall", "accuracy", "kappa")}
    return {**asdict(found), **shares}


def _decile_view(group: Group, base: float) -> View:
    lift = group.rate / base if base and group.rate is not None else None
    return {**_group_view(group), "won": round(group.won, 2), "win_rate": _rounded(group.rate), "lift": _rounded(lift)}


def _band_view(group: Group) -> View:
    low, high = wilson_interval(group.won, group.leads)
    interval = [round(low, 4), round(high, 4)] if group.leads else None
    return {**_group_view(group), "won": group.won, "win_rate": _rounded(group.rate), "interval": interval}


# Two files ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Side:
    """What one of two scorecards says about leads."""

    target: str | None
    final: Mapping[str, tuple[float, str | None]]
    """Lead id -> score and stage at the end."""
    qualified: frozenset[str]
    """The leads that entered the target stage in the range."""


def measure_agreement(mine: Side, theirs: Side) -> View:
    """How far two scorecards agree about the same leads."""
    both = [lead_id for lead_id in mine.final if lead_id in theirs.final]
    scores = [(mine.final[i][0], theirs.final[i][0]) for i in both]
    return {
        "leads": len(both),
        "qualified_by_both": len(mine.qualified & theirs.qualified),
        "qualified_by_this_only": len(mine.qualified - theirs.qualified),
        "qualified_by_other_only": len(theirs.qualified - mine.qualified),
        "overlap": _rounded(metrics.overlap(set(mine.qualified), set(theirs.qualified))),
        "same_stage": _rounded(sum(mine.final[i][1] == theirs.final[i][1] for i in both) / len(both) if both else None),
        "rank_correlation": _rounded(metrics.rank_correlation([a for a, _ in scores], [b for _, b in scores])),
        "mean_difference": _rounded(sum(a - b for a, b in scores) / len(both) if both else None),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
