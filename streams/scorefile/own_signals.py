"""Puts signals of the file in the place of those of examples in remedies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from streams.scorefile.time_checks import may_be_absent
from streams.yamlfile.kinds import Item, Struct
from streams.yamlfile.tree import Mistake, Node, Report

_ANY: Final = ("pricing_visit", "demo_request")
_GUARD: Final = "sales_contact"


def name_own_signals(file: Struct, report: Report) -> None:
    """Let remedies for points, categories, stages and half-lives name signals that the file has."""
    signals: Mapping[str, Item] = file.get("signals", {})
    whole = {name: item.value for name, item in signals.items() if item.value is not None and not item.value.broken}
    guards = [name for name, signal in whole.items() if may_be_absent(signal)][:1]
    for index, mistake in enumerate(report.mistakes):
        remedy = mistake.remedy
        if not {*_ANY, _GUARD} & signals.keys() and _is_in_cards(mistake, file):
            remedy = remedy.replace(", ".join(_ANY), ", ".join([*signals][:2]) or ", ".join(_ANY))
            remedy = remedy.replace(_ANY[0], next(iter(signals), _ANY[0]))
        elif _GUARD not in signals and guards:
            remedy = remedy.replace(_GUARD, guards[0])
        report.mistakes[index] = replace(mistake, remedy=remedy)


def _is_in_cards(mistake: Mistake, file: Struct) -> bool:
    """Whether a mistake is in the scorecards of a file, and not among its signals."""
    place = mistake.line, mistake.column
    cards, signals = (_place(file.nodes.get(key)) for key in ("scorecards", "signals"))
    return cards <= place and not cards < signals <= place


def _place(node: Node | None) -> tuple[float, float]:
    return (node.line, node.column) if node is not None else (float("inf"), 0)
