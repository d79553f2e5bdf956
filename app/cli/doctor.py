"""``leadglow doctor``: checks the installation, and names the remedy of each fault."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from redis.exceptions import RedisClusterException, RedisError
from rich.table import Table
from rich.text import Text

from app.checkup.findings import Finding, Findings, Level, has_faults
from app.checkup.kafka_checks import check_kafka, check_lasting, check_log, check_permissions
from app.checkup.kafka_status import read_brokers
from app.checkup.machine_checks import check_files, check_machine
from app.checkup.redis_checks import check_nodes
from app.checkup.redis_status import read_nodes
from app.cli.common import ask_agreed, ask_noted, busy, check_partitions, console, open_admin, run
from app.cli.errors import CommandError
from app.cli.lead_log import read_places
from app.cli.unreachable import redis_fault, redis_place
from app.settings import Settings
from app.settings_source import SettingsError, load_settings, read_variable
from streams.counts import count_of
from streams.exits import Exit
from streams.partition_numbers import explain_unfinished
from streams.scorefile import YamlFileError, load_file
from streams.scoring.scorecard import Model
from streams.store.checks import StoreRefused
from streams.store.client import connect
from streams.store.server_checks import check_server


class Process(StrEnum):
    """The processes, as in ``PERMISSIONS``."""

    WORKER = "worker"
    COLLECTOR = "collector"
    BOARD = "board"
    EDITORS = "editors"
    NOTIFY = "notify"


STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAULT: "bold red"}


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(doctor)


def doctor(
    process: Annotated[
        list[Process] | None,
        typer.Option(
            "--for",
            help="Check the permissions of this process (repeatable); by default of all. `editors` is a board on which "
            "people give verdicts or publish scorecards.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the installation, and name the remedy of each fault.

    Settings and the files that they name, permissions in Kafka and Redis, versions, policies, clocks, settings of
    topics, the accelerator. Changes nothing. Exit status 1 if anything is wrong; warnings alone are no fault.
    """
    settings = load_settings()
    processes = [each.value for each in process or Process]
    with busy("checking this machine"):
        findings = check_machine(settings) + check_files(settings, _readers())
    findings += run(_check_servers(settings, processes), "checking Kafka and Redis")
    if as_json:
        rows = [asdict(each) for each in findings]
        typer.echo(json.dumps({"ok": not has_faults(findings), "findings": rows}, ensure_ascii=False))
    else:
        _print(findings)
    if has_faults(findings):
        raise typer.Exit(Exit.CHECK_FAILED)


def _readers() -> dict[str, Callable[[Path], object]]:
    """Setting -> what reads its file, as the process does that uses it."""
    from app.board.access_file import ACCESS_FORMAT
    from app.board.costs import COSTS_FORMAT
    from app.collector.keyring import load_keys
    from app.collector.webhooks import SERVICES
    from app.notify.routes_file import load_routes

    return {
        "scorecards": load_file,
        "collector_keys": partial(load_keys, services=SERVICES),
        "board_access": ACCESS_FORMAT.load_file,
        "board_costs": COSTS_FORMAT.load_file,
        "notify_routes": lambda path: load_routes(path, read_variable),
        "kafka_client_key": Path.read_bytes,
        "kafka_oauth_client_secret_file": Path.read_bytes,
    }


async def _check_servers(settings: Settings, processes: list[str]) -> list[Finding]:
    found = await _check_kafka(settings, processes) + await _check_redis(settings)
    unknown = any(each.level is Level.FAULT and each.area != "topics" for each in found)
    if unknown or Process.WORKER not in processes:
        return found
    try:
        return found + check_log(await read_places(settings))
    except CommandError as fault:  # mostly a topic that is missing
        return found if has_faults(found) else [*found, Finding(Level.FAULT, "state", str(fault))]


async def _check_kafka(settings: Settings, processes: list[str]) -> list[Finding]:
    """Permissions first: without them, the rest cannot be asked for."""
    found: list[Finding] = []
    findings = Findings("kafka")
    try:
        async with open_admin(settings) as admin:
            found += await check_permissions(admin, settings, processes)
            brokers, topics = await read_brokers(admin, settings)
            found += check_kafka(settings, brokers, topics, await _count_shards(settings), await ask_noted(settings))
            if (model := _load_model(settings)) is not None:
                found += check_lasting(settings, topics, model)
    except SettingsError as wrong:
        for problem in wrong.problems:
            findings.fault(problem)
    except CommandError as fault:
        findings.fault(str(fault))
    return found + findings.found


async def _count_shards(settings: Settings) -> int | None:
    """The number of shards in Redis; None if there are none. ``_check_redis`` names what is wrong with it."""
    with suppress(CommandError):
        return (await ask_agreed(settings)).partitions
    return None


def _load_model(settings: Settings) -> Model | None:
    """The scorecard file, if there is one that can be read; ``check_files`` names its mistakes."""
    with suppress(YamlFileError, OSError):
        return load_file(settings.scorecards)
    return None


async def _check_redis(settings: Settings) -> list[Finding]:
    findings = Findings("redis")
    found: list[Finding] = []
    client: Any = connect(settings.redis)
    try:
        found = check_nodes(await read_nodes(settings.redis, redis_place(settings)))
        await check_server(client, settings.namespace)
        findings.ok("the user has all permissions")
        if plan := (await check_partitions(settings)).plan:
            findings.fault(explain_unfinished(plan))
    except StoreRefused as refused:
        if not has_faults(found):
            findings.fault(str(refused))
    except CommandError as fault:
        findings.fault(str(fault))
    except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
        findings.fault(str(redis_fault(settings, error)))
    finally:
        await client.aclose()
    return found + findings.found


def _print(findings: list[Finding]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2))
    for _ in range(3):
        table.add_column(overflow="fold")
    for each in findings:
        table.add_row(Text(each.level, STYLES[each.level]), each.area, Text(each.text))
    console().print(table)
    counts = Counter(each.level for each in findings)
    typer.echo(", ".join(count_of(counts[level], level) for level in (Level.FAULT, Level.WARNING)))
