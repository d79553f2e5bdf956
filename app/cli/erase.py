"""``leadglow erase``: forget a person."""

import asyncio
from typing import Annotated, Any

import typer
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from app import lead_lookup
from app.cli.common import CommandError, LeadId, open_store, run
from app.cli.topics import require_lead_events
from app.cli.unreachable import explain_kafka_failure
from app.settings import Settings
from app.settings_source import load_settings
from app.wiring import make_producer
from streams.events.calls import email_id
from streams.exits import Exit
from streams.scoring.lead import Erased, Lead
from streams.store.redis import RedisStore
from streams.transport.topics import partition_of

WAIT_S = 30.0
LOOK_S = 0.1


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(erase)


def erase(
    lead_id: LeadId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a lead for good.

    Its state, its other ids, its place in every ranking. The request goes through Kafka: a worker must run.
    Events of the lead that arrived before the request do not bring it back, not even in a rebuild; events
    that arrive afterwards make a new lead. What stands in Kafka topics goes with their retention.
    """
    settings = load_settings()
    if not lead_id:
        raise CommandError(Exit.USAGE, "an empty id names no lead.")
    names, known = run(_names(settings, lead_id))
    others = f" (also known as {', '.join(names[1:])})" if names[1:] else ""
    if not known:
        typer.echo(f"There is no lead {lead_id!r} now; events of it that are on their way will not bring it in.")
    if not yes and not typer.confirm(f"Erase lead {lead_id!r}{others} for good?"):
        raise CommandError(Exit.CHECK_FAILED, "nothing was erased.")
    run(_erase(settings, names))
    typer.echo(f"lead {lead_id!r} is erased{others}")


async def _names(settings: Settings, said: str) -> tuple[list[str], bool]:
    """Every id of the lead, the one that was said first; whether there is such a lead."""
    lead_id, partitions = said, settings.partitions
    async with open_store(settings) as store:
        if "@" in said and await lead_lookup.load_state(store, partitions, said) is None:
            lead_id = email_id(said)
        found_id, state = await lead_lookup.find_lead(store, partitions, lead_id)
    aliases = state.aliases if isinstance(state, Lead) else []
    return list(dict.fromkeys([lead_id, found_id, *aliases])), isinstance(state, Lead)


async def _erase(settings: Settings, names: list[str]) -> None:
    requested_ms = await _request(settings, names[0])
    async with open_store(settings, None) as store:
        try:
            async with asyncio.timeout(WAIT_S):
                for name in names:
                    await _until_erased(settings, store, name, requested_ms)
        except TimeoutError:
            message = (
                f"the request is in Kafka, but no worker carried it out within {WAIT_S:.0f} s: "
                "start one with `leadglow worker`; there is no need to ask again."
            )
            raise CommandError(Exit.TROUBLE, message) from None


async def _request(settings: Settings, lead_id: str) -> int:
    """Put a tombstone on the lead's partition; returns its time."""
    await require_lead_events(settings)
    producer: AIOKafkaProducer = make_producer(settings)
    try:
        await producer.start()
        partition = partition_of(lead_id, settings.partitions)
        sent: Any = await producer.send_and_wait(settings.lead_events, None, key=lead_id.encode(), partition=partition)
        return int(sent.timestamp)
    except (KafkaError, TimeoutError) as error:
        raise CommandError(Exit.TROUBLE, explain_kafka_failure(settings, error)) from None
    finally:
        await producer.stop()


async def _until_erased(settings: Settings, store: RedisStore, lead_id: str, since_ms: int) -> None:
    while True:
        state = await lead_lookup.load_state(store, settings.partitions, lead_id)
        if isinstance(state, Erased) and state.at_ms >= since_ms:
            return
        await asyncio.sleep(LOOK_S)
