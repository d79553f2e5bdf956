"""Compares how often signals occurred for leads that were won and for those that were lost. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from app.scorecards.intervals import difference_interval
from streams.scoring.rules import CardRule

View = dict[str, Any]
NEEDED: Final = 20
"""Won leads and lost leads that a comparison needs."""


def compare_signals(card: CardRule, outcomes: Sequence[tuple[frozenset[str], bool]]) -> View:
    """Every signal of a scorecard: the share of won and of lost leads that had it.

    ``outcomes`` are the signals of each lead, and whether it was won.
    """
    won = [signals for signals, is_won in outcomes if is_won]
    lost = [signals for signals, is_won in outcomes if not is_won]
    is_enough = min(len(won), len(lost)) >= NEEDED
    rules = {rule.name: rule for rule in card.valued.values()}
    return {
        "needed": NEEDED,
        "enough": is_enough,
        "signals": [
            {
                "name": name,
                "label": rules[name].label,
                "points": points.points,
                **_compare(_count(name, won), len(won), _count(name, lost), len(lost), is_enough),
            }
            for name, points in card.card.points.items()
        ],
    }


def _count(name: str, leads: Iterable[frozenset[str]]) -> int:
    return sum(name in signals for signals in leads)


def _compare(won: int, all_won: int, lost: int, all_lost: int, is_enough: bool) -> View:
    """The shares, their difference, and whether it can be chance; only the counts if there are too few leads."""
    found: View = {"won": won, "lost": lost, "won_share": None, "lost_share": None}
    if not is_enough:
        return found | {"interval": None, "occurs": None}
    shares = won / all_won, lost / all_lost
    low, high = difference_interval(won, all_won, lost, all_lost)
    occurs = "never" if not won + lost else "alike" if low <= 0 <= high else "won" if low > 0 else "lost"
    return found | {
        "won_share": round(shares[0], 4),
        "lost_share": round(shares[1], 4),
        "interval": [round(low, 4), round(high, 4)],
        "occurs": occurs,
    }


def describe_comparison(outcomes: View) -> list[str]:
    """The comparison in sentences."""
    found = outcomes["signals"]
    if not found["enough"]:
        counts = f"{outcomes['won']:,} won, {outcomes['lost']:,} lost"
        return [f"signals cannot be compared: {counts}, at least {found['needed']} of each are needed"]
    named = {
        occurs: ", ".join(each["label"] or each["name"] for each in found["signals"] if each["occurs"] == occurs)
        for occurs in ("alike", "never")
    }
    lines = [f"signals alike for won and lost leads: {named['alike']}"] if named["alike"] else []
    return lines + ([f"signals that no won or lost lead had: {named['never']}"] if named["never"] else [])
