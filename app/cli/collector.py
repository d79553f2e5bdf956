"""``leadglow collector``: takes events over HTTP until it is told to stop."""

from __future__ import annotations

import typer

from app.cli.common import CommandError
from app.cli.serving import serve
from app.cli.worker import existing_topics
from app.collector.collector import Collector
from app.settings import Settings, variable
from app.settings_source import load_settings
from app.wiring import make_collector
from streams.exits import Exit


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(collector)


def collector() -> None:
    """Take events over HTTP until stopped.

    Trackers, mail services and servers send here; what is answered with 200 is in Kafka. The keys file that
    LEADGLOW_COLLECTOR_KEYS names says who may send. While Kafka is away the answer is 503, and /ready says so. Stop it
    with Ctrl-C or SIGTERM: it finishes what is in flight.
    """
    settings = load_settings()
    _check_settings(settings)
    remedy = "Correct the keys file; `leadglow keys check` shows whether it has mistakes."
    serve("collector", settings, make_collector, remedy, lambda built: _connect(settings, built))


def _check_settings(settings: Settings) -> None:
    if settings.collector_keys is None:
        message = (
            f"{variable('collector_keys')} names no keys file, so nobody may send: make one with "
            "`leadglow keys new NAME --file keys.yaml`, and name it there."
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
    """Check the topics and reach Kafka; requests get 503 until then."""
    existing = await existing_topics(settings)
    wanted = {settings.collector_web_topic, settings.collector_mail_topic, settings.rejected}
    if missing := sorted(wanted - set(existing)):
        message = f"Kafka has no topic {', '.join(missing)}: run `leadglow topics create` first."
        raise CommandError(Exit.REFUSED, message)
    await built.connect()
