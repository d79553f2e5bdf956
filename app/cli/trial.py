"""``leadglow try``: plays events through a scorecard file in memory, without Kafka and Redis."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from app.backtest.export import check_head
from app.backtest.inputs import join_files, read_head
from app.cli.chosen_scorecards import EITHER, load_chosen
from app.cli.common import busy, console, run
from app.cli.errors import CommandError
from app.cli.export_files import reading_export
from app.demo.card_traffic import CardTraffic
from app.demo.generator import Traffic
from app.lead_names import company_of, name_of, title_of
from app.lead_views import View, describe_obstacle, labels_of, points_of
from app.scorecards.account_trial import AccountTrial
from app.scorecards.exported import read_events
from app.scorecards.memory import MemoryRun, Source
from app.scorecards.text import describe_fit
from app.scorecards.times import START_MS
from app.scorecards.trial import CardTrial, Trial, try_out
from app.settings_source import load_settings
from streams.counts import count_of
from streams.exits import Exit
from streams.scoring.scorecard import Model
from streams.units import DAY_MS

EVENTS_HELP = (
    "Your own events: JSON lines of the Segment spec, also .gz, or Parquet with pip install 'leadglow[parquet]'. "
    "Repeat it for more files, or quote a pattern: 'events-*.jsonl'. The input of the command is -."
)
MAX_REASONS = 4
BAR_WIDTH = 40


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command("try")(try_file)


def try_file(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="FILE", help=f"What to try: {EITHER}.")],
    events: Annotated[list[Path] | None, typer.Option(metavar="FILE", help=EVENTS_HELP)] = None,
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
    their scores, how many leads are in each stage, alerts, the distribution of scores, signals that never counted,
    fit lines that hold for no lead, and the top accounts. Without --events and --demo, the events are made from the
    scorecard file itself: visitors who do what its signals count.
    """
    if events:
        _refuse_options(ctx)
    (chosen,) = run(load_chosen(load_settings(), [name]))
    model = chosen.rules.model
    if events:
        title, sources = _read(events)
    else:
        title = "the demo's site" if demo else "made from the scorecard"
        sources = (_generate_demo if demo else partial(_generate, model))(generate, leads, days * DAY_MS, seed)
    played = MemoryRun(chosen.rules)
    with busy("scoring events"):
        played.play(sources)
    if played.reasons.total() >= played.events:
        raise CommandError(Exit.CHECK_FAILED, _explain_no_events(title, played))
    trial = try_out(played, limit)
    if as_json:
        typer.echo(json.dumps(trial.plain(), ensure_ascii=False))
    else:
        _print(trial, title, labels_of(model.signals))


def _refuse_options(ctx: typer.Context) -> None:
    """Refuse options about generated events, as there are given ones."""
    for name in ("demo", "generate", "leads", "days", "seed"):
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            msg = "it is about generated events, but --events names your own: leave one of them out"
            raise typer.BadParameter(msg, param_hint=f"--{name}")


def _read(files: Sequence[Path]) -> tuple[str, Iterable[Source]]:
    """The name of an export, and its events."""
    with reading_export(files), join_files(files) as joined:
        for begin, name in joined.begins:
            check_head(Path(name), read_head(joined.path, begin))
        return joined.title, read_events(joined.path)


def _explain_no_events(title: str, played: MemoryRun) -> str:
    """Why there is nothing to score."""
    if not played.events:
        return f"{title} has no events."
    return f"{title} has no event that can be scored: {_describe_rejects(played.reasons)}."


def _describe_rejects(reasons: Mapping[str, int]) -> str:
    count = sum(reasons.values())
    return f"{count_of(count, 'event')} rejected: {', '.join(f'{name} {n}' for name, n in reasons.items())}"


def _generate(model: Model, count: int, leads: int, span_ms: int, seed: int) -> Iterator[Source]:
    traffic = CardTraffic(model, seed, leads)
    return (Source(*event) for event in traffic.events(count, START_MS, START_MS + span_ms))


def _generate_demo(count: int, leads: int, span_ms: int, seed: int) -> Iterator[Source]:
    traffic = Traffic(seed, leads)
    times = (START_MS + number * span_ms // count for number in range(count))
    return (Source(traffic.next(at_ms).value, at_ms) for at_ms in times)


def _print(trial: Trial, source: str, signals: Mapping[str, str]) -> None:
    days = f"{trial.first_at[:10]} to {trial.last_at[:10]}"
    typer.echo(f"{trial.events:,} events ({source}), {trial.leads:,} leads, {days}")
    if trial.rejected:
        typer.echo(_describe_rejects(trial.rejected))
    for card in trial.cards:
        _print_card(card, trial.leads, signals)


def _print_card(card: CardTrial, leads: int, signals: Mapping[str, str]) -> None:
    """Print one scorecard; ``signals`` are the labels of signals, by name."""
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
        named = ", ".join(signals.get(name, name) for name in card.never_fired)
        out.print(f"signals that never counted: {escape(named)}", soft_wrap=True)
    for line in card.never_held:
        said = f"{line.label}, if {describe_fit(line)}" if line.label else describe_fit(line)
        out.print(f"holds for no lead: {escape(said)} ({line.points:+g})", soft_wrap=True)
    if card.accounts is not None:
        _print_accounts(card.accounts)


def _print_accounts(found: AccountTrial) -> None:
    out = console()
    none = "" if found.accounts else ", and no lead has it"
    out.print(f"accounts: {escape(found.says)}{none}", soft_wrap=True)
    if not found.accounts:
        return
    if found.stages:
        rows = [(s.label or s.name, f"{s.enter:g}", f"{s.accounts:,}") for s in found.stages]
        out.print(_table(("stage of accounts", "from", "accounts that reach it"), rows))
    labels = {stage.name: stage.label or stage.name for stage in found.stages}
    out.print(
        _table(
            ("account", "score", "stage", "leads", "first of them"),
            (
                (row["account"], str(row["score"]), labels.get(row["stage"], ""), f"{row['leads']:,}", _leads_of(row))
                for row in found.top
            ),
        )
    )


def _leads_of(account: View) -> str:
    return ", ".join(f"{each['lead_id']} {each['score']}" for each in account["top_leads"])


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


_NUMBERS = {"from", "accounts that reach it", "leads in it", "entered it", "alerts", "score from", "leads", "score"}
