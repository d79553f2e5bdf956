"""``leadglow erase``: erases a lead."""

import asyncio
from typing import Annotated, Any

import typer
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from app import lead_lookup
from app.cli.audit import noted, require_audit_log
from app.cli.common import LeadId, confirm, open_store, run
from app.cli.errors import CommandError
from app.cli.topics import require_lead_events
from app.cli.unreachable import kafka_fault
from app.settings import Settings
from app.settings_source import load_settings
from app.wiring import make_producer
from streams.events.identities import email_id
from streams.exits import Exit
from streams.scoring.lead import Erased, Lead
from streams.shard.alert import rfc3339
from streams.store.redis import RedisStore
from streams.transport.topics import partition_of

WAIT_S = 30.0
POLL_S = 0.1


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(erase)


def erase(
    lead_id: LeadId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Erase a lead for good.

    Erases its state, its other ids and its place in all rankings. Exit status 3 if there is no such lead: then nothing
    is written. The request goes through Kafka, so a worker must be running. Events of the lead that arrived before the
    request do not bring it back, not even in a rebuild; events that arrive afterwards make a new lead. Records in Kafka
    topics are removed by their retention.
    """
    settings = load_settings()
    if not lead_id:
        raise CommandError(Exit.USAGE, "the id is empty.")
    require_audit_log(settings)
    names = run(_find_ids(settings, lead_id), "finding the lead")
    others = f" (also known as {', '.join(names[1:])})" if names[1:] else ""
    if not yes:
        confirm(f"Erase lead {lead_id!r}{others} for good?", "nothing was erased.")
    with noted(settings, "erase", lead_id=names[0]):
        run(_erase(settings, names), "waiting for a worker to erase the lead")
    typer.echo(f"lead {lead_id!r} is erased{others}")


async def _find_ids(settings: Settings, given: str) -> list[str]:
    """All ids of the lead, the given one first.

    Raises:
        CommandError: there is no such lead, or it is being merged.
    """
    lead_id, partitions = given, settings.partitions
    async with open_store(settings) as store:
        if "@" in given and await lead_lookup.load_state(store, partitions, given) is None:
            lead_id = email_id(given)
        found_id, state = await lead_lookup.find_lead(store, partitions, lead_id)
    if isinstance(state, Erased):
        raise CommandError(
            Exit.UNKNOWN_LEAD, f"lead {given!r} was erased before, or forgotten, at {rfc3339(state.gone_ms)}."
        )
    if state is None and found_id != lead_id:  # its other shard has not received it yet
        raise CommandError(Exit.TROUBLE, f"lead {given!r} is being merged into another: try again in a moment.")
    if not isinstance(state, Lead):
        message = (
            f"there is no lead {given!r}, so nothing was erased: no event with this id or address was scored. "
            "If events of the lead still wait, erase it after they are scored."
        )
        raise CommandError(Exit.UNKNOWN_LEAD, message)
    return list(dict.fromkeys([lead_id, found_id, *state.aliases]))


async def _erase(settings: Settings, names: list[str]) -> None:
    requested_ms = await _send_tombstone(settings, names[0])
    async with open_store(settings, None) as store:
        try:
            async with asyncio.timeout(WAIT_S):
                for name in names:
                    await _wait_until_erased(settings, store, name, requested_ms)
        except TimeoutError:
            message = (
                f"the request is in Kafka, but no worker has processed it within {WAIT_S:.0f} s: "
                "start one with `leadglow worker`; the request need not be repeated."
            )
            raise CommandError(Exit.TROUBLE, message) from None


async def _send_tombstone(settings: Settings, lead_id: str) -> int:
    """Send a tombstone to the lead's partition; returns its timestamp."""
    await require_lead_events(settings)
    producer: AIOKafkaProducer = make_producer(settings)
    try:
        await producer.start()
        partition = partition_of(lead_id, settings.partitions)
        sent: Any = await producer.send_and_wait(settings.lead_events, None, key=lead_id.encode(), partition=partition)
        return int(sent.timestamp)
    except (KafkaError, TimeoutError) as error:
        raise kafka_fault(settings, error) from None
    finally:
        await producer.stop()


async def _wait_until_erased(settings: Settings, store: RedisStore, lead_id: str, since_ms: int) -> None:
    while True:
        state = await lead_lookup.load_state(store, settings.partitions, lead_id)
        if isinstance(state, Erased) and state.at_ms >= since_ms:
            return
        await asyncio.sleep(POLL_S)
