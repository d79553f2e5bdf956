"""Arranges the report about a tried scorecard for its page. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.board.formatting import NONE, number
from app.scorecards.histogram import Bin, bin_scores
from app.scorecards.sentences import (
    Movers,
    describe_alerts,
    describe_range,
    describe_rebuild,
    describe_scores,
    group_differences,
    group_movers,
    has_moved,
    name_leads,
)

View = dict[str, Any]
SIGNS: Final = {"added": "+", "removed": "\N{MINUS SIGN}", "changed": "~", "renamed": "~"}
MAX_NAMED: Final = 3
"""Leads that are named for each stage."""
MAX_MESSAGES: Final = 100
MAX_CHARS: Final = 200
"""Of a line, before a mistake and from there on."""
CUT: Final = "\N{HORIZONTAL ELLIPSIS}"


def list_messages(messages: list[View], text: str) -> list[View]:
    """The first mistakes or warnings, each with its line of the text up to there, and the rest of the line."""
    lines = text.split("\n")  # as the parser does, for which other separators end no line
    found = []
    for each in messages[:MAX_MESSAGES]:
        line = lines[each["line"] - 1] if each["line"] <= len(lines) else ""
        at = each["column"] - 1
        before, rest = line[max(at - MAX_CHARS, 0) : at], line[at : at + MAX_CHARS]
        found.append(
            {**each, "before": CUT * (at > MAX_CHARS) + before, "rest": rest + CUT * (len(line) > at + MAX_CHARS)}
        )
    return found


def trial_parts(report: View) -> View:
    """Everything that the page shows of a report."""
    parts: View = {
        "changes": [
            {"title": "Signals" if not scorecard else f"Scorecard {scorecard}",
             "lines": [{"kind": line.kind, "sign": SIGNS[line.kind], "text": line.text} for line in lines]}
            for scorecard, lines in group_differences(report)
        ],
        "rebuild": describe_rebuild(report),
        "measured": bool(report.get("leads")),
    }  # fmt: skip
    if not parts["measured"]:
        return parts
    cards = [_card_parts(name, card) for name, card in report["scorecards"].items()]
    return parts | {
        "leads": report["leads"],
        "alerts": describe_alerts(report, number),
        "tiles": _tiles(report),
        "cards": cards,
    }


def _tiles(report: View) -> list[tuple[str, str]]:
    """The figures at the top."""
    cards = report["scorecards"].values()
    stages = [stage for card in cards for stage in card["stages"].values()]
    figures = (
        (report["alerts"], "alert would be sent", "alerts would be sent"),
        (sum(stage["entered"] for stage in stages), "entry into a stage", "entries into stages"),
        (sum(stage["left"] for stage in stages), "exit from a stage", "exits from stages"),
        (sum(card["risen"] for card in cards), "score rises", "scores rise"),
        (sum(card["fallen"] for card in cards), "score falls", "scores fall"),
    )
    return [(number(count), one if count == 1 else many) for count, one, many in figures]


def _card_parts(name: str, card: View) -> View:
    labels = {stage: found["label"] or stage for stage, found in card["stages"].items()}
    rows = histogram_rows(bin_scores(card), {stage: found["enter"] for stage, found in card["stages"].items()})
    for entered in (each for row in rows for each in row["entered"]):
        entered["name"] = labels[entered["name"]]
    return {
        "name": name,
        "label": card["label"],
        "sentence": describe_scores(card, number),
        "moved": has_moved(card),
        "stages": [_stage_parts(stage, found, card["names"]) for stage, found in card["stages"].items()],
        "bins": rows,
        "movers": [_mover_parts(group, labels) for group in group_movers(card)],
    }


def _mover_parts(group: Movers, labels: Mapping[str, str]) -> View:
    """Leads whose scores change alike; the change is that of the middle, in whole points if they are several."""
    change, count = sum(group.change) / 2, len(group.leads)
    return {
        "leads": group.leads[:MAX_NAMED],
        "count": count,
        "more": max(count - MAX_NAMED, 0),
        "before": describe_range(group.before, number),
        "after": describe_range(group.after, number),
        "change": round(change, 1) if count == 1 else round(change),
        "stage_before": labels.get(group.stages[0] or ""),
        "stage_after": labels.get(group.stages[1] or ""),
        "reasons": group.reasons,
    }


def _stage_parts(name: str, stage: View, names: Mapping[str, str]) -> View:
    named = {
        f"named_{key}": {"leads": name_leads(ids[:MAX_NAMED], names), "more": max(stage[key] - len(ids[:MAX_NAMED]), 0)}
        for key, ids in (("entered", stage["first_entered"]), ("left", stage["first_left"]))
    }
    return {**stage, "name": name, "sent": sum(stage["alerts"].values()), "bounds": _bounds(stage["enter"]), **named}


def _bounds(enter: View) -> str:
    """The points from which a stage is entered, before and after."""
    before, after = (None if points is None else number(points) for points in (enter["before"], enter["after"]))
    return before or NONE if before == after else f"{before or NONE} → {after or NONE}"


def histogram_rows(bins: list[Bin], stages: dict[str, View]) -> list[View]:
    """The rows of a histogram from the highest score down, with the stages that are entered there."""
    most = max((max(row.before, row.after) for row in bins), default=0) or 1
    rows = []
    for i, row in enumerate(bins):
        above = bins[i + 1].low if i + 1 < len(bins) else None
        entered = [
            {"name": name, "from": enter["after"], "was": enter["before"]}
            for name, enter in stages.items()
            if enter["after"] is not None
            and (row.low <= enter["after"] or i == 0)
            and (above is None or enter["after"] < above)
        ]
        share = {"before": 100 * row.before / most, "after": 100 * row.after / most}
        rows.append({**row._asdict(), "share": share, "entered": entered})
    return rows[::-1]
