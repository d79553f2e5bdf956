"""``leadglow rebuild``: scores everything again from Kafka."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Annotated

import typer
from aiokafka import TopicPartition

from app.agreed import Agreed
from app.backtest.session import NoEvents, Order, run_backtest
from app.cli.audit import noted, require_audit_log
from app.cli.backtest import open_topic, progress_bar
from app.cli.common import ask_agreed, ask_noted, check_partitions, confirm, open_admin, open_store, run
from app.cli.errors import CommandError
from app.cli.implementation import choose_implementation
from app.cli.lead_log import read_ends
from app.cli.published import has_topic, open_scorecards, open_writer, read_divided, require_topic
from app.freshness import REBUILD
from app.repartition.plan import Plan, decode_plan
from app.repartition.run import open_copier
from app.settings import Settings
from app.settings_source import load_settings
from app.topic_settings import read_topics
from app.wiring import make_consumer, make_store
from streams.clock import now_ms
from streams.counts import count_of
from streams.exits import Exit
from streams.implementation import REFERENCE
from streams.partition_numbers import explain_unfinished, is_older
from streams.publishing.catalog import Published
from streams.publishing.topic import ScorecardsTopic
from streams.store.base import Commit, Store, Verdict
from streams.store.format import begin_format
from streams.store.redis import RedisStore
from streams.transport.alert_ids import read_alert_ids

ATTEMPTS = 10
NO_ALERT = "No alert would be sent by events that count now."


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
    after_repartition: Annotated[
        bool, typer.Option("--after-repartition", help="Score only what came after the last repartition.")
    ] = False,
) -> None:
    """Score all events in Kafka again.

    Empties the state in Redis, so that workers begin at the first event that Kafka still has. Use it after a loss of
    Redis; or with --backfill after publishing new signals or half-lives, which else count from their publication on.
    Scorecards change where they changed before, so stages and alerts are the same. Workers may be running or be started
    later; scores are incomplete until they have caught up. Alerts keep their ids: those already in the handoff topic
    are not sent again. With --backfill, leads may enter stages by what counts now: if that would send more than
    LEADGLOW_MOST_MODEL_ALERTS alerts, nothing is done without --yes; exit status 1. Events from before a repartition
    cannot be used: exit status 78 while Kafka still has some, unless --after-repartition leaves them out. It also
    replaces a state from before the repartition, as after a snapshot of Redis was put back.
    """
    settings = load_settings()
    require_audit_log(settings)
    log = run(read_ends(settings), "asking Kafka")
    begin = run(_find_begin(settings, log.first, after_repartition), "asking Kafka")
    gone = sum(log.first.values())
    typer.echo(
        f"All leads of {settings.namespace!r} will be removed from Redis and scored again from "
        f"{settings.lead_events} ({settings.partitions} partitions)."
    )
    if gone:
        typer.echo(f"{gone} older events are no longer in Kafka (retention) and will no longer count.")
    if backfill:
        _require_few_alerts(settings, run(_count_new_alerts(settings), "finding the alerts"), yes)
    if not yes:
        confirm("Rebuild?", "nothing was changed.")
    with noted(settings, "rebuild", namespace=settings.namespace):
        run(_rebuild(settings, begin, backfill), "removing the leads")
    typer.echo("The state is empty. Workers score everything from the beginning, now or when they are started.")


async def _require_no_repartition(settings: Settings) -> None:
    """Refuse while a repartition has begun: it could put its copies in the place of some of the emptied shards.

    Raises:
        CommandError: one has.
    """
    if plan := (await check_partitions(settings)).plan:
        raise CommandError(Exit.REFUSED, explain_unfinished(plan))


def _require_few_alerts(settings: Settings, alerts: int, yes: bool) -> None:
    """Say how many alerts a backfill would send, and refuse too many.

    Raises:
        CommandError: they are not confirmed.
    """
    typer.echo(f"{count_of(alerts, 'alert')} would be sent by events that count now." if alerts else NO_ALERT)
    if alerts > settings.most_model_alerts and not yes:
        message = (
            f"nothing was changed: more than {settings.most_model_alerts} alerts (LEADGLOW_MOST_MODEL_ALERTS) need "
            "confirmation. Repeat the command with --yes to send them."
        )
        raise CommandError(Exit.CHECK_FAILED, message)


async def _count_new_alerts(settings: Settings) -> int:
    """The number of alerts that scoring everything by the signals of the latest publication would send.

    Raises:
        CommandError: nothing is published, or Kafka does not respond.
    """
    await require_topic(settings)
    async with open_topic(settings) as log, open_scorecards(settings) as topic:
        latest = _require_published(topic)
        topic.catalog.use_backfill(latest.place)
        rules = topic.catalog.rules(latest.place)
        implementation = choose_implementation(settings)
        order = Order(rules, None, implementation, publications=topic, in_force=latest.version)
        with progress_bar(log.total) as progress, suppress(NoEvents):
            found = await run_backtest(log, order, now_ms(), progress)
            return len({alert.alert_id for alert in found.alerts} - await _read_sent(settings))
    return 0


async def _read_sent(settings: Settings) -> set[str]:
    """The ids of the alerts on handoff."""
    async with open_admin(settings) as admin:
        topics = await read_topics(admin, [settings.handoff], configs=False)
    found: set[str] = set()
    for partition in range(topics[settings.handoff].partitions):
        found |= await read_alert_ids(make_consumer(settings), TopicPartition(settings.handoff, partition), 0)
    return found


def _require_published(topic: ScorecardsTopic) -> Published:
    if topic.catalog.latest is None:
        raise CommandError(Exit.REFUSED, "nothing is published yet: start a worker first.")
    return topic.catalog.latest


async def _find_begin(settings: Settings, first: Mapping[int, int], after_repartition: bool) -> dict[int, int]:
    """Partition -> the offset to score from, where that is the one of the last repartition: others have nothing older.

    Raises:
        CommandError: a repartition has begun; or Kafka still has events from before one, and they are not to be left
            out.
    """
    if not (after_repartition and await _find_older(settings)):
        await _require_no_repartition(settings)
    divided = await read_divided(settings)
    older = sum(max(at - first.get(partition, 0), 0) for partition, at in divided.items())
    if older and not after_repartition:
        message = (
            f"{older} records are from before a repartition, in partitions of other leads: restore a backup of Redis "
            "from after it; or leave them out by --after-repartition; or wait until Kafka has removed them (retention)."
        )
        raise CommandError(Exit.REFUSED, message)
    return {partition: at for partition, at in divided.items() if at > first.get(partition, 0)}


async def _rebuild(settings: Settings, begin: Mapping[int, int], backfill: bool) -> None:
    """Empty every shard; ``begin`` has the offset to score from where that is not the first that Kafka has."""
    await _replace_older(settings, begin)
    await _require_no_repartition(settings)
    log = await read_ends(settings)
    async with open_store(settings, None) as store:
        if backfill:
            await require_topic(settings)
        if backfill or await has_topic(settings):
            await _note_start(settings, store, log.end, backfill)
        await begin_format(store)
        await store.meta("partitions", str(settings.partitions))
        for partition in range(settings.partitions):
            await empty_shard(store, partition, max(log.first[partition], begin.get(partition, 0)))


async def _find_older(settings: Settings) -> Agreed | None:
    """What is agreed on if the state is from before the repartition to the number of the settings."""
    agreed = await ask_agreed(settings)
    if is_older(agreed.partitions, settings.partitions) and await ask_noted(settings) == settings.partitions:
        return agreed
    return None


async def _replace_older(settings: Settings, begin: Mapping[int, int]) -> None:
    """Remove a state from before the repartition; then, as workers refuse it until then, set the number of after it.

    A snapshot that was taken in a repartition has copies, or two sets of shards, which are removed, too.

    Raises:
        CommandError: something else has changed the state meanwhile.
    """
    if (agreed := await _find_older(settings)) is None or agreed.partitions is None:
        return
    plan = decode_plan(agreed.plan) or Plan(old=agreed.partitions, new=settings.partitions)
    async with open_copier(settings, plan.old, plan.new, REFERENCE) as copier:
        await copier.drop_copies()
        for number in {plan.old, plan.new, agreed.partitions}:
            async with _closing(make_store(settings.model_copy(update={"partitions": number}))) as store:
                for partition in range(number):
                    await store.wipe(partition)
        async with _closing(make_store(settings)) as store:
            for partition in range(settings.partitions):
                await empty_shard(store, partition, begin.get(partition, 0))
        if not await copier.replace_plan(agreed.plan, "", partitions=str(settings.partitions)):
            raise CommandError(Exit.CONFLICT, "`leadglow repartition` runs meanwhile: end it, and run this again.")


@asynccontextmanager
async def _closing(store: RedisStore) -> AsyncIterator[RedisStore]:
    """A store, closed afterwards."""
    try:
        yield store
    finally:
        await store.close()


async def _note_start(settings: Settings, store: Store, ends: Mapping[int, int], backfill: bool) -> None:
    """Note what holds from the start of the log: publications whose control records are gone, and with ``backfill``
    the signals of the latest publication.

    Raises:
        CommandError: nothing is published.
    """
    async with open_scorecards(settings) as topic:
        lost = topic.catalog.lost(ends)
        latest = _require_published(topic) if backfill else None
        if not (lost or latest):
            return
        async with open_writer(settings, topic, store) as writer:
            await writer.begin_anew(lost)
            if latest is not None:
                await writer.backfill(latest.place)


async def empty_shard(store: Store, partition: int, begin: int) -> None:
    """Remove a shard's state and set its checkpoint to the first event that is scored: if Kafka removes
    that before, workers see the gap.

    A worker that owns the shard notices the change at its next step, and starts over.

    Raises:
        CommandError: a worker wrote the shard at every attempt.
    """
    fields = {"ckpt": b"%d" % begin, "owner": REBUILD}
    for _ in range(ATTEMPTS):
        await store.wipe(partition)
        first = Commit(0, "", f"rebuild:{uuid.uuid4().hex}", fields)
        if await store.commit(partition, first) is not Verdict.CONFLICT:
            return
    raise CommandError(Exit.CONFLICT, f"a worker wrote partition {partition} at every attempt: try again.")
