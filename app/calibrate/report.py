"""The result of a calibration as JSON, and as lines for the terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from app.backtest.report import number, percent
from app.calibrate.proposal import Suggestion
from app.calibrate.session import Bound, Calibration
from streams.shard.alert import rfc3339

View = dict[str, Any]
METHOD: Final = (
    "Each lead counts once, with its amounts and traits just before its first outcome.",
    "Lift: how much more often leads with a signal or fit line were won than all leads, with a 95 % interval (Wilson).",
    "Points: the weights of a regularised logistic regression on the decayed amounts, on the scale of the present "
    "points, with a 95 % interval (Wald). If their sign may be chance, points are left as they are, or become 0 "
    "where the present ones are outside of the interval.",
    "The bound: past events are replayed with the proposed points and many bounds.",
)


def describe(found: Calibration, files: tuple[str, str]) -> View:
    """Everything about a calibration; ``files`` are the names of the file and of the proposed one."""
    return {
        "file": files[0],
        "proposed_file": files[1],
        "scorecard": found.card.name,
        "from": rfc3339(found.from_ms),
        "to": rfc3339(found.to_ms),
        "won": found.won,
        "lost": found.lost,
        "ranking_before": found.ranking_before,
        "ranking": found.ranking,
        "lines": [_describe_line(each) for each in found.suggestions],
        "bound": found.bound and _describe_bound(found.bound),
        "method": list(METHOD),
    }


def _describe_line(each: Suggestion) -> View:
    lift, column = each.lift, each.column
    return {
        "kind": column.kind,
        "name": column.name,
        "label": column.label,
        "leads": lift.leads,
        "won": lift.won,
        "lift": lift.value,
        "lift_interval": None if lift.value is None else [lift.low, lift.high],
        "points": column.points if column.adjustable else None,
        "suggested": each.points if column.adjustable else None,
        "interval": None if each.low is None else [each.low, each.high],
        "proven": each.proven,
    }


def _describe_bound(bound: Bound) -> View:
    return {
        "stage": bound.stage,
        "enter": bound.before,
        "suggested": bound.enter,
        "wanted_per_week": bound.wanted,
        "reached_per_week": bound.reached,
        "found": bound.found,
    }


def table_rows(result: View) -> list[tuple[str, ...]]:
    """A row for each signal and fit line, below a head."""
    rows: list[tuple[str, ...]] = [("", "leads", "won", "lift", "points now", "suggested", "95 % interval")]
    for line in result["lines"]:
        lift, interval = line["lift_interval"], line["interval"]
        rows.append(
            (
                line["label"] or line["name"],
                f"{line['leads']:,}",
                percent(line["won"] / line["leads"] if line["leads"] else None),
                f"{line['lift']:.2f} ({lift[0]:.2f} to {lift[1]:.2f})" if lift else "never occurs",
                number(line["points"]),
                "leave it" if line["suggested"] == line["points"] else number(line["suggested"]),
                f"{number(interval[0])} to {number(interval[1])}" if interval else "",
            )
        )
    return rows


def summary_lines(result: View) -> Sequence[str]:
    """The most important figures in sentences."""
    ranking = f"{percent(result['ranking_before'])} of pairs of a won and a lost lead are ranked right"
    lines = [
        f"{result['won']:,} won and {result['lost']:,} lost leads, {result['from'][:10]} to {result['to'][:10]}",
        f"{ranking}; with the suggested points {percent(result['ranking'])}, tested on leads that were held back",
    ]
    if bound := result["bound"]:
        week = f"{number(bound['reached_per_week'])} entries a week, {number(bound['wanted_per_week'])} are wanted"
        if bound["found"]:
            lines.append(f"{bound['stage']}: enter at {bound['suggested']:g} instead of {bound['enter']:g}: {week}")
        else:
            lines.append(
                f"{bound['stage']}: even the highest bound, {bound['suggested']:g}, gives {week}; widen `range`"
            )
    return lines
