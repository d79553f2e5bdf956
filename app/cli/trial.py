"""``leadglow try``: plays events through a scorecard file in memory, without Kafka and Redis."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from app.cli.chosen_scorecards import EITHER, load_chosen
from app.cli.common import busy, console, run
from app.cli.errors import CommandError
from app.demo.card_traffic import CardTraffic
from app.demo.generator import Traffic
from app.lead_names import company_of, name_of, title_of
from app.lead_views import View, describe_obstacle, points_of
from app.scorecards.exported import read_events
from app.scorecards.memory import MemoryRun, Source
from app.scorecards.text import describe_fit
from app.scorecards.times import START_MS
from app.scorecards.trial import CardTrial, Trial, try_out
from app.settings_source import load_settings
from streams.exits import Exit
from streams.scoring.scorecard import Model
from streams.units import DAY_MS

MAX_REASONS = 4
BAR_WIDTH = 40


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command("try")(try_file)


def try_file(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    name: Annotated[str, typer.Argument(metavar="FILE", help=f"What to try: {EITHER}.")],
    events: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your own events: a JSON object of the Segment spec on each line."),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="The events of the demo's fictional site.")] = False,
    generate: Annotated[int, typer.Option(min=1, metavar="N", help="Number of generated events.")] = 5000,
    leads: Annotated[int, typer.Option(min=1, metavar="N", help="Number of generated visitors.")] = 500,
    days: Annotated[int, typer.Option(min=1, metavar="N", help="Days over which they are generated.")] = 30,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same events.")] = 1,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="Number of top leads.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Try a scorecard file on events in memory, in seconds.

    Needs neither Kafka nor Redis, unless it is given a published version. Shows the top leads with the reasons for
    their scores, how many leads are in each stage, alerts, the distribution of scores, signals that never counted and
    fit lines that hold for no lead. Without --events and --demo, the events are made from the scorecard file itself:
    visitors who do what its signals count.
    """
    (chosen,) = run(load_chosen(load_settings(), [name]))
    model = chosen.rules.model
    if events is not None:
        sources: Iterable[Source] = _read(events)
    else:
        sources = (_generate_demo if demo else partial(_generate, model))(generate, leads, days * DAY_MS, seed)
    played = MemoryRun(chosen.rules)
    with busy("scoring events"):
        played.play(sources)
    if not played.events:
        raise CommandError(Exit.REFUSED, f"{events} has no events.")
    trial = try_out(played, limit)
    if as_json:
        typer.echo(json.dumps(trial.plain(), ensure_ascii=False))
    else:
        _print(trial, str(events) if events else "the demo's site" if demo else "made from the scorecard")


def _read(events: Path) -> list[Source]:
    try:
        return read_events(events)
    except OSError as error:
        raise CommandError(Exit.REFUSED, f"{events} cannot be read: {error.strerror}.") from None


def _generate(model: Model, count: int, leads: int, span_ms: int, seed: int) -> Iterator[Source]:
    traffic = CardTraffic(model, seed, leads)
    return (Source(*event) for event in traffic.events(count, START_MS, START_MS + span_ms))


def _generate_demo(count: int, leads: int, span_ms: int, seed: int) -> Iterator[Source]:
    traffic = Traffic(seed, leads)
    times = (START_MS + number * span_ms // count for number in range(count))
    return (Source(traffic.next(at_ms).value, at_ms) for at_ms in times)


def _print(trial: Trial, source: str) -> None:
    days = f"{trial.first_at[:10]} to {trial.last_at[:10]}"
    typer.echo(f"{trial.events:,} events ({source}), {trial.leads:,} leads, {days}")
    if trial.rejected:
        reasons = ", ".join(f"{reason} {count}" for reason, count in trial.rejected.items())
        count = sum(trial.rejected.values())
        typer.echo(f"{count:,} event{'s' * (count != 1)} rejected: {reasons}")
    for card in trial.cards:
        _print_card(card, trial.leads)


def _print_card(card: CardTrial, leads: int) -> None:
    out = console()
    out.print(f"\n[bold]{escape(card.label or card.name)}[/bold]")
    if card.applies_to:
        out.print(f"applies to {card.applies:,} of {leads:,} leads: if {escape(card.applies_to)}", soft_wrap=True)
    for path, values in card.found_traits.items():
        counts = ", ".join(f"{value} {count:,}" for value, count in values)
        out.print(f"  {escape(path)} of the leads: {escape(counts)}", soft_wrap=True)
    if not card.applies:
        return
    if card.stages:
        rows = [(s.label or s.name, f"{s.inside:,}", f"{s.entered:,}", f"{s.alerts:,}") for s in card.stages]
        out.print(_table(("stage", "leads in it", "entered it", "alerts"), rows))
    most = max((count for _, count in card.bands), default=1)
    bars = [(str(low), f"{count:,}", "█" * round(BAR_WIDTH * count / most)) for low, count in card.bands]
    out.print(_table(("score from", "leads", ""), bars))
    labels = {stage.name: stage.label or stage.name for stage in card.stages}
    out.print(_table(("lead", "score", "grade", "stage", "why"), (_top_row(row, labels) for row in card.top)))
    if card.never_fired:
        out.print(f"signals that never counted: {', '.join(card.never_fired)}", soft_wrap=True)
    for line in card.never_held:
        out.print(f"holds for no lead: {escape(describe_fit(line))} ({line.points:+g})", soft_wrap=True)


def _top_row(row: View, labels: Mapping[str, str]) -> tuple[str, ...]:
    traits: dict[str, Any] = row["traits"]
    names = (name_of(row["lead_id"], traits), title_of(traits), company_of(traits))
    lead = ", ".join(name for name in names if name)
    return lead, str(row["score"]), row["grade"], labels.get(row["stage"], ""), _why(row) + _why_not(row, labels)


def _why_not(row: View, labels: Mapping[str, str]) -> str:
    """What keeps a lead out of each stage that its score reaches, on a line each."""
    found = [(stage, each) for stage, each in row["not_entered"].items() if each and not _needs_score(each)]
    return "".join(f"\nnot {labels[stage]}: {', '.join(map(describe_obstacle, each))}" for stage, each in found)


def _needs_score(obstacles: list[View]) -> bool:
    return any(each.get("needs") == "score" for each in obstacles)


def _why(row: View) -> str:
    """The signals and fit lines with the most points after caps."""
    reasons = [part for part in row["parts"] if part["kind"] in {"signal", "fit"}]
    parts = sorted(reasons, key=lambda part: -abs(points_of(part)))[:MAX_REASONS]
    return ", ".join(f"{part.get('label') or part['name']} {points_of(part):+.1f}" for part in parts)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, justify="right" if head in _NUMBERS else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


_NUMBERS = {"leads in it", "entered it", "alerts", "score from", "leads", "score"}
