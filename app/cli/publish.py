"""``leadglow scorecards publish | list | show | rollback``: the published versions of the scorecards."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from app.cli.audit import noted, require_audit_log
from app.cli.chosen_scorecards import find_published
from app.cli.common import busy, confirm, console, open_store, run
from app.cli.errors import CommandError
from app.cli.file_commands import check_file
from app.cli.output import OutputLost
from app.cli.published import open_scorecards, open_writer, require_topic
from app.cli.scorecards_report import print_report
from app.cli.topics import require_lead_events
from app.scorecards.lasting import describe_lasting
from app.scorecards.publication import Plan, is_held, name_local_author, plan_publication, plan_rollback
from app.scorecards.report import report_change
from app.settings import Settings
from app.settings_source import load_settings
from streams.counts import count_of
from streams.exits import Exit
from streams.live_effect import measure_store
from streams.publishing.catalog import IN_USE, Catalog, Published
from streams.publishing.records import one_line
from streams.publishing.scorecards import Scorecards
from streams.publishing.topic import ScorecardsTopic
from streams.publishing.writer import ScorecardsWriter, Superseded
from streams.shard.alert import rfc3339
from streams.store.base import Store
from streams.units import DAY_MS

Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, for the list of versions.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation, however many alerts are sent.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Change the stages of leads without sending alerts.")]
VERSION = "A published version: its number in the list, its first characters, or a file with its text."
Version = Annotated[str, typer.Argument(metavar="VERSION", help=VERSION)]

UNFINISHED: Final = (
    "unfinished: not on every partition yet, because the command is still running or was interrupted. A worker "
    "finishes it within seconds; so does the same command again."
)
FINISHED: Final = "now: its publication had been interrupted, and is finished"


def register(scorecards: typer.Typer) -> None:
    """Add the commands."""
    scorecards.command()(publish)
    scorecards.command("list")(list_versions)
    scorecards.command()(show)
    scorecards.command()(rollback)


def publish(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The scorecard file.")],
    note: Note = "",
    yes: Yes = False,
    quiet: Quiet = False,
) -> None:
    """Publish a scorecard file: all workers use it from the same place of the log on.

    Shows first what it would do to the leads. A change that would send more than LEADGLOW_MOST_MODEL_ALERTS alerts
    is not published without --yes or --quiet; exit status 1.
    """
    settings = load_settings()
    new = check_file(lambda path: Scorecards.read_file(path, settings.lateness_ms), file)
    lasting = describe_lasting(new.rules.model, settings.lead_events, settings.retention_days * DAY_MS)
    for line in [*new.warnings, *filter(None, [lasting])]:
        typer.echo(line, err=True)
    run(_publish(settings, new, note, yes, quiet))


def rollback(version: Version, note: Note = "", yes: Yes = False, quiet: Quiet = False) -> None:
    """Go back to an earlier version, and undo what later versions alone did to the stages of leads.

    A lead that entered a stage since then leaves it, unless its score reaches the bound of the earlier version. A lead
    that left a stage because the scorecards changed enters it again. Alerts say so to receivers.
    """
    settings = load_settings()
    run(_rollback(settings, version, note, yes, quiet))


def list_versions(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the published versions, the latest first; other commands take the number of one."""
    settings = load_settings()

    async def read() -> Catalog:
        await require_topic(settings)
        async with open_scorecards(settings) as topic:
            return topic.catalog

    catalog = run(read())
    rows = [list_row(each, catalog) for each in reversed(list(catalog))]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    for name in ("no.", "version", "published", "by", "note"):
        table.add_column(name, overflow="fold", justify="right" if name == "no." else "left")
    for row in rows:
        note = ", ".join([*row["states"], *filter(None, [row["note"]])])
        table.add_row(str(row["number"]), row["version"][:12], row["published"], escape(row["by"]), escape(note))
    console().print(table)
    if catalog.unfinished():
        typer.echo(UNFINISHED)


def list_row(published: Published, catalog: Catalog) -> dict[str, Any]:
    """A publication as a row of the list; safe to print."""
    item = published.item
    states = {
        "in use": published is catalog.latest,
        "unfinished": published in catalog.unfinished(),
        "rollback": bool(item.undone),
        "without alerts": item.quiet,
    }
    return {
        "number": published.number,
        "version": item.version,
        "published": rfc3339(item.at_ms),
        "by": one_line(item.author),
        "note": one_line(item.note),
        "states": [state for state, holds in states.items() if holds],
    }


def show(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", show_default=False, help=f"{VERSION} By default the one in use.")
    ] = IN_USE,
) -> None:
    """Print the file of a published version."""
    settings = load_settings()

    async def read() -> str:
        await require_topic(settings)
        async with open_scorecards(settings) as topic:
            if topic.catalog.latest is None:
                raise CommandError(Exit.CHECK_FAILED, "nothing is published yet.")
            return find_published(settings, topic.catalog, version).item.text

    typer.echo(run(read()), nl=False)


async def _publish(settings: Settings, new: Scorecards, note: str, yes: bool, quiet: bool) -> None:
    require_audit_log(settings)
    await require_lead_events(settings)
    await require_topic(settings)
    async with open_scorecards(settings) as topic, open_store(settings, None) as store:
        latest = topic.catalog.latest
        if latest is not None and latest.version == new.version:
            await _finish(settings, topic, store, new.version)
            return
        plan = plan_publication(topic.catalog, new)
        leads = await _confirm_plan(settings, store, plan, yes, quiet) if plan is not None else 0
        after = topic.catalog.latest_place
        async with _publishing(settings, topic, store, new.version) as writer:
            with busy("publishing"):
                await writer.publish(new, name_local_author(), after, note, quiet)
    instead = f", instead of {latest.title}" if latest is not None else ""
    typer.echo(f"version {_used(topic).title} is in use{instead}{describe_silence(leads, quiet)}")


async def _rollback(settings: Settings, version: str, note: str, yes: bool, quiet: bool) -> None:
    require_audit_log(settings)
    await require_lead_events(settings)
    await require_topic(settings)
    async with open_scorecards(settings) as topic, open_store(settings, None) as store:
        target = find_published(settings, topic.catalog, version)
        plan = plan_rollback(topic.catalog, target)
        if plan is None:
            await _finish(settings, topic, store, target.version)
            return
        leads = await _confirm_plan(settings, store, plan, yes, quiet)
        after = plan.latest.place
        async with _publishing(settings, topic, store, target.version, rollback=True) as writer:
            await writer.publish(plan.scorecards, name_local_author(), after, note, quiet, plan.undone)
    number, instead = _used(topic).number, plan.latest.title
    silence = describe_silence(leads, quiet)
    typer.echo(f"back at version {target.title}, which is in use as number {number}, instead of {instead}{silence}")


def describe_silence(leads: int, quiet: bool) -> str:
    """What a quiet change does to this number of leads, as the end of a sentence; empty for one that sends alerts."""
    if not quiet:
        return ""
    return f"; {count_of(leads, 'lead')} {'changes' if leads == 1 else 'change'} stages without alerts"


@asynccontextmanager
async def _publishing(
    settings: Settings, topic: ScorecardsTopic, store: Store, version: str, **noting: Any
) -> AsyncIterator[ScorecardsWriter]:
    """A writer of a publication, which is in the audit log.

    Raises:
        CommandError: others were published meanwhile.
    """
    with noted(settings, "publish", version=version, **noting):
        async with open_writer(settings, topic, store) as writer:
            try:
                yield writer
            except Superseded as superseded:
                message = f"nothing was changed: {superseded}. Repeat the command: it shows what yours does to those."
                raise CommandError(Exit.CHECK_FAILED, message) from None


def _used(topic: ScorecardsTopic) -> Published:
    latest = topic.catalog.latest
    assert latest is not None
    return latest


async def _finish(settings: Settings, topic: ScorecardsTopic, store: Store, version: str) -> None:
    """Finish the publication of the version in use, if its command was interrupted."""
    is_finished = not topic.catalog.unfinished()
    if not is_finished:
        async with _publishing(settings, topic, store, version) as writer:
            await writer.finish()
    typer.echo(f"version {version[:12]} is in use {'already' if is_finished else FINISHED}")


async def _confirm_plan(settings: Settings, store: Store, plan: Plan, yes: bool, quiet: bool) -> int:
    """Print what a change does, and ask; returns the number of leads that alerts are about.

    Raises:
        CommandError: it is not confirmed.
    """
    old, new, now = plan.old, plan.scorecards.rules, await store.time_ms()
    with busy("reading the leads"):
        effect = await measure_store(store, settings.partitions, old, new, now, undo=plan.undo)
    try:
        print_report(report_change(old, new, effect, now), console(), quiet)
        sys.stdout.flush()
    except OutputLost:
        raise CommandError(Exit.READER_GONE, "nothing was changed: the report was not read to its end.") from None
    _confirm(settings, effect.alerts, yes, quiet, is_rollback=plan.undo is not None)
    return effect.alerted


def _confirm(settings: Settings, alerts: int, yes: bool, quiet: bool, is_rollback: bool) -> None:
    """Ask, unless confirmed; refuse a change that sends too many alerts.

    Raises:
        CommandError: it is not confirmed.
    """
    if yes:
        return
    if is_held(alerts, settings.most_model_alerts, quiet):
        message = (
            f"nothing was changed: {count_of(alerts, 'alert')} would be sent, and more than "
            f"{settings.most_model_alerts} (LEADGLOW_MOST_MODEL_ALERTS) need confirmation. Repeat the command with "
            "--yes to send them, or with --quiet to change the stages without alerts."
        )
        raise CommandError(Exit.CHECK_FAILED, message)
    confirm("Roll back?" if is_rollback else "Publish?", "nothing was changed.")
