"""Prints the report about a change of the scorecards for people."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.scorecards.histogram import bin_scores
from app.scorecards.sentences import (
    NamedLead,
    describe_alerts,
    describe_range,
    describe_rebuild,
    describe_scores,
    group_differences,
    group_movers,
    has_moved,
    name_leads,
)
from streams.counts import count_of

View = dict[str, Any]
SIGNS = {"added": "[green]+[/green]", "removed": "[red]-[/red]", "changed": "[yellow]~[/yellow]",
         "renamed": "[yellow]~[/yellow]"}  # fmt: skip
BAR = 24
"""Width of the longest bar of a histogram."""
IDS = 5
"""Leads that are named for each stage."""
NAMED = 3
"""Leads that are named of those that change alike."""
NONE = "\N{EN DASH}"


def print_words(report: View, out: Console) -> None:
    """Print what changed in meaning."""
    differences = report["differences"]
    versions = [report[name][:12] for name in ("old_version", "new_version")]
    out.print(
        f"Version {versions[0]} → {versions[1]}" if len(set(versions)) > 1 else f"Version {versions[0]}, unchanged"
    )
    if not differences:
        out.print("Nothing changes in meaning.")
    for scorecard, lines in group_differences(report):
        out.print()
        out.print(f"[bold]{'Signals' if not scorecard else f'Scorecard {escape(scorecard)}'}[/bold]")
        for line in lines:
            out.print(f"  {SIGNS[line.kind]} {escape(line.text)}", soft_wrap=True)
    for sentence in describe_rebuild(report):
        out.print()
        out.print(escape(sentence), soft_wrap=True)


def print_report(report: View, out: Console, quiet: bool = False) -> None:
    """Print the whole report; a ``quiet`` change sends no alerts."""
    print_words(report, out)
    out.print()
    if not report["leads"]:
        out.print("There are no leads yet.")
        return
    out.print(f"[bold]If it is published now, for {count_of(report['leads'], 'lead')}[/bold]")
    out.print(escape(describe_alerts(report, quiet=quiet)), soft_wrap=True)
    for name, card in report["scorecards"].items():
        out.print()
        title = escape(card["label"] if card["label"] == name else f"{name}: {card['label']}")
        out.print(f"[bold]{title}[/bold]")
        out.print(describe_scores(card), soft_wrap=True)
        _print_stages(card, out)
        if has_moved(card):
            _print_histogram(card, out)
        _print_movers(card, out)


def _print_stages(card: View, out: Console) -> None:
    if not card["stages"]:
        return
    table = _table("stage", ">now", ">then", ">enter", ">leave", ">alerts", "first leads")
    for name, stage in card["stages"].items():
        table.add_row(
            escape(stage["label"] or name), *(_count(stage[key]) for key in ("before", "after", "entered", "left")),
            _count(sum(stage["alerts"].values())), escape(_name_leads(stage, card["names"])),
        )  # fmt: skip
    out.print()
    out.print(table)


def _name_leads(stage: View, names: Mapping[str, str]) -> str:
    """The first leads that enter and leave a stage, on a line each."""
    lines = []
    for key, verb in (("entered", "enter"), ("left", "leave")):
        if leads := name_leads(stage[f"first_{key}"][:IDS], names):
            named = ", ".join(lead.name for lead in leads)
            lines.append(f"{verb}: {named}{', …' if stage[key] > len(leads) else ''}")
    return "\n".join(lines)


def _count(number: int) -> str:
    return f"{number:,}" if number else NONE


def _print_histogram(card: View, out: Console) -> None:
    rows = bin_scores(card)
    most = max((max(row.before, row.after) for row in rows), default=0)
    if not most:
        return
    out.print()
    table = _table(">score", ">now", "", ">then", "")
    for low, high, before, after in reversed(rows):
        table.add_row(f"{low} to {high}", _count(before), _bar(before, most), _count(after), _bar(after, most))
    out.print(table)


def _bar(number: int, most: int) -> str:
    eighths = ceil(8 * BAR * number / most)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _print_movers(card: View, out: Console) -> None:
    if not card["movers"]:
        return
    out.print()
    table = _table("largest changes", ">score", ">by", "stage", "why")
    for group in group_movers(card):
        stages = dict.fromkeys(_name_stage(card, name) for name in group.stages)
        reasons = ", ".join(f"{name} {change:+.1f}" for name, change in group.reasons)
        scores = " → ".join(map(describe_range, (group.before, group.after)))
        change = f"{group.change[0]:+.1f}" if len(group.leads) == 1 else f"about {sum(group.change) / 2:+.0f}"
        table.add_row(escape(_name_alike(group.leads)), scores, change, escape(" → ".join(stages)), escape(reasons))
    out.print(table)


def _name_alike(leads: list[NamedLead]) -> str:
    """One lead, or how many there are of a kind and the first of them."""
    if len(leads) == 1:
        return leads[0].name
    named = ", ".join(lead.name for lead in leads[:NAMED])
    return f"{len(leads)} leads like this: {named}{', …' if len(leads) > NAMED else ''}"


def _name_stage(card: View, name: str | None) -> str:
    return NONE if name is None else str(card["stages"][name]["label"] or name)


def _table(*columns: str) -> Table:
    """A table without lines; a column with ``>`` is aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0), title="")
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", overflow="fold")
    return table
