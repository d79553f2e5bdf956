"""Checks of Kafka: permissions of the user, and the settings of topics. Pure, apart from `check_permissions`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from aiokafka.admin import AIOKafkaAdminClient

from app.checkup.findings import Finding, Findings
from app.log_gaps import LogState, ShardPlace, name_shards
from app.permissions import find_missing
from app.scorecards.lasting import describe_lasting
from app.settings import Settings, variable
from app.topic_settings import TopicState, differences, kept_ms, topic_specs
from streams.counts import count_of
from streams.partition_numbers import Numbers, explain_partitions, explain_topic
from streams.scoring.scorecard import Model


async def check_permissions(
    admin: AIOKafkaAdminClient, settings: Settings, processes: Collection[str]
) -> list[Finding]:
    """Whether the user may do what these processes do.

    Raises:
        KafkaError: Kafka does not respond.
    """
    findings = Findings("kafka")
    for process in processes:
        if missing := await find_missing(admin, settings, [process]):
            findings.fault(f"the user lacks permissions of {process}: {'; '.join(missing)}. Add them (ACLs).")
        else:
            findings.ok(f"the user has the permissions of {process}")
    return findings.found


def check_kafka(
    settings: Settings,
    brokers: int,
    topics: Mapping[str, TopicState],
    state: int | None = None,
    noted: int | None = None,
) -> list[Finding]:
    """Brokers, and settings that concern them; ``state`` is the number of shards in Redis, None if there are none.

    ``noted`` is the number of partitions among which leads were divided last, None if they never were.
    """
    findings = Findings("kafka")
    findings.ok(f"{settings.kafka} responds; brokers: {brokers}")
    if brokers < settings.replication_factor:
        findings.fault(
            f"{variable('replication_factor')} is {settings.replication_factor}, but the cluster has "
            f"{count_of(brokers, 'broker')}: add brokers, or lower it."
        )
    if settings.replication_factor == 1:
        findings.warn(
            f"{variable('replication_factor')} is 1, so the loss of one disk loses events: use 3, with "
            f"{variable('min_insync_replicas')}=2."
        )
    if not settings.kafka_idempotence:
        findings.warn(
            f"{variable('kafka_idempotence')} is false, so the order of events may change after a lost connection: "
            "remove it, unless the broker is the embedded one."
        )
    return findings.found + check_topics(settings, topics, state, noted)


def check_topics(
    settings: Settings, topics: Mapping[str, TopicState], held: int | None, noted: int | None
) -> list[Finding]:
    """Existence and settings of all topics."""
    findings = Findings("topics")
    for spec in topic_specs(settings):
        state = topics.get(spec.name)
        if state is None:
            findings.fault(f"there is no topic {spec.name}: run `leadglow topics create`.")
            continue
        if spec.name == settings.lead_events:
            for text in explain_number(settings, state.partitions, held, noted):
                findings.fault(text)
        elif spec.exactly and state.partitions != spec.partitions:
            findings.fault(explain_topic(spec.name, spec.partitions, state.partitions))
        for each in differences(spec, state):
            findings.fault(each.text)
        _check_replicas(findings, spec.name, state)
    events = topics.get(settings.lead_events)
    if not findings.found and events is not None and events.partitions == settings.partitions:
        findings.ok(f"all {len(topic_specs(settings))} topics are as the settings say")
    return findings.found


def explain_number(settings: Settings, actual: int, state: int | None, noted: int | None = None) -> list[str]:
    """What is wrong with the number of partitions of lead-events, at most one text.

    Nothing if the topic agrees with the state in Redis: then only the setting is wrong, which is found there.
    """
    if actual in (settings.partitions, state):
        return []
    if state is None:
        return [explain_topic(settings.lead_events, settings.partitions, actual, noted)]
    return [explain_partitions(settings.lead_events, Numbers(settings.partitions, actual, state, noted))]


def check_lasting(settings: Settings, topics: Mapping[str, TopicState], model: Model) -> list[Finding]:
    """Whether a rebuild could count every event that matters to the scorecards."""
    findings, topic = Findings("topics"), settings.lead_events
    if text := describe_lasting(model, topic, kept_ms(topics.get(topic), settings)):
        findings.warn(text)
    else:
        findings.ok(f"{topic} keeps events as long as signals last")
    return findings.found


def _check_replicas(findings: Findings, name: str, state: TopicState) -> None:
    if state.in_sync < state.replicas:
        findings.warn(
            f"{name} has {state.in_sync} of {state.replicas} replicas in sync: check the brokers that lag or are down."
        )


def check_log(places: Iterable[ShardPlace]) -> list[Finding]:
    """Whether each shard can continue: Redis has its state, and Kafka all events that are still to be scored."""
    findings = Findings("state")
    if stuck := [each for each in places if each.state is not LogState.CONTINUES]:
        missing = sum(each.missing for each in stuck)
        gap = f"; {missing:,} offsets are gone before they were scored" if missing else ""
        findings.fault(
            f"{name_shards(stuck)} cannot continue, as state and log do not match{gap}: see `leadglow restore`."
        )
    else:
        findings.ok("Kafka has all events that are still to be scored")
    return findings.found
