"""``leadglow upgrade``: which releases run, and the end of an upgrade."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from app.agreed import Agreed
from app.cli.audit import noted, require_audit_log
from app.cli.common import check_partitions, confirm, open_admin, open_store, require_yes, run
from app.cli.errors import CommandError
from app.group_members import Member, read_members
from app.settings import Settings
from app.settings_source import load_settings
from streams.exits import Exit
from streams.store.format import FORMAT, NAME, format_of, parse_format


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(upgrade)


def upgrade(
    finish: Annotated[
        bool, typer.Option("--finish", help="Use the format of this release; the release before can no longer run.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --finish needs --yes.")] = False,
) -> None:
    """See which formats the workers read, or finish an upgrade.

    Workers of this release write the format of the release before until --finish, so both can share the work, and the
    older one can be started again. --finish is refused with exit status 1 while a worker of the older release runs,
    with 78 if the namespace has no state. Afterwards workers, boards and commands of the older release refuse to run
    (78). docs/upgrade.md has the steps.
    """
    require_yes(as_json and finish, yes)
    settings = load_settings()
    agreed, workers = run(_read_formats(settings), "asking Kafka and Redis")
    is_new, used = agreed.partitions is None, parse_format(agreed.form)
    if finish and is_new:
        raise CommandError(Exit.REFUSED, _explain_nothing(settings))
    if as_json:
        rows = [{"client": each.client, "host": each.host, "format": format_of(each.client)} for each in workers]
        typer.echo(json.dumps({"format": None if is_new else used, "newest": FORMAT, "workers": rows}))
    else:
        _print(settings, agreed, workers)
    if not finish:
        return
    require_audit_log(settings)
    if used == FORMAT:
        typer.echo("There is nothing to finish.", err=as_json)
        return
    _require_new(workers)
    if not yes:
        confirm(f"Use format {FORMAT}? Older releases can no longer run.", "nothing was changed.")
    with noted(settings, "upgrade", namespace=settings.namespace) as outcome:
        written = outcome["format"] = run(_finish(settings, agreed.form), "noting the format")
    typer.echo(f"The system uses format {written}. Workers write it within a few seconds.", err=as_json)


def _explain_nothing(settings: Settings) -> str:
    return (
        f"Redis has nothing in the namespace {settings.namespace!r}: is LEADGLOW_NAMESPACE right? A new system begins "
        f"with format {FORMAT}, so there is nothing to finish."
    )


def _print(settings: Settings, agreed: Agreed, workers: Sequence[Member]) -> None:
    if agreed.partitions is None:
        typer.echo(_explain_nothing(settings))
    else:
        typer.echo(f"The system uses format {parse_format(agreed.form)}; this release reads up to format {FORMAT}.")
    for each in workers:
        typer.echo(f"Worker {each.client} on {each.host} reads up to format {format_of(each.client)}.")
    if not workers:
        typer.echo("No worker is running.")


def _require_new(workers: Sequence[Member]) -> None:
    """Require that all workers are of this release or a later one.

    Raises:
        CommandError: some are not.
    """
    if older := [worker for worker in workers if format_of(worker.client) < FORMAT]:
        names = ", ".join(f"{each.client} on {each.host}" for each in older)
        message = f"nothing was changed, as workers of an older release run: {names}. Upgrade them first."
        raise CommandError(Exit.CHECK_FAILED, message)


async def _read_formats(settings: Settings) -> tuple[Agreed, list[Member]]:
    """What the processes of the system agree on, and its workers."""
    agreed = await check_partitions(settings)
    async with open_admin(settings) as admin:
        return agreed, await read_members(admin, settings.namespace) or []


async def _finish(settings: Settings, used: str) -> int:
    """Note the format of this release, unless another one is noted meanwhile; returns the one noted.

    Raises:
        CommandError: a worker of an older release has started meanwhile.
    """
    _, workers = await _read_formats(settings)
    _require_new(workers)
    async with open_store(settings) as store:
        return parse_format(await store.replace_meta(NAME, used, str(FORMAT)))
