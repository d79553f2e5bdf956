"""``leadglow repartition``: divides leads among more partitions of lead-events."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

import typer
from aiokafka.errors import KafkaError
from redis.exceptions import RedisClusterException, RedisError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from app.cli.audit import noted, require_audit_log
from app.cli.common import ask_agreed, confirm, run
from app.cli.errors import CommandError
from app.cli.implementation import choose_implementation
from app.cli.unreachable import KafkaErrorCapture, kafka_fault, redis_fault
from app.repartition.controls import NotFinished
from app.repartition.kafka_side import TopicUnfit, require_no_workers
from app.repartition.plan import CannotRepartition, Plan, decode_plan
from app.repartition.preview import Preview, read_preview
from app.repartition.progress import OnProgress
from app.repartition.run import CopiesMissing, Repartition, open_copier
from app.repartition.stored_plan import OthersWrite
from app.settings import Settings
from app.settings_source import load_settings
from streams.clock import monotonic_s
from streams.exits import Exit
from streams.implementation import Implementation
from streams.mismatch import Mismatch
from streams.partition_numbers import explain_unfinished
from streams.scoring.stored import DamagedBlob
from streams.shard.conflict import Conflict
from streams.shard.lane import OwnershipLost
from streams.store.format import FORMAT, parse_format
from streams.store.shard_copier import CopyDiffers, ShardCopier

MOST = 4096
UNFINISHED = (
    "the upgrade of this system is not finished, and the last release does not know a repartition: its workers could "
    "start in the middle, and could not read what the command notes. Run `leadglow upgrade --finish` first."
)
REST = {
    "copy": "it scores what is left, then copies and compares",
    "clean": "it removes the old keys, and gives the copies their names",
    "rename": "it gives the copies their names",
    "finish": "it notes the new number on the topic of scorecards",
}
"""Step of an earlier run -> what is still to do."""
WAITING = ("streams.store.retry", "streams.transport.producer")
"""Loggers that say why nothing happens: calls to Redis and Kafka are repeated until they succeed."""


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(repartition)


def repartition(
    to: Annotated[
        int | None, typer.Option("--to", metavar="N", min=2, max=MOST, help="The new number of partitions.")
    ] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Undo it before it has added partitions.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; needs --yes or --dry-run.")] = False,
) -> None:
    """Divide all leads among more partitions of lead-events.

    Stop all workers first; collector, board and notifier may run. Scores what is left, copies the state in Redis for
    the new number, compares every item, adds partitions to the topic, and switches in one write. Until it adds
    them, nothing that workers use has changed. After a failure run it again: it goes on where it was. The number can
    only grow; multiples of the old one are best. Also the way out after partitions were added by other tools.
    Afterwards set LEADGLOW_PARTITIONS everywhere, and start the workers. A rebuild cannot use events from before;
    so make a backup of Redis afterwards. Exit status 1 if copies differ or without confirmation, 75 if something else
    writes the state, 78 if workers run, the number does not fit, an upgrade is not finished, or Redis has a state from
    before an earlier repartition. With --dry-run, workers that run are only a warning.
    """
    settings = load_settings()
    if as_json and not (yes or dry_run or cancel):
        raise CommandError(Exit.USAGE, "--json needs --yes or --dry-run.")
    if cancel and dry_run:
        raise CommandError(Exit.USAGE, "--cancel has no --dry-run: it only undoes what is not switched yet.")
    with _faults(settings):
        if cancel:
            with noted(settings, "repartition", cancel=True):
                old, topic = run(_cancel(settings), "removing the copies")
            _print_cancelled(settings, old, topic, as_json)
            return
        if to is None:
            raise CommandError(Exit.USAGE, "name the new number of partitions: --to N.")
        _repartition(settings, to, dry_run, yes, as_json)


def _repartition(settings: Settings, to: int, dry_run: bool, yes: bool, as_json: bool) -> None:
    old, plan = run(_choose_old(settings, to), "asking Redis")
    if old is None:
        _print_done(to, as_json)
        return
    before = settings.model_copy(update={"partitions": old})
    found = run(_read_preview(before, to, plan), "asking Kafka and Redis")
    if not as_json:
        for line in _lines(found):
            typer.echo(line)
    if dry_run:
        if as_json:
            typer.echo(json.dumps(_as_json(found)))
        return
    require_audit_log(settings)
    _agree(before, found, ask=not yes and plan is None)
    began_s = monotonic_s()
    with noted(settings, "repartition", old=old, new=to, leads=found.leads) as outcome, _progress() as report:
        leads = outcome["leads"] = run(_run(before, to, report))
    seconds = round(monotonic_s() - began_s, 1)
    if as_json:
        typer.echo(json.dumps({"from": old, "to": to, "leads": leads, "resumed": found.step, "seconds": seconds}))
    else:
        typer.echo(f"Done in {seconds} s. Now set LEADGLOW_PARTITIONS={to} for every process, start the workers, and")
        typer.echo("restart the board. Make a backup of Redis: a rebuild cannot use events from before.")


def _agree(settings: Settings, found: Preview, ask: bool) -> None:
    """Refuse while workers run, before anybody is asked.

    Raises:
        CannotRepartition, CommandError: workers run, or the answer is no.
    """
    if found.workers:
        run(require_no_workers(settings), "waiting for workers to end")
    if ask:
        confirm("Repartition?", "nothing was changed.")


async def _choose_old(settings: Settings, to: int) -> tuple[int | None, Plan | None]:
    """The number of old shards, None if there is nothing to do; and a repartition that has begun.

    Raises:
        CommandError: the new number does not fit.
    """
    found = await ask_agreed(settings)
    agreed, plan = found.partitions, decode_plan(found.plan)
    if plan is not None and plan.new != to:
        message = f"a repartition to {plan.new} has begun: run `leadglow repartition --to {plan.new}`, or --cancel it."
        raise CommandError(Exit.REFUSED, message)
    if plan is None and agreed is None:
        message = (
            f"Redis has no leads of {settings.namespace!r} yet, so there is nothing to divide: set "
            f"LEADGLOW_PARTITIONS={to}, and give {settings.lead_events} as many partitions."
        )
        raise CommandError(Exit.REFUSED, message)
    if plan is None and agreed is not None and to <= agreed:
        if to == agreed:
            return None, None
        message = f"there are {agreed} partitions, and Kafka cannot remove any: name a larger number."
        raise CommandError(Exit.REFUSED, message)
    if parse_format(found.form) < FORMAT:
        raise CommandError(Exit.REFUSED, UNFINISHED)
    return (agreed if plan is None else plan.old), plan


async def _read_preview(settings: Settings, to: int, plan: Plan | None) -> Preview:
    async with _open(settings, to) as (copier, _):
        return await read_preview(settings, copier, plan)


async def _run(settings: Settings, to: int, report: OnProgress) -> int:
    async with _open(settings, to) as (copier, implementation):
        work = Repartition(settings, implementation, copier, report)
        try:
            with _faults(settings):
                return await work.run()
        except CommandError as fault:
            if not work.plan or "--cancel" in str(fault):
                raise
            raise CommandError(fault.status, f"{fault} {explain_unfinished(work.plan)}") from None


async def _cancel(settings: Settings) -> tuple[int, int]:
    """Remove the copies; returns the old number, and that of the topic."""
    plan = decode_plan((await ask_agreed(settings)).plan)
    if plan is None:
        msg = "no repartition has begun."
        raise CannotRepartition(msg)
    settings = settings.model_copy(update={"partitions": plan.old})
    async with _open(settings, plan.new) as (copier, implementation):
        return plan.old, await Repartition(settings, implementation, copier, lambda *_: None).cancel()


@asynccontextmanager
async def _open(settings: Settings, to: int) -> AsyncIterator[tuple[ShardCopier, Implementation]]:
    """What a run needs; ``settings`` have the old number."""
    implementation = choose_implementation(settings)
    async with open_copier(settings, settings.partitions, to, implementation) as copier:
        yield copier, implementation


@contextmanager
def _faults(settings: Settings) -> Iterator[None]:
    """Turn what may go wrong into a sentence and an exit status."""
    try:
        with KafkaErrorCapture() as capture:
            yield
    except (RedisError, RedisClusterException) as error:
        raise redis_fault(settings, error) from None
    except (KafkaError, TimeoutError) as error:
        raise kafka_fault(settings, capture.cause_of(error)) from None
    except (CannotRepartition, TopicUnfit, CopiesMissing) as error:
        raise CommandError(Exit.REFUSED, str(error)) from None
    except NotFinished as error:
        raise CommandError(Exit.TROUBLE, f"{error}: run the command again. Nothing was switched.") from None
    except (Mismatch, DamagedBlob) as error:
        raise CommandError(Exit.REFUSED, f"{error}. Nothing was switched.") from None
    except (OthersWrite, OwnershipLost, Conflict) as error:
        raise CommandError(Exit.CONFLICT, f"{error}. Then repeat the command.") from None
    except CopyDiffers as error:
        message = f"{error}: the copy is wrong, so nothing was switched. Run it again: it copies anew."
        raise CommandError(Exit.CHECK_FAILED, message) from None


def _lines(found: Preview) -> Iterator[str]:
    move = "have moved" if _has_switched(found) else "move"
    yield f"{found.leads:,} leads and accounts {move} from {found.old} to {found.new} partitions."
    if found.step:
        yield f"A run that ended early goes on: {REST[found.step]}."
    if not _has_switched(found):
        if found.topic_partitions == found.new:
            yield f"The topic has {found.new} partitions already."
        yield f"Redis needs about {max(found.memory_bytes / 2**20, 1):,.0f} MiB more until the end."
    for warning in _warnings(found):
        yield f"Note: {warning}."


def _has_switched(found: Preview) -> bool:
    return found.step not in {"", "copy"}


def _warnings(found: Preview) -> list[str]:
    """What to do first; after the switch, alerts and scores have moved already."""
    stop = "1 worker runs: stop it first" if found.workers == 1 else f"{found.workers} workers run: stop them first"
    return [*([stop] if found.workers else []), *([] if _has_switched(found) else found.warnings)]


def _as_json(found: Preview) -> dict[str, Any]:
    return {
        "from": found.old,
        "to": found.new,
        "topic_partitions": found.topic_partitions,
        "leads": found.leads,
        "memory_bytes": 0 if _has_switched(found) else found.memory_bytes,
        "workers": found.workers,
        "resumes": found.step,
        "warnings": _warnings(found),
    }


def _print_cancelled(settings: Settings, old: int, topic: int, as_json: bool) -> None:
    text = "The copies are removed, and the state is as before."
    if topic != old:
        text += f" As {settings.lead_events} has {topic} partitions, run `leadglow repartition --to {topic}`."
    typer.echo(json.dumps({"cancelled": True, "topic_partitions": topic}) if as_json else text)


def _print_done(to: int, as_json: bool) -> None:
    text = f"The leads are divided among {to} partitions already: set LEADGLOW_PARTITIONS={to} for every process."
    typer.echo(json.dumps({"from": to, "to": to, "leads": 0, "resumed": "", "seconds": 0}) if as_json else text)


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """A progress bar for each step on stderr; a line for each if that is no terminal."""
    for name in WAITING:
        logging.getLogger(name).addHandler(logging.StreamHandler())
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def report(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=total or None)
                if not console.is_terminal:
                    typer.echo(f"{step} …", err=True)
            progress.update(tasks[step], completed=done, total=total or None)

        yield report
