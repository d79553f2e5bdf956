"""``leadglow status``: the whole system at a glance."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import typer
from rich.markup import escape
from rich.table import Table

from app.checkup.kafka_status import KafkaStatus, read_kafka
from app.checkup.probing import local_urls, probe_all
from app.checkup.redis_status import RedisStatus, read_nodes, read_shards
from app.checkup.report import Report, add_kafka, add_log, add_processes, add_redis, add_scorecards, add_scores
from app.cli.common import ask_agreed, check_partitions, console, open_admin, open_store, run
from app.cli.errors import CommandError
from app.cli.lead_log import read_places
from app.cli.published import has_topic, open_scorecards
from app.cli.unreachable import redis_place
from app.settings import Settings
from app.settings_source import load_settings
from streams.clock import now_ms
from streams.exits import Exit
from streams.publishing.catalog import Catalog

T = TypeVar("T")


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(status)


def status(
    probe: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Where a process has its metrics, for example http://worker:9095 (repeatable); it must be ready. "
            "Without this option, the processes on this machine are asked.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the whole system at a glance.

    Kafka, Redis, topics, workers and their partitions, how far scores are behind, what waits to be sent, the published
    scorecards, and which processes are ready. Exit status 0 if all is well, 1 if something is not, 70 if Kafka or Redis
    cannot be reached. A process that is not on this machine is no problem unless --probe names it.
    """
    settings = load_settings()
    urls = _check_urls(probe or [])
    report, is_reachable = run(_look(settings, urls), "asking Kafka, Redis and the processes")
    if as_json:
        typer.echo(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        _print(report)
    if report.problems:
        raise typer.Exit(Exit.CHECK_FAILED if is_reachable else Exit.TROUBLE)


def _check_urls(urls: Sequence[str]) -> list[str]:
    for url in urls:
        if urlsplit(url).scheme not in {"http", "https"}:
            msg = f"{url} must start with http:// or https://"
            raise typer.BadParameter(msg, param_hint="--probe")
    return [url.removesuffix("/metrics").rstrip("/") for url in urls]


async def _look(settings: Settings, urls: list[str]) -> tuple[Report, bool]:
    """Ask everything at once; returns also whether Kafka and Redis answered."""
    report = Report(dict.fromkeys(("kafka", "redis")))
    faults: list[CommandError] = []
    log_faults: list[CommandError] = []
    scorecard_faults: list[CommandError] = []
    kafka, redis, agreed, places, published, probes = await asyncio.gather(
        _or_fault(_read_kafka(settings), faults),
        _or_fault(_read_redis(settings), faults),
        _or_fault(ask_agreed(settings), []),  # a part of what is read of Redis
        _or_fault(read_places(settings), log_faults),
        _or_fault(_read_published(settings), scorecard_faults),
        probe_all((("", url) for url in urls) if urls else local_urls(settings).items()),
    )
    if not faults:
        faults += scorecard_faults + (log_faults if _has_log(settings, kafka) else [])
    report.problems += dict.fromkeys(map(str, faults))
    if kafka is not None:
        noted = None if published is None else published.partitions
        add_kafka(report, settings, kafka, None if agreed is None else agreed.partitions, noted)
    if redis is not None:
        add_redis(report, settings, redis)
    if kafka is not None and redis is not None:
        add_scores(report, settings, kafka, redis, now_ms())
    if places is not None:
        add_log(report, places)
    if kafka is not None and not scorecard_faults:
        add_scorecards(report, None if published is None else published.latest)
    add_processes(report, probes, must_answer=bool(urls))
    return report, all(fault.status is not Exit.TROUBLE for fault in faults)


def _has_log(settings: Settings, kafka: KafkaStatus | None) -> bool:
    """Whether lead-events is as the settings say; the part about Kafka names what is not."""
    found = kafka.topics.get(settings.lead_events) if kafka is not None else None
    return found is not None and found.partitions == settings.partitions


async def _or_fault(work: Coroutine[Any, Any, T], faults: list[CommandError]) -> T | None:
    """The result of ``work``; if it fails, None and one more fault."""
    try:
        return await work
    except CommandError as fault:
        faults.append(fault)
        return None


async def _read_kafka(settings: Settings) -> KafkaStatus:
    async with open_admin(settings) as admin:
        return await read_kafka(admin, settings)


async def _read_redis(settings: Settings) -> RedisStatus:
    plan = (await check_partitions(settings)).plan
    async with open_store(settings) as store:
        nodes = await read_nodes(settings.redis, redis_place(settings))
        return RedisStatus(nodes, await read_shards(store, settings.partitions), plan)


async def _read_published(settings: Settings) -> Catalog | None:
    if not await has_topic(settings):
        return None
    async with open_scorecards(settings) as topic:
        return topic.catalog


def _print(report: Report) -> None:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, line in report.lines:
        table.add_row(name, escape(line))
    out = console()
    out.print(table)
    for problem in report.problems:
        out.print(f"problem: {problem}", markup=False, soft_wrap=True)
    if not report.problems:
        out.print("all is well")
