"""Prints the report about a change of the scorecards for people."""

from __future__ import annotations

from itertools import groupby
from math import ceil, floor
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

View = dict[str, Any]
SIGNS = {"added": "[green]+[/green]", "removed": "[red]-[/red]", "changed": "[yellow]~[/yellow]",
         "renamed": "[yellow]~[/yellow]"}  # fmt: skip
BINS = 10
"""Rows of a histogram."""
BAR = 24
"""Width of the longest bar of a histogram."""
IDS = 5
"""Leads that are named for each stage."""
REASONS = 3
NONE = "\N{EN DASH}"
_STARTS = (
    "{names} {start} at 0 for every lead: run `leadglow rebuild` after publishing to count earlier events, too. "
    "What follows is the effect before that."
)
_LATER = "{names} {count} new events by the new rule; `leadglow rebuild` applies it to earlier events, too."


def print_words(report: View, out: Console) -> None:
    """Print what changed in meaning."""
    differences = report["differences"]
    versions = [report[name][:12] for name in ("old_version", "new_version")]
    out.print(
        f"Version {versions[0]} → {versions[1]}" if len(set(versions)) > 1 else f"Version {versions[0]}, unchanged"
    )
    if not differences:
        out.print("Nothing changes in meaning.")
    for scorecard, group in groupby(differences, lambda each: each["scorecard"]):
        out.print()
        out.print(f"[bold]{'Signals' if not scorecard else f'Scorecard {escape(scorecard)}'}[/bold]")
        for (subject, name, kind), same in groupby(group, lambda each: (each["subject"], each["name"], each["kind"])):
            line = _describe_differences(subject, name, kind, [each["text"] for each in same])
            out.print(f"  {SIGNS[kind]} {escape(line)}", soft_wrap=True)
    _print_rebuild(report["rebuild"], out)


def _describe_differences(subject: str, name: str, kind: str, texts: list[str]) -> str:
    words = {"added": "new", "removed": "removed", "renamed": "renamed", "changed": ""}
    said = ": ".join(filter(None, [words[kind], ", ".join(filter(None, texts))]))
    kinds = {"fit": "fit: ", "stage": "stage ", "category": "category "}
    return said if subject == "scorecard" else f"{kinds.get(subject, '')}{name}  {said}"


def _print_rebuild(rebuild: View, out: Console) -> None:
    for names, text in ((rebuild["starts_at_0"], _STARTS), (rebuild["new_events"], _LATER)):
        if names:
            out.print()
            verb = {"start": "starts", "count": "counts"} if len(names) == 1 else {"start": "start", "count": "count"}
            out.print(escape(text.format(names=", ".join(names), **verb)), soft_wrap=True)


def print_report(report: View, out: Console) -> None:
    """Print the whole report."""
    print_words(report, out)
    out.print()
    if not report["leads"]:
        out.print("There are no leads yet.")
        return
    out.print(f"[bold]If it is published now, for {report['leads']:,} lead{'s' * (report['leads'] != 1)}[/bold]")
    out.print(_describe_alerts(report), soft_wrap=True)
    for name, card in report["scorecards"].items():
        out.print()
        title = escape(card["label"] if card["label"] == name else f"{name}: {card['label']}")
        out.print(f"[bold]{title}[/bold]")
        out.print(_describe_scores(card), soft_wrap=True)
        _print_stages(card, out)
        if card["risen"] or card["fallen"] or None in card["average"].values():
            _print_histogram(card, out)
        _print_movers(card, out)


def _describe_alerts(report: View) -> str:
    parts = []
    for card in report["scorecards"].values():
        for name, stage in card["stages"].items():
            for kind, verb in (("entered", "enter"), ("left", "leave")):
                if count := stage["alerts"][kind]:
                    parts.append(f"{count:,} {verb}{'s' * (count == 1)} {escape(name)}")
    silenced = sum(stage["silenced"] for card in report["scorecards"].values() for stage in card["stages"].values())
    count = report["alerts"]
    text = (
        f"{count:,} alert{'s' * (count != 1)} would be sent: {', '.join(parts)}."
        if count
        else "No alert would be sent."
    )
    return text + (f" {silenced:,} more stay silent because of the cooldown." if silenced else "")


def _describe_scores(card: View) -> str:
    before, after = card["average"]["before"], card["average"]["after"]
    if before is None or after is None:
        return f"The scorecard is {'new' if before is None else 'removed'}."
    if not card["risen"] and not card["fallen"]:
        return f"No score changes; the average is {before:g}."
    same = sum(row["after"] for row in card["scores"]) - card["risen"] - card["fallen"]
    return f"{card['risen']:,} scores rise, {card['fallen']:,} fall, {same:,} stay; average {before:g} → {after:g}."


def _print_stages(card: View, out: Console) -> None:
    if not card["stages"]:
        return
    table = _table("stage", ">now", ">then", ">enter", ">leave", ">alerts", "first leads")
    for name, stage in card["stages"].items():
        table.add_row(
            escape(name), *(_count(stage[key]) for key in ("before", "after", "entered", "left")),
            _count(sum(stage["alerts"].values())), escape(_name_leads(stage)),
        )  # fmt: skip
    out.print()
    out.print(table)
    for name, stage in card["stages"].items():
        if stage["removed"] and stage["handoff"] and stage["left"]:
            out.print(f"{escape(name)} is removed: no alert says that the {stage['left']:,} in it have left.")


def _name_leads(stage: View) -> str:
    """The first leads that enter and leave a stage, on a line each."""
    lines = []
    for key, verb in (("entered", "enter"), ("left", "leave")):
        if lead_ids := stage[f"first_{key}"][:IDS]:
            lines.append(f"{verb}: {', '.join(lead_ids)}{', …' if stage[key] > len(lead_ids) else ''}")
    return "\n".join(lines)


def _count(number: int) -> str:
    return f"{number:,}" if number else NONE


def _print_histogram(card: View, out: Console) -> None:
    rows = _bin_scores(card)
    most = max((max(before, after) for _, before, after in rows), default=0)
    if not most:
        return
    out.print()
    table = _table(">score", ">now", "", ">then", "")
    for label, before, after in reversed(rows):
        table.add_row(label, _count(before), _bar(before, most), _count(after), _bar(after, most))
    out.print(table)


def _bin_scores(card: View) -> list[tuple[str, int, int]]:
    """(scores, leads before, leads after) from the lowest scores that occur to the highest."""
    scores = card["scores"]
    low, high = (floor(bound) for bound in card["range"])
    if scores and high - low > 1000:
        low, high = scores[0]["from"], scores[-1]["from"]
    width = max(ceil((high - low) / BINS), 1)
    starts = list(range(low, high, width)) or [low]
    ends = [start - 1 for start in starts[1:]] + [high]
    befores, afters = [0] * len(starts), [0] * len(starts)
    for row in scores:
        at = min(max((row["from"] - low) // width, 0), len(starts) - 1)
        befores[at] += row["before"]
        afters[at] += row["after"]
    labels = [f"{start} to {end}" for start, end in zip(starts, ends, strict=True)]
    rows = list(zip(labels, befores, afters, strict=True))
    used = [i for i, (_, before, after) in enumerate(rows) if before or after]
    return rows[used[0] : used[-1] + 1] if used else []


def _bar(number: int, most: int) -> str:
    eighths = ceil(8 * BAR * number / most)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _print_movers(card: View, out: Console) -> None:
    if not card["movers"]:
        return
    out.print()
    table = _table("largest changes", ">score", ">by", "stage", "why")
    for mover in card["movers"]:
        was, will_be = mover["before"], mover["after"]
        stages = dict.fromkeys([was["stage"] or NONE, will_be["stage"] or NONE])
        table.add_row(
            escape(mover["lead_id"]), f"{was['score']} → {will_be['score']}", f"{mover['change']:+.1f}",
            escape(" → ".join(stages)), escape(_describe_reasons(mover["why"])),
        )  # fmt: skip
    out.print(table)


def _describe_reasons(why: list[View]) -> str:
    """The signals and fit lines that change most after caps; if none does, the caps and the range."""
    kept = [(part["name"], part["change_after_caps"]) for part in why if part["change_after_caps"]]
    capped = [(f"maximum of {part['name']}" if part["kind"] == "cap" else part["name"], part["change"]) for part in why]
    return ", ".join(f"{name} {change:+.1f}" for name, change in (kept or capped)[:REASONS])


def _table(*columns: str) -> Table:
    """A table without lines; a column with ``>`` is aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0), title="")
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", overflow="fold")
    return table
