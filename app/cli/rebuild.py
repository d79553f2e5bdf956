"""``leadglow rebuild``: scores everything again from Kafka."""

import uuid
from typing import Annotated, Any

import typer
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from app.cli.common import open_store, run
from app.cli.errors import CommandError
from app.cli.published import open_scorecards, open_writer, require_topic
from app.cli.topics import require_lead_events
from app.cli.unreachable import explain_kafka_failure
from app.freshness import REBUILD
from app.settings import Settings
from app.settings_source import load_settings
from app.wiring import make_consumer
from streams.exits import Exit
from streams.store.base import Commit, Store, Verdict

ATTEMPTS = 10


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(rebuild)


def rebuild(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    backfill: Annotated[
        bool,
        typer.Option(
            "--backfill",
            help="Count the signals of the published scorecards from the first event on, also in later rebuilds.",
        ),
    ] = False,
) -> None:
    """Score all events in Kafka again.

    Empties the state in Redis, so that workers begin at the first event that Kafka still has. Use it after a loss of
    Redis; or with --backfill after publishing new signals or half-lives, which else count from their publication on.
    Scorecards change where they changed before, so stages and alerts are the same. Workers may be running or be started
    later; scores are incomplete until they have caught up. Alerts keep their ids: those already in the handoff topic
    are not sent again.
    """
    settings = load_settings()
    gone = run(_events_gone(settings))
    typer.echo(
        f"All leads of {settings.namespace!r} will be removed from Redis and scored again from "
        f"{settings.lead_events} ({settings.partitions} partitions)."
    )
    if gone:
        typer.echo(f"{gone} older events are no longer in Kafka (retention) and will no longer count.")
    if not yes and not typer.confirm("Rebuild?"):
        raise CommandError(Exit.CHECK_FAILED, "nothing was changed.")
    run(_rebuild(settings, backfill))
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


async def _rebuild(settings: Settings, backfill: bool) -> None:
    async with open_store(settings, None) as store:
        if backfill:
            await _note_backfill(settings, store)
        await store.meta("partitions", str(settings.partitions))
        for partition in range(settings.partitions):
            await empty_shard(store, partition)


async def _note_backfill(settings: Settings, store: Store) -> None:
    """Note that the signals of the latest publication count from the first event on.

    Raises:
        CommandError: nothing is published.
    """
    await require_topic(settings)
    async with open_scorecards(settings) as topic, open_writer(settings, topic, store) as writer:
        latest = topic.catalog.latest
        if latest is None:
            raise CommandError(Exit.REFUSED, "nothing is published yet: start a worker first.")
        await writer.backfill(latest.place)


async def empty_shard(store: Store, partition: int) -> None:
    """Remove a shard's state and set its checkpoint to the first event.

    A worker that owns the shard notices the change at its next step, and starts over.

    Raises:
        CommandError: a worker wrote the shard at every attempt.
    """
    fields = {"ckpt": b"0", "owner": REBUILD}
    for _ in range(ATTEMPTS):
        await store.wipe(partition)
        first = Commit(0, "", f"rebuild:{uuid.uuid4().hex}", fields)
        if await store.commit(partition, first) is not Verdict.CONFLICT:
            return
    raise CommandError(Exit.CONFLICT, f"a worker wrote partition {partition} at every attempt: try again.")
