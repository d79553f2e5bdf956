"""``leadglow topics create``: creates and checks the topics."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidConfigurationError, TopicAlreadyExistsError, for_code

from app.cli.common import open_admin, run
from app.cli.errors import CommandError
from app.settings import Settings
from app.settings_source import load_settings
from streams.exits import Exit
from streams.units import DAY_MS

LISTING_TIMEOUT_S = 10.0
ANY_TIMESTAMP = {"message.timestamp.after.max.ms": str(2**63 - 1)}
"""Our topics accept any timestamp that a source topic accepted, as a wrong clock would stop the intake otherwise."""
topics = typer.Typer(no_args_is_help=True, help="The Kafka topics of Leadglow.")


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.add_typer(topics, name="topics")


@topics.callback()
def _group() -> None:
    """Keep ``create`` a subcommand although it is the only one."""


@topics.command()
def create(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and change nothing.")] = False,
) -> None:
    """Create missing topics and check existing ones.

    Safe to repeat: existing topics are never changed. Exit status 78 if an existing topic has a wrong number of
    partitions or, unless it is a source topic, a wrong cleanup.policy.
    """
    run(_create(load_settings(), dry_run))


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be."""

    name: str
    partitions: int
    exactly: bool
    """Whether the number of partitions must be exactly this."""
    configs: dict[str, str]


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """Every topic of the settings."""
    count = settings.partitions
    common = {
        "min.insync.replicas": str(settings.min_insync_replicas),
        "message.timestamp.type": "CreateTime",
    }
    kept = common | {"retention.ms": str(settings.retention_days * DAY_MS), "cleanup.policy": "delete"}
    compacted = common | {"cleanup.policy": "compact"}
    return [
        *(TopicSpec(name, count, False, kept) for name in settings.sources),
        TopicSpec(settings.lead_events, count, True, kept),
        TopicSpec(settings.handoff, count, False, kept),
        TopicSpec(settings.rejected, count, False, kept),
        TopicSpec(settings.undelivered, count, False, kept),
        TopicSpec(settings.lead_scores, count, False, compacted),
        TopicSpec(settings.scorecards_topic, 1, True, compacted),
    ]


async def partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Every topic of the cluster with its number of partitions; asking for all of them creates none."""
    return {row["topic"]: len(row["partitions"]) for row in await admin.describe_topics()}


async def cleanup_policies(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, str]:
    """The cleanup policy of these topics, if the broker returns one; the embedded broker has no defaults."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    replies: list[Any] = await admin.describe_configs(resources)
    return {
        name: entry[1]
        for reply in replies
        for _, _, _, name, entries in reply.resources
        for entry in entries
        if entry[0] == "cleanup.policy"
    }


async def require_lead_events(settings: Settings) -> None:
    """See that the topic of the events is the one that the settings describe.

    Raises:
        CommandError: it is not there, or has another number of partitions.
    """
    async with open_admin(settings) as admin:
        actual = (await partition_counts(admin)).get(settings.lead_events)
    if actual is None:
        message = f"Kafka has no topic {settings.lead_events}: run `leadglow topics create` first."
        raise CommandError(Exit.REFUSED, message)
    if actual != settings.partitions:
        raise CommandError(Exit.REFUSED, _explain_wrong_partitions(settings.lead_events, actual))


async def _create(settings: Settings, dry_run: bool) -> None:
    async with open_admin(settings) as admin:
        existing = await partition_counts(admin)
        there = [topic for topic in topic_specs(settings) if topic.name in existing]
        policies = await cleanup_policies(admin, (topic.name for topic in there))
        misfits = [_check(topic, existing[topic.name]) for topic in there]
        ours = [topic for topic in there if topic.name not in settings.sources]  # sources belong to their producers
        misfits += [_explain_wrong_policy(topic, policies[topic.name]) for topic in ours if topic.name in policies]
        for topic in topic_specs(settings):
            if topic.name in existing:
                continue
            if dry_run:
                _print_outcome(topic, "would be created")
            else:
                await _create_one(admin, settings, topic)
        if not dry_run:
            await _wait_until_listed(admin, {topic.name for topic in topic_specs(settings)})
    if any(misfits):
        raise CommandError(Exit.REFUSED, "\n".join(filter(None, misfits)))


def _check(topic: TopicSpec, actual: int) -> str:
    """Print that a topic exists; return a message if its number of partitions is wrong."""
    if actual == topic.partitions:
        typer.echo(f"{topic.name}: exists, {_partitions(actual)}")
        return ""
    if not topic.exactly:
        typer.echo(f"{topic.name}: exists, {_partitions(actual)} (new: {topic.partitions}; any number works)")
        return ""
    typer.echo(f"{topic.name}: exists, but with {_partitions(actual)} instead of {topic.partitions}")
    if topic.partitions == 1:
        return f"{topic.name} must have 1 partition: name a fresh topic in LEADGLOW_SCORECARDS_TOPIC."
    return _explain_wrong_partitions(topic.name, actual)


def _explain_wrong_partitions(name: str, actual: int) -> str:
    return (
        f"{name} has {_partitions(actual)}, and a lead's partition depends on that number: "
        f"set LEADGLOW_PARTITIONS={actual}, or name a fresh topic in LEADGLOW_LEAD_EVENTS."
    )


def _explain_wrong_policy(topic: TopicSpec, actual: str) -> str:
    """A message if the cleanup policy of a topic is wrong."""
    right = topic.configs["cleanup.policy"]
    if actual == right:
        return ""
    loses = "all but the last record of each key" if right == "delete" else "old scores and scorecards"
    return (
        f"{topic.name} has cleanup.policy={actual}, which lets Kafka delete {loses}: "
        f"set cleanup.policy={right}, or name a fresh topic in its place."
    )


async def _create_one(admin: AIOKafkaAdminClient, settings: Settings, topic: TopicSpec) -> None:
    """Create a topic with all of its settings that the broker supports."""
    code, why = await _send(admin, settings, topic, topic.configs | ANY_TIMESTAMP)
    note = ""
    if _unknown_setting(code):  # brokers know it from Kafka 3.6 on
        code, why = await _send(admin, settings, topic, topic.configs)
    if _unknown_setting(code):
        note = ", without its settings, which this broker does not support"
        code, why = await _send(admin, settings, topic, {})
    if code == 0:
        _print_outcome(topic, f"created{note}")
    elif for_code(code) is TopicAlreadyExistsError:
        _print_outcome(topic, "created by another process meanwhile")
    else:
        reason = why or for_code(code).__name__
        raise CommandError(Exit.REFUSED, f"Kafka refused to create {topic.name}: {reason}")


async def _wait_until_listed(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """Wait until the brokers list the topics, so that a worker can be started right afterwards."""
    async with asyncio.timeout(LISTING_TIMEOUT_S):
        while True:
            if names <= (await partition_counts(admin)).keys():
                return
            await asyncio.sleep(0.05)


def _unknown_setting(code: int) -> bool:
    return for_code(code) is InvalidConfigurationError


async def _send(
    admin: AIOKafkaAdminClient, settings: Settings, topic: TopicSpec, configs: Mapping[str, str]
) -> tuple[int, str]:
    """Kafka's error code (0 for success) and error message."""
    new = NewTopic(topic.name, topic.partitions, settings.replication_factor, topic_configs=dict(configs))
    reply: Any = await admin.create_topics([new])
    _, code, *why = reply.topic_errors[0]
    return code, str(why[0] or "") if why else ""


def _print_outcome(topic: TopicSpec, outcome: str) -> None:
    compacted = ", compacted" if topic.configs.get("cleanup.policy") == "compact" else ""
    typer.echo(f"{topic.name}: {outcome}, {_partitions(topic.partitions)}{compacted}")


def _partitions(count: int) -> str:
    return f"{count} partition" if count == 1 else f"{count} partitions"
