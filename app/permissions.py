"""The permissions in Kafka that each process needs, and which of them a user lacks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from app.kafka_rights import NoGroups, Operation, describe_group, describe_topics, missing_operations
from app.settings import Settings

READ, WRITE, DESCRIBE = Operation.READ, Operation.WRITE, Operation.DESCRIBE
Needs = Mapping[str, frozenset[Operation]]


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a process does in Kafka, by the names of settings."""

    topics: Needs
    groups: Mapping[str, Operation]
    """By what comes after ``LEADGLOW_NAMESPACE`` in the name of the group; a hyphen at the end begins many names."""
    redis: str = ""
    """The rules of Redis' ACL SETUSER, besides the keys; empty for a process that does not use Redis."""


def _needs(**topics: str) -> Needs:
    letters = {"r": READ, "w": WRITE, "d": DESCRIBE}
    return {name: frozenset(letters[letter] for letter in text) for name, text in topics.items()}


REDIS_READS: Final = "+@read +@scripting +@connection -@dangerous +info"
REDIS_WRITES: Final = "+@read +@write +@scripting +@transaction +@connection -@dangerous +info"
EDITORS: Final = "editors"
PERMISSIONS: Final[dict[str, Permissions]] = {
    "worker": Permissions(
        _needs(sources="r", lead_events="rw", handoff="rw", lead_scores="w", rejected="w", scorecards_topic="rw"),
        {"": READ},
        REDIS_WRITES,
    ),
    "collector": Permissions(_needs(collector_web_topic="w", collector_mail_topic="w", rejected="w"), {}),
    "board": Permissions(
        _needs(sources="d", lead_events="r", handoff="r", lead_scores="r", rejected="r", scorecards_topic="r"),
        {"": DESCRIBE},
        REDIS_READS,
    ),
    EDITORS: Permissions(_needs(sources="w", lead_events="w", scorecards_topic="w"), {}),
    "notify": Permissions(_needs(handoff="r", undelivered="rw"), {"-notify-": READ}),
}
"""Process -> what it needs; the board needs more where people give verdicts or publish scorecards."""
AS_WORKER: Final = "what a worker needs"
OFFLINE: Final = "nothing"
COMMANDS: Final[dict[str, str]] = {
    **dict.fromkeys(("lead", "leads", "account", "accounts", "results", "erase", "scorecards"), AS_WORKER),
    **dict.fromkeys(("rebuild", "restore", "upgrade"), AS_WORKER),
    "repartition": "what a worker needs, and to alter `LEADGLOW_LEAD_EVENTS`, to which it adds partitions",
    "backtest": "nothing for an export; to read `LEADGLOW_LEAD_EVENTS` for the topic",
    "notify": "for `replay`, what the notifier needs; for `test` and `check`, nothing",
    "status": "to describe all topics and the groups; what a worker needs in Redis",
    "doctor": "what the processes need that it examines; it lists what is missing",
    "topics": "to create and describe topics, to describe their configs, and for `--update` to alter them",
    **dict.fromkeys(("try", "calibrate", "keys", "tokens", "demo"), OFFLINE),
}
"""Command that is no process -> what it needs."""


def topics_needed(settings: Settings, processes: Iterable[str]) -> dict[str, frozenset[Operation]]:
    """Topic -> the operations that these processes need on it."""
    needs: dict[str, frozenset[Operation]] = {}
    for name, operations in (item for process in processes for item in PERMISSIONS[process].topics.items()):
        value = getattr(settings, name)
        for topic in value if isinstance(value, tuple) else (value,):
            needs[topic] = needs.get(topic, frozenset()) | operations
    return needs


async def find_missing(admin: AIOKafkaAdminClient, settings: Settings, processes: Collection[str]) -> list[str]:
    """What the user may not do and these processes need, each as ``read on topic web-events``.

    Raises:
        KafkaError: Kafka does not respond.
    """
    missing = await _missing_on_topics(admin, topics_needed(settings, processes))
    groups = [item for process in processes for item in PERMISSIONS[process].groups.items()]
    for suffix, operation in groups:
        if await _is_missing_on_group(admin, settings.namespace + suffix, operation):
            every = " and all others that begin so" if suffix.endswith("-") else ""
            missing.append(f"{operation.name.lower()} on group {settings.namespace}{suffix}{every}")
    return missing


async def _missing_on_topics(admin: AIOKafkaAdminClient, needs: Mapping[str, frozenset[Operation]]) -> list[str]:
    missing = []
    for row in await describe_topics(admin, sorted(needs)):
        forbidden = row["error_code"] == TopicAuthorizationFailedError.errno
        bits = 0 if forbidden else row["authorized_operations"]
        lacking = missing_operations(bits, sorted(needs[row["topic"]]))
        if names := [each.name.lower() for each in lacking]:
            missing.append(f"{' and '.join(names)} on topic {row['topic']}")
    return missing


async def _is_missing_on_group(admin: AIOKafkaAdminClient, group: str, operation: Operation) -> bool:
    try:
        bits = (await describe_group(admin, group))["authorized_operations"]
    except GroupAuthorizationFailedError:
        return True
    except NoGroups:
        return False  # Kafka does not say
    return bool(list(missing_operations(bits, [operation])))
