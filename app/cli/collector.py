"""``leadglow collector``: receives events over HTTP until it is stopped."""

from __future__ import annotations

import typer

from app.cli.errors import CommandError
from app.cli.reachable import check_kafka
from app.cli.serving import serve
from app.collector.collector import Collector
from app.settings import Settings, variable
from app.settings_source import load_settings
from app.wiring import make_collector
from streams.exits import Exit


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(collector)


def collector() -> None:
    """Receive events over HTTP until stopped.

    Trackers, mail services and servers send events here; a response of 200 means that they are in Kafka. The keys file
    (LEADGLOW_COLLECTOR_KEYS) lists who may send. While Kafka cannot be reached, requests and /ready get 503. Stop it
    with Ctrl-C or SIGTERM: it finishes the requests in flight.
    """
    settings = load_settings()
    _check_settings(settings)
    remedy = "Correct the keys file; `leadglow keys check` shows whether it has mistakes."
    serve("collector", settings, make_collector, remedy, lambda built: _connect(settings, built))


def _check_settings(settings: Settings) -> None:
    if settings.collector_keys is None:
        message = (
            f"{variable('collector_keys')} is not set, so nobody may send: make a keys file with "
            "`leadglow keys new NAME --file keys.yaml`, and set the variable to its path."
        )
        raise CommandError(Exit.REFUSED, message)
    for name in ("collector_web_topic", "collector_mail_topic"):
        topic = getattr(settings, name)
        if topic not in settings.sources:
            message = (
                f"{variable(name)} is {topic}, which no worker reads: set it to one of "
                f"{', '.join(settings.sources)}, or add it to {variable('sources')}."
            )
            raise CommandError(Exit.REFUSED, message)


async def _connect(settings: Settings, built: Collector) -> None:
    """Check the topics and connect to Kafka; requests get 503 until then."""
    await check_kafka(settings, "collector")
    await built.connect()
