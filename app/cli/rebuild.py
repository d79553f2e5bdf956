"""``leadglow rebuild``: scores everything again from Kafka."""

import uuid
from typing import Annotated, Any

import typer
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from app.cli.common import load_rules, open_store, run
from app.cli.errors import CommandError
from app.cli.topics import require_lead_events
from app.cli.unreachable import explain_kafka_failure
from app.freshness import REBUILD
from app.settings import Settings
from app.settings_source import load_settings
from app.wiring import make_consumer
from streams.agreement import NAME, require_agreed
from streams.exits import Exit
from streams.mismatch import Mismatch
from streams.store.base import Commit, Store, Verdict

ATTEMPTS = 10


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(rebuild)


def rebuild(yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False) -> None:
    """Score all events in Kafka again.

    Empties the state in Redis, so that workers begin at the first event that Kafka still has. Use it after a loss of
    Redis, or for a scorecard file with new signals or half-lives. Workers may be running or be started later; scores
    are incomplete until they have caught up. Alerts keep their ids: those already in the handoff topic are not sent
    again.
    """
    settings = load_settings()
    version = load_rules(settings).version
    gone = run(_events_gone(settings))
    typer.echo(
        f"All leads of {settings.namespace!r} will be removed from Redis and scored again from "
        f"{settings.lead_events} ({settings.partitions} partitions)."
    )
    if gone:
        typer.echo(f"{gone} older events are no longer in Kafka (retention) and will no longer count.")
    if not yes and not typer.confirm("Rebuild?"):
        raise CommandError(Exit.CHECK_FAILED, "nothing was changed.")
    run(_rebuild(settings, version))
    typer.echo("The state is empty. Workers score everything from the beginning, now or when they are started.")


async def _events_gone(settings: Settings) -> int:
    """How many events of the topic were removed by its retention.

    Raises:
        CommandError: the topic does not match the settings.
    """
    await require_lead_events(settings)
    consumer: Any = make_consumer(settings)
    try:
        await consumer.start()
        first = await consumer.beginning_offsets(
            [TopicPartition(settings.lead_events, p) for p in range(settings.partitions)]
        )
        return sum(first.values())
    except (KafkaError, TimeoutError) as error:
        raise CommandError(Exit.TROUBLE, explain_kafka_failure(settings, error)) from None
    finally:
        await consumer.stop()


async def _rebuild(settings: Settings, version: str) -> None:
    async with open_store(settings) as store:
        try:
            require_agreed(await store.meta(NAME), version)
        except Mismatch as other:
            raise CommandError(Exit.REFUSED, str(other)) from None
        await store.meta("partitions", str(settings.partitions))
        for partition in range(settings.partitions):
            await empty_shard(store, partition, version)


async def empty_shard(store: Store, partition: int, version: str) -> None:
    """Remove a shard's state and set its checkpoint to the first event.

    ``version`` is that of the scorecards, so that causes, and with them the ids of alerts, stay the same.
    A worker that owns the shard notices the change at its next step, and starts over.

    Raises:
        CommandError: a worker wrote the shard at every attempt.
    """
    fields = {"ckpt": b"0", "scorecards": version.encode(), "owner": REBUILD}
    for _ in range(ATTEMPTS):
        await store.wipe(partition)
        first = Commit(0, "", f"rebuild:{uuid.uuid4().hex}", fields)
        if await store.commit(partition, first) is not Verdict.CONFLICT:
            return
    raise CommandError(Exit.CONFLICT, f"a worker wrote partition {partition} at every attempt: try again.")
