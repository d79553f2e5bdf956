"""``leadglow backtest``: replays past events by a scorecard file and reports what it would have done."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from app.backtest.inputs import open_files
from app.backtest.outcomes import LOST, WON
from app.backtest.records import EventSource
from app.backtest.report import describe, render_report, summary_lines
from app.backtest.session import Findings, NoEvents, Order, run_backtest
from app.backtest.topic import Topic
from app.cli.chosen_scorecards import EITHER, load_chosen
from app.cli.common import run
from app.cli.errors import CommandError
from app.cli.export_files import reading_export
from app.cli.implementation import choose_implementation
from app.cli.published import has_topic, open_scorecards, read_divided
from app.cli.topics import require_lead_events
from app.cli.unreachable import KafkaErrorCapture, kafka_fault
from app.settings import Settings
from app.settings_source import load_settings
from app.wiring import make_tail_consumer
from streams.clock import monotonic_s, now_ms
from streams.events.times import LAST_MS, parse_ms
from streams.exits import Exit
from streams.shard.alert import rfc3339
from streams.transport.stopping import stop_consumer
from streams.units import DAY_MS, parse_duration_ms

_DURATION = re.compile(r"\d{1,6}(?:\.\d{1,6})?[smhdw]")
REPORT = Path("backtest.html")
FROM_HELP = (
    "Report from here on: 2026-11-01, an RFC 3339 time, or 90d for 90 days ago. Earlier events build the scores."
)
TO_HELP = "Replay up to here, days included; by default up to now, or to the end of the export."
INPUT_HELP = (
    "An export instead of the events in Kafka: JSON lines, also .gz, or Parquet with pip install 'leadglow[parquet]'. "
    "Repeat it for more files, or quote a pattern: 'events-*.jsonl'. The input of the command is -."
)
OUTCOME_HELP = f"An event that marks a lead as won. Repeat it for more. By default: {', '.join(WON)}."
LOST_HELP = f"An event that marks a lead as lost. Repeat it for more. By default: {', '.join(LOST)}."
_REPORT = "Where to write the report. By default: backtest.html."


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(backtest)


def backtest(  # noqa: PLR0913, PLR0917 - each is an option
    name: Annotated[str, typer.Argument(metavar="FILE", help=f"What to replay by: {EITHER}.")],
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help=FROM_HELP)] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help=TO_HELP)] = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="FILE", help=f"What to compare with: {EITHER}.")
    ] = None,
    input_: Annotated[list[Path] | None, typer.Option("--input", metavar="EVENTS", help=INPUT_HELP)] = None,
    outcome: Annotated[list[str] | None, typer.Option("--outcome", metavar="EVENT", help=OUTCOME_HELP)] = None,
    lost: Annotated[list[str] | None, typer.Option("--lost", metavar="EVENT", help=LOST_HELP)] = None,
    capacity: Annotated[
        int | None, typer.Option("--capacity", min=1, metavar="N", help="Leads that sales can take up a week.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", metavar="HTML", help=_REPORT)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; write a report only with --report.")] = False,
) -> None:
    """Replay past events by a scorecard file, and report what it would have done.

    Reads the events that Kafka still has, or an export, and scores them as a worker would have. Nothing is changed or
    sent. The report has the qualified leads of each week, the time to qualify, and, if there are outcomes of leads, how
    well the scores before them foretell them.
    """
    settings = load_settings()
    chosen, *others = run(load_chosen(settings, [name, against] if against else [name]))
    order = Order(
        chosen.rules,
        others[0].rules if others else None,
        choose_implementation(settings),
        *parse_range(from_, to),
        capacity,
        tuple(outcome or WON),
        tuple(lost or LOST),
    )
    began_s = monotonic_s()
    findings, source, order = run(_replay(settings, input_ or [], order))
    result = describe(findings, order, source, (chosen.name, others[0].name if others else ""), monotonic_s() - began_s)
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else "\n".join(summary_lines(result)))
    if report is not None or not as_json:
        _write_report(report or REPORT, render_report(result))
        typer.echo(f"report written to {report or REPORT}", err=as_json)


def parse_range(from_: str | None, to: str | None) -> tuple[int | None, int | None]:
    """The instants of ``--from`` and ``--to`` in ms.

    Raises:
        typer.BadParameter: one is not a time, or the range ends before it begins.
    """
    first, last = parse_time(from_, "--from"), parse_time(to, "--to")
    if first is not None and last is not None and first > last:
        msg = f"{from_} is after --to {to}: the range ends before it begins."
        raise typer.BadParameter(msg, param_hint="--from")
    return first, last


def parse_time(text: str | None, option: str) -> int | None:
    """An instant in ms: RFC 3339, or a duration before now; the end of a day for ``--to 2026-12-24``."""
    if text is None:
        return None
    if _DURATION.fullmatch(text):
        return now_ms() - round(parse_duration_ms(text))
    at_ms = parse_ms(text)
    if at_ms is None:
        msg = f"{text!r} is not a time: write 2026-11-01, 2026-11-01T18:00:00Z, or 90d for 90 days ago."
        raise typer.BadParameter(msg, param_hint=option)
    is_day = len(text) == len("2026-11-01")
    return at_ms + DAY_MS - 1 if is_day and option == "--to" else at_ms


def _write_report(path: Path, html: str) -> None:
    try:
        path.write_text(html, "utf-8")
    except OSError as error:
        raise CommandError(Exit.UNWRITTEN, f"{path} cannot be written: {error.strerror}") from None


async def _replay(settings: Settings, files: Sequence[Path], order: Order) -> tuple[Findings, EventSource, Order]:
    """Replay the events, those of Kafka with the publications that they refer to; the order returned has these.

    Raises:
        CommandError: they cannot be read, or there are none in the range.
    """
    if files:
        async with open_export(files, order.to_ms) as events:
            return await _run(events, order, 0), events, order
    async with open_topic(settings) as log:
        if not await has_topic(settings):
            return await _run(log, order, now_ms()), log, order
        async with open_scorecards(settings) as topic:
            last = topic.catalog.latest_at(LAST_MS if order.to_ms is None else order.to_ms)
            order = replace(order, publications=topic, in_force=last.version if last else "")
            return await _run(log, order, now_ms()), log, order


async def _run(source: EventSource, order: Order, end_ms: int) -> Findings:
    with progress_bar(source.total) as progress:
        try:
            return await run_backtest(source, order, end_ms, progress)
        except NoEvents:
            raise CommandError(Exit.CHECK_FAILED, explain_no_events(source, order)) from None


def explain_no_events(source: EventSource, order: Order) -> str:
    """Why there is nothing to replay."""
    times = [f"{word} {rfc3339(at)}" for word, at in (("from", order.from_ms), ("to", order.to_ms)) if at is not None]
    where = f"{source.name} has no events {' '.join(times)}".rstrip()
    unreadable = source.unreadable.reasons.total()
    found = [f"  {each['place']}: {each['detail']}: {each['text']}" for each in source.unreadable.examples]
    return "\n".join([f"{where}; {unreadable} lines could not be read:" if unreadable else f"{where}.", *found])


@asynccontextmanager
async def open_export(files: Sequence[Path], to_ms: int | None) -> AsyncIterator[EventSource]:
    """An export in one or more files.

    Raises:
        CommandError: it cannot be read.
    """
    with reading_export(files), open_files(files, LAST_MS if to_ms is None else to_ms) as export:
        yield export


@asynccontextmanager
async def open_topic(settings: Settings) -> AsyncIterator[EventSource]:
    """The events in Kafka.

    Raises:
        CommandError: Kafka does not respond, or has other topics.
    """
    await require_lead_events(settings)
    consumer: Any = make_tail_consumer(settings, (), None)
    with KafkaErrorCapture() as capture:
        try:
            await consumer.start()
            divided = await read_divided(settings)
            if divided:
                typer.echo("Events from before the last repartition are left out.", err=True)
            yield await Topic.open(settings.lead_events, settings.partitions, consumer, divided)
        except (KafkaError, TimeoutError) as error:
            raise kafka_fault(settings, capture.cause_of(error)) from None
        finally:
            await stop_consumer(consumer)


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[str, int], None]]:
    """A progress bar on stderr, if that is a terminal; the events are read twice."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Reading", total=2 * total)
        yield lambda step, taken: progress.update(task, description=step, completed=taken)
