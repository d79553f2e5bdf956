"""The topics as they should be and as they are, and how the two differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, for_code

from app.kafka_rights import describe_topics
from app.settings import Settings, variable
from streams.counts import count_of
from streams.events.times import LAST_MS
from streams.units import DAY_MS, format_duration

_AHEAD: Final = "message.timestamp.after.max.ms"
ANY_TIMESTAMP: Final = {_AHEAD: str(2**63 - 1)}
"""Our topics accept any timestamp that a source topic accepted, as a wrong clock would stop the intake otherwise.

Brokers know this setting from Kafka 3.6 on; from 4.0 on, a topic without it accepts one hour."""
SET_FOR_TOPIC: Final = 1
"""Kafka's number for a setting that the topic itself has, in contrast to a default."""
_UPDATE: Final = "run `leadglow topics create --update`"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be."""

    name: str
    partitions: int
    exactly: bool
    """Whether the number of partitions must be exactly this."""
    configs: dict[str, str]
    is_source: bool = False
    """Whether it belongs to its producers, so that its settings are theirs."""
    replicas: int = 1
    by_lead: bool = False
    """Whether a lead's partition depends on their number, for its readers."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is."""

    partitions: int
    replicas: int
    """The replicas of the partition that has the fewest."""
    in_sync: int
    """The replicas in sync of the partition that has the fewest."""
    configs: Mapping[str, str] = field(default_factory=dict)
    """Empty if the broker or the rights of the user do not show them."""
    own: frozenset[str] = frozenset()
    """Names of the settings that are set for this topic."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting of a topic that is not as it should be."""

    setting: str
    """Kafka's name of the setting, or ``replicas``."""
    text: str
    """One sentence with the remedy."""
    loses_records: bool = False
    """Whether records are lost that nobody has read yet."""


class TopicsForbidden(Exception):
    """The user may not see a topic."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)
        super().__init__(", ".join(self.names))


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """Every topic of the settings."""
    count, copies = settings.partitions, settings.replication_factor
    common = {
        "min.insync.replicas": str(settings.min_insync_replicas),
        "message.timestamp.type": "CreateTime",
    }
    kept = common | {"retention.ms": str(settings.retention_days * DAY_MS), "cleanup.policy": "delete"}
    compacted = common | {"cleanup.policy": "compact"}
    return [
        *(TopicSpec(name, count, False, kept, True, copies) for name in settings.sources),
        TopicSpec(settings.lead_events, count, True, kept, replicas=copies),
        TopicSpec(settings.handoff, count, False, kept, replicas=copies, by_lead=True),
        TopicSpec(settings.rejected, count, False, kept, replicas=copies),
        TopicSpec(settings.undelivered, count, False, kept, replicas=copies),
        TopicSpec(settings.lead_scores, count, False, compacted, replicas=copies, by_lead=True),
        TopicSpec(settings.scorecards_topic, 1, True, compacted, replicas=copies),
    ]


def kept_ms(state: TopicState | None, settings: Settings) -> int:
    """How long a topic keeps records, negative for ever; as the settings say if Kafka does not show it."""
    shown = state.configs.get("retention.ms") if state is not None else None
    return settings.retention_days * DAY_MS if shown is None else int(shown)


async def read_topics(admin: AIOKafkaAdminClient, names: Iterable[str], configs: bool = True) -> dict[str, TopicState]:
    """The topics of these names that exist.

    Raises:
        TopicsForbidden: the user may not see some of them.
        KafkaError: Kafka does not respond, or the topics cannot be read.
    """
    rows = await describe_topics(admin, sorted(set(names)))
    if forbidden := [row["topic"] for row in rows if row["error_code"] == TopicAuthorizationFailedError.errno]:
        raise TopicsForbidden(forbidden)
    rows = [row for row in rows if row["partitions"]]
    shown = await _read_configs(admin, [row["topic"] for row in rows]) if configs and rows else {}
    return {row["topic"]: _state(row, shown.get(row["topic"], {})) for row in rows}


def _state(row: Mapping[str, Any], configs: Mapping[str, tuple[str, int]]) -> TopicState:
    partitions = row["partitions"]
    return TopicState(
        len(partitions),
        min(len(each["replicas"]) for each in partitions),
        min(len(each["isr"]) for each in partitions),
        {name: value for name, (value, _) in configs.items()},
        frozenset(name for name, (_, source) in configs.items() if source == SET_FOR_TOPIC),
    )


async def _read_configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, tuple[str, int]]]:
    """Topic -> setting -> (value, where it is set); nothing for topics that the broker does not describe."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    try:
        replies: list[Any] = await admin.describe_configs(resources)
    except KafkaError:  # the embedded broker knows few settings, or none
        return {}
    return {
        name: {entry[0]: (entry[1], entry[3] if isinstance(entry[3], int) else 0) for entry in entries}
        for reply in replies
        for error, _, _, name, entries in reply.resources
        if not error
    }


async def update_topic(admin: AIOKafkaAdminClient, spec: TopicSpec, state: TopicState) -> str:
    """Set what differs; all else that is set for the topic stays. Returns Kafka's reason if it refuses.

    Kafka's request replaces all settings of a topic, so those that stay are sent as well.
    """
    kept = {name: state.configs[name] for name in state.own}
    ours = spec.configs | (ANY_TIMESTAMP if _AHEAD in state.configs else {})
    resource = ConfigResource(ConfigResourceType.TOPIC, spec.name, configs=kept | ours)
    replies: list[Any] = await admin.alter_configs([resource])
    error, why, *_ = replies[0].resources[0]
    return "" if not error else str(why or for_code(error).__name__)


def differences(spec: TopicSpec, state: TopicState) -> list[Difference]:
    """What is not as it should be, other than the number of partitions. Nothing for a source topic."""
    if spec.is_source:
        return []
    found = [check(spec, state) for check in (_policy, _retention, _timestamps, _ahead, _in_sync)]
    if state.replicas < spec.replicas:
        text = (
            f"{spec.name} has {count_of(state.replicas, 'replica')} of a partition instead of {spec.replicas}, so the "
            "loss of a broker can lose records: add replicas with kafka-reassign-partitions.sh, or set "
            f"{variable('replication_factor')}={state.replicas}."
        )
        found.append(Difference("replicas", text))
    return [each for each in found if each is not None]


def _policy(spec: TopicSpec, state: TopicState) -> Difference | None:
    right, actual = spec.configs["cleanup.policy"], state.configs.get("cleanup.policy")
    if actual in (None, right):
        return None
    loses = "all but the last record of each key" if right == "delete" else "old scores and scorecards"
    text = (
        f"{spec.name} has cleanup.policy={actual}, which lets Kafka delete {loses}: "
        f"{_UPDATE}, or name a fresh topic in its place."
    )
    return Difference("cleanup.policy", text, loses_records=right == "delete")


def _retention(spec: TopicSpec, state: TopicState) -> Difference | None:
    right, actual = spec.configs.get("retention.ms"), state.configs.get("retention.ms")
    if right is None or actual in (None, right):
        return None
    text = (
        f"{spec.name} keeps records for {_days(int(actual or 0))} instead of {_days(int(right))}: {_UPDATE}, "
        f"or change {variable('retention_days')}."
    )
    return Difference("retention.ms", text)


def _timestamps(spec: TopicSpec, state: TopicState) -> Difference | None:
    name = "message.timestamp.type"
    actual = state.configs.get(name)
    if actual in (None, spec.configs[name]):
        return None
    text = f"{spec.name} has {name}={actual}, which replaces the arrival of events by the time of copying: {_UPDATE}."
    return Difference(name, text)


def _ahead(spec: TopicSpec, state: TopicState) -> Difference | None:
    actual = int(state.configs.get(_AHEAD, ANY_TIMESTAMP[_AHEAD]))
    if actual >= LAST_MS:
        return None
    text = (
        f"{spec.name} refuses records whose time is more than {format_duration(actual)} ahead ({_AHEAD}), so one "
        f"from a source that accepts it stops the work: {_UPDATE}."
    )
    return Difference(_AHEAD, text)


def _in_sync(spec: TopicSpec, state: TopicState) -> Difference | None:
    name = "min.insync.replicas"
    actual = state.configs.get(name)
    if actual is None:
        return None
    if int(actual) > state.replicas:
        text = f"{spec.name} has {name}={actual} but {count_of(state.replicas, 'replica')}, so nothing can be written: "
        return Difference(name, f"{text}{_UPDATE}.")
    if int(actual) < int(spec.configs[name]):
        text = f"{spec.name} has {name}={actual} instead of {spec.configs[name]}: {_UPDATE}, or change "
        return Difference(name, f"{text}{variable('min_insync_replicas')}.")
    return None


def _days(retention_ms: int) -> str:
    if retention_ms < 0:
        return "ever"
    return f"{retention_ms / DAY_MS:g} days" if retention_ms != DAY_MS else "1 day"
