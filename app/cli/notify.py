"""``leadglow notify``: brings alerts to people and other systems, and checks, tests and replays routes."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.audit import AuditLogUnwritable
from app.certificates import start_watching
from app.cli.audit import noted
from app.cli.common import run
from app.cli.errors import CommandError
from app.cli.file_commands import check_file
from app.cli.process import run_process, run_until_stopped
from app.cli.reachable import check_kafka
from app.logs import set_up_logs
from app.settings import Settings, variable
from app.settings_source import load_settings
from streams.exits import Exit
from streams.yamlfile.load import YamlFileError

log = logging.getLogger(__name__)
notify = typer.Typer(invoke_without_command=True, help="Bring alerts to people and other systems.")


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(notify, name="notify")


@notify.callback()
def serve(context: typer.Context) -> None:
    """Bring alerts to people and other systems until stopped.

    Reads the alerts from Kafka and sends them by the routes file (LEADGLOW_NOTIFY_ROUTES): as signed webhooks, to
    Slack, by mail, to HubSpot or Salesforce. At least once: killing it loses nothing. Stop it with Ctrl-C or SIGTERM.
    """
    if context.invoked_subcommand is None:
        settings = _load()
        set_up_logs(settings.log, settings.log_level)
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        run_process(_serve(settings))


@notify.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="The routes file.")]) -> None:
    """Check a routes file.

    Prints all mistakes with line, column and remedy, and no secrets; whether the secrets exist is not checked. Exit
    status 1 if there are any mistakes.
    """
    from app.notify.routes_file import routes_format

    reading = check_file(routes_format(None).read_file, file)
    lines = [f"{route.name} -> {route.to}" for route in reading.value.routes]
    typer.echo("\n".join([f"{file}: no mistakes", *lines, *reading.warnings]))


@notify.command()
def test(route: Annotated[str, typer.Argument(metavar="ROUTE", help="The name of a route.")]) -> None:
    """Send one example to the destination of a route, and show the answer.

    The alert is about the invented lead `ana`; customer systems create this record. Exit status 1 if it was not
    delivered.
    """
    settings = _load()
    outcome, shown = run(_test(settings, route), "sending the example")
    typer.echo(shown)
    if not outcome:
        raise typer.Exit(Exit.CHECK_FAILED)


@notify.command()
def replay(
    route: Annotated[str, typer.Option(metavar="ROUTE", help="Only dead letters of this route.")] = "",
) -> None:
    """Send dead letters again.

    Each is tried for a minute, and becomes a dead letter again if that fails. Those that were replayed are not sent
    again by the next replay. Exit status 1 if some were not delivered.
    """
    settings = _load()
    with noted(settings, "replay", route=route) as outcome:
        delivered, failed = run(_replay(settings, route), "sending dead letters")
        outcome |= {"delivered": str(delivered), "undelivered": str(failed)}
    typer.echo(f"{delivered} delivered, {failed} undelivered")
    if failed:
        raise typer.Exit(Exit.CHECK_FAILED)


def _load() -> Settings:
    settings = load_settings()
    if settings.notify_routes is None:
        message = f"{variable('notify_routes')} is not set: set it to the path of a routes file (docs/notify.md)."
        raise CommandError(Exit.REFUSED, message)
    return settings


def _make(settings: Settings) -> Any:
    from app.wiring import make_notifier

    try:
        return make_notifier(settings)
    except (YamlFileError, AuditLogUnwritable) as error:
        raise CommandError(Exit.REFUSED, str(error)) from None


async def _serve(settings: Settings) -> int:
    notifier = _make(settings)

    async def work(stopped: asyncio.Event) -> int:
        from app.notify.service import run_until

        if await run_until(notifier.run(), stopped):
            log.critical("the notifier ended by itself: restart it")
            return Exit.TROUBLE
        return Exit.OK

    return await run_until_stopped(_start(settings, notifier), work, notifier.stop)


async def _start(settings: Settings, notifier: Any) -> None:
    try:
        address = await notifier.probe(settings.metrics_host, settings.notify_metrics_port)
    except OSError as error:
        place = variable("notify_metrics_port")
        message = f"cannot listen ({error.strerror}): set another {place}, or 0 for any free port"
        raise CommandError(Exit.REFUSED, message) from None
    start_watching(settings, notifier.metrics.process.certificates)
    typer.echo(f"leadglow notify: metrics on {address}/metrics")
    sys.stdout.flush()
    await check_kafka(settings, "notify")
    log.info("started")


async def _test(settings: Settings, name: str) -> tuple[bool, str]:
    from app.notify.trial import send_example

    notifier = _make(settings)
    return await send_example(notifier.routes, _named(notifier, name))


async def _replay(settings: Settings, name: str) -> tuple[int, int]:
    from app.notify.replay import replay_routes

    notifier = _make(settings)
    chosen = [_named(notifier, name)] if name else list(notifier.routes.routes)
    await check_kafka(settings, "notify")
    return await replay_routes(notifier, chosen)


def _named(notifier: Any, name: str) -> Any:
    routes = {route.name: route for route in notifier.routes.routes}
    if name not in routes:
        raise CommandError(Exit.USAGE, f"there is no route {name!r}: use one of {', '.join(routes)}.")
    return routes[name]
