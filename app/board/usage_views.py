"""Arranges the usage of a scorecard for its page. Pure."""

from __future__ import annotations

from math import ceil
from typing import Any, Final

View = dict[str, Any]
LEAST_WIDTH: Final = 0.4
"""Width of the bar of a single lead among many, in percent."""


def usage_parts(usage: View) -> View:
    """Everything that the page shows of the usage of a scorecard."""
    return {
        "usage": usage,
        "scores": score_rows(usage),
        "is_sample": usage["sampled"] < usage["leads"],
        "counted": {signal["name"]: signal for signal in usage["signals"]},
        "unused": [
            {"says": "", **each, "kind": kind}
            for kind, rows in (("signal", usage["signals"]), ("fit", usage["fit"]))
            for each in rows
            if each["hint"]
        ],
    }


def score_rows(usage: View) -> list[View]:
    """Rows from the highest score down: ranges of scores with their leads, and below each the bounds within it."""
    bounds, bins = _bounds(usage), usage["bins"]
    most = max((row["leads"] for row in bins), default=0) or 1
    rows: list[View] = []
    for i, row in reversed(list(enumerate(bins))):
        width = max(100 * row["leads"] / most, LEAST_WIDTH) if row["leads"] else 0
        rows.append({"kind": "scores", **row, "width": width})
        while bounds and (i == 0 or row["from"] <= ceil(bounds[0]["at"])):
            rows.append(bounds.pop(0))
    return _trim(rows) if usage["leads"] else []


def _bounds(usage: View) -> list[View]:
    """The bounds of all stages, the highest first."""
    found = [
        {
            "kind": kind,
            "name": stage["name"],
            "label": stage["label"],
            "at": stage[kind],
            "leads": stage[f"leads_from_{kind}"],
            "is_last": stage is usage["stages"][-1],
        }
        for stage in usage["stages"]
        for kind in ("enter", "leave")
    ]
    return sorted(found, key=lambda bound: -float(bound["at"]))


def _trim(rows: list[View]) -> list[View]:
    """The rows without empty ranges at both ends."""
    used = [i for i, row in enumerate(rows) if row["leads"] or row["kind"] != "scores"]
    first = used[0] - (rows[used[0]]["kind"] != "scores")  # the range of the first bound
    return rows[max(first, 0) : used[-1] + 1]
