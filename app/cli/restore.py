"""``leadglow restore``: whether a restored Redis can continue, and how it continues after a gap."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer
from rich.table import Table

from app.cli.audit import noted, require_audit_log
from app.cli.common import confirm, console, open_store, require_yes, run
from app.cli.errors import CommandError
from app.cli.lead_log import read_places
from app.cli.published import has_topic, open_scorecards
from app.log_gaps import LogState, ShardPlace, fields_after_gap, name_shards
from app.settings import Settings
from app.settings_source import load_settings
from streams.exits import Exit
from streams.mismatch import REBUILD, name_rebuild
from streams.publishing.catalog import Catalog
from streams.store.base import Commit, Store, Verdict

NO_STATE = "Redis has no state: {rebuild}."
NOT_SCORED = (
    "Redis has no state in the namespace {namespace!r}: is LEADGLOW_NAMESPACE right? A new system has nothing to "
    "restore: {start}."
)
OTHER_LOG = "the log of {shards} ends before the state: set LEADGLOW_KAFKA to the right cluster, or {rebuild}."
CONTINUES = "All partitions continue from where the state is: start the workers."
LOST = (
    "What happened in the gap never counts, and its alerts are not sent: events, joined leads, verdicts and erasures. "
    "Leads keep the state of the snapshot; later events count as usual."
)
TWO_WAYS = "there is a gap: accept it with `leadglow restore --accept-gap`, which keeps all leads; or {rebuild}."


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(restore)


def restore(
    accept_gap: Annotated[
        bool, typer.Option("--accept-gap", help="Continue without the events that Kafka no longer has.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --accept-gap needs --yes.")] = False,
) -> None:
    """See whether a restored Redis continues, or accept a gap.

    Compares the state in Redis with what Kafka still has of lead-events, and changes nothing. A snapshot of Redis
    catches up from the log by itself, unless it is older than the log: then events between both are missing, and
    workers refuse it. Exit status 1 if events are missing, 78 if Redis has no state in this namespace. With
    --accept-gap, workers continue at the first event that Kafka still has: leads keep their state, what happened in
    the gap never counts, and its alerts are not sent.
    """
    require_yes(as_json and accept_gap, yes)
    settings = load_settings()
    places = run(read_places(settings), "comparing Redis and Kafka")
    gaps = [place for place in places if place.state in {LogState.GAP, LogState.EMPTY}]
    if as_json:
        typer.echo(json.dumps({"partitions": [place.to_json() for place in places]}))
    else:
        _print(places)
    rebuild = choose_rebuild(places)
    _refuse(settings, places, rebuild)
    if not gaps:
        if not as_json:
            typer.echo(CONTINUES)
        return
    if not accept_gap:
        raise CommandError(Exit.CHECK_FAILED, TWO_WAYS.format(rebuild=rebuild))
    require_audit_log(settings)
    typer.echo(LOST, err=as_json)
    if not yes:
        confirm("Continue without these events?", "nothing was changed.")
    missing = {str(place.partition): place.to_json().get("missing") for place in gaps}
    with noted(settings, "accept_gap", namespace=settings.namespace, missing=missing) as outcome:
        run(_accept(settings, gaps, outcome.setdefault("continued", [])), "moving the checkpoints")
    typer.echo(f"{name_shards(gaps)} continue{'s' * (len(gaps) == 1)} after the gap. Start the workers.", err=as_json)


def choose_rebuild(places: Iterable[ShardPlace]) -> str:
    """The rebuild that is possible: not one of records from before a repartition."""
    return name_rebuild(REBUILD, _have_older(places))


def _have_older(places: Iterable[ShardPlace]) -> bool:
    return any(each.divided > each.first for each in places)


def _refuse(settings: Settings, places: Sequence[ShardPlace], rebuild: str) -> None:
    """Refuse shards that cannot be helped by accepting a gap; ``rebuild`` is the other way.

    Raises:
        CommandError: there is one.
    """
    is_lost = any(place.state is not LogState.CONTINUES for place in places) or not settings.rebuild_when_lost
    if is_lost and not any(place.control.version for place in places):
        raise CommandError(Exit.REFUSED, _explain_nothing(settings, places, rebuild))
    if beyond := [place for place in places if place.state is LogState.BEYOND]:
        raise CommandError(Exit.REFUSED, OTHER_LOG.format(shards=name_shards(beyond), rebuild=rebuild))


def _explain_nothing(settings: Settings, places: Sequence[ShardPlace], rebuild: str) -> str:
    if any(place.was_scored for place in places):
        return NO_STATE.format(rebuild=rebuild)
    start = rebuild if _have_older(places) else "start the workers"
    return NOT_SCORED.format(namespace=settings.namespace, start=start)


def _print(places: Iterable[ShardPlace]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for name in ("partition", "scored up to", "log", "to score", "missing", "after", "before"):
        table.add_column(name, justify="left" if name in {"after", "before"} else "right")
    for each in places:
        is_gap = each.state is LogState.GAP
        since, until = each.span if is_gap else ("", "")
        offsets = f"{each.position.checkpoint:,} to {each.begin - 1:,}" if is_gap else "none"
        log = f"{each.first:,} to {each.end - 1:,}" if each.end > each.first else "empty"
        scored = f"{each.position.checkpoint:,}" if each.control.version else "no state"
        until = "now" if is_gap and each.first_ms is None else until
        table.add_row(str(each.partition), scored, log, f"{each.waiting:,}", offsets, since, until)
    console().print(table)


async def _accept(settings: Settings, gaps: Iterable[ShardPlace], continued: list[int]) -> None:
    """Let each shard continue at the first record that is left; adds its number to ``continued``."""
    catalog = None
    if await has_topic(settings):
        async with open_scorecards(settings) as topic:
            catalog = topic.catalog
    async with open_store(settings) as store:
        await _move_checkpoints(store, gaps, catalog, continued)


async def _move_checkpoints(
    store: Store, gaps: Iterable[ShardPlace], catalog: Catalog | None, continued: list[int]
) -> None:
    """Move the checkpoints behind the gaps, and list the shards that continue.

    Raises:
        CommandError: one has changed meanwhile; those before it continue after their gaps.
    """
    for place in gaps:
        await _move_checkpoint(store, place, catalog)
        continued.append(place.partition)


async def _move_checkpoint(store: Store, place: ShardPlace, catalog: Catalog | None) -> None:
    control, step = place.control, f"restore:{uuid.uuid4().hex}"
    commit = Commit(control.version, control.step, step, fields_after_gap(place, catalog))
    if await store.commit(place.partition, commit) is Verdict.CONFLICT:
        message = f"the state of partition {place.partition} has changed meanwhile: see `leadglow restore` again."
        raise CommandError(Exit.CONFLICT, message)
