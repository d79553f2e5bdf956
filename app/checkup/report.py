"""The parts of a report about a running system: values for programs, lines and problems for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from app.checkup.findings import Level
from app.checkup.kafka_checks import check_log, explain_number
from app.checkup.kafka_status import KafkaStatus
from app.checkup.probing import Probe
from app.checkup.redis_checks import check_nodes
from app.checkup.redis_status import Node, RedisStatus, describe_size
from app.freshness import Freshness, Progress
from app.group_members import Member
from app.log_gaps import ShardPlace
from app.settings import Settings
from app.topic_settings import topic_specs
from streams.counts import count_of
from streams.partition_numbers import explain_unfinished
from streams.publishing.catalog import Published
from streams.shard.alert import rfc3339

MANY_WAITING: Final = 1000
"""Records in the outboxes from which on they do not flow off."""


@dataclass(slots=True)
class Report:
    """The state of a system, for people and for programs."""

    values: dict[str, Any] = field(default_factory=dict)
    lines: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, values: object, line: str, problems: Iterable[str] = ()) -> None:
        """Add a part."""
        self.values[name] = values
        self.lines.append((name, line))
        self.problems += problems

    def to_json(self) -> dict[str, Any]:
        """The whole report."""
        return {"ok": not self.problems, "problems": self.problems, **self.values}


def add_kafka(
    report: Report, settings: Settings, found: KafkaStatus, state: int | None = None, noted: int | None = None
) -> None:
    """Add brokers, topics and workers; ``state`` is the number of shards in Redis, None if there are none.

    ``noted`` is the number of partitions among which leads were divided last, None if they never were.
    """
    brokers = count_of(found.brokers, "broker")
    report.add("kafka", {"address": settings.kafka, "brokers": found.brokers}, f"{settings.kafka}, {brokers}")
    _add_topics(report, settings, found, state, noted)
    workers = [asdict(worker) for worker in found.workers]
    text = "; ".join(map(_describe_worker, found.workers))
    problems = [] if found.workers else ["no worker is running: new events are not scored."]
    if found.workers and found.unowned:
        problems = [f"no worker reads {_ranges(found.unowned)}: a worker is starting, or has too few permissions."]
    line = f"{len(workers)}{': ' if text else ''}{text}"
    report.add("workers", {"members": workers, "unowned": found.unowned}, line, problems)


def _describe_worker(found: Member) -> str:
    name = f"{found.client} on {found.host}" if found.host else found.client
    return name if found.partitions is None else f"{name} reads {_ranges(found.partitions)}"


def _add_topics(report: Report, settings: Settings, found: KafkaStatus, state: int | None, noted: int | None) -> None:
    wanted = [spec.name for spec in topic_specs(settings)]
    missing = [name for name in wanted if name not in found.topics]
    few = [name for name in wanted if name in found.topics and _lacks_replicas(found, name)]
    problems = [f"Kafka has no topic {', '.join(missing)}: run `leadglow topics create`."] if missing else []
    if few:
        problems.append(f"replicas of {', '.join(few)} are not in sync: check the brokers.")
    events = found.topics.get(settings.lead_events)
    if events is not None:
        problems += explain_number(settings, events.partitions, state, noted)
    values = {
        name: {"partitions": each.partitions, "replicas": each.replicas, "in_sync": each.in_sync}
        for name, each in found.topics.items()
    }
    line = f"{len(found.topics)} of {len(wanted)}, {count_of(settings.partitions, 'partition')} of events"
    report.add("topics", values, line, problems)


def _lacks_replicas(found: KafkaStatus, name: str) -> bool:
    return found.topics[name].in_sync < found.topics[name].replicas


def add_redis(report: Report, settings: Settings, found: RedisStatus) -> None:
    """Add the servers and the shards."""
    nodes = [asdict(node) for node in found.nodes]
    faults = [each.text for each in check_nodes(found.nodes) if each.level is Level.FAULT]
    report.add("redis", nodes, "; ".join(_describe_node(node) for node in found.nodes), faults)
    leads, late = sum(each.leads for each in found.shards), sum(each.late for each in found.shards)
    values = [
        {
            "partition": each.position.partition,
            "checkpoint": each.position.checkpoint,
            "owner": each.owner,
            "leads": each.leads,
            "outbox": each.outbox,
            "late_timers": each.late,
        }
        for each in found.shards
    ]
    problems = [f"the timers of {count_of(late, 'lead')} are late: leads cool too late."] if late else []
    problems += [explain_unfinished(found.plan)] if found.plan else []
    ids = f"{count_of(leads, 'id')} of leads (also joined and erased ones) and of accounts"
    report.add("shards", values, f"{len(values)}: {ids}, {count_of(late, 'late timer')}", problems)


def _describe_node(node: Node) -> str:
    limit = f" of {describe_size(node.max_memory_bytes)}" if node.max_memory_bytes else ""
    return f"{node.version} at {node.name}, {describe_size(node.memory_bytes)}{limit}, {node.policy}"


def add_scores(report: Report, settings: Settings, kafka: KafkaStatus, redis: RedisStatus, now_ms: int) -> None:
    """Add how fresh scores are, and what waits to be sent."""
    fresh = _freshness(kafka, redis, now_ms)
    values: dict[str, Any] = {"state": None, "scored_until": None, "waiting": None}
    line = "unknown, as topics are missing"
    if fresh is not None:
        values = {"state": fresh.state.value, "scored_until": fresh.scored_until, "waiting": fresh.waiting}
        line = fresh.describe()
    late = [fresh.describe()] if fresh is not None and fresh.is_notable and kafka.workers else []
    report.add("scores", values | {"sources": _lags(kafka)}, line, late)
    outbox = sum(each.outbox for each in redis.shards)
    dead, rejected = kafka.kept.get(settings.undelivered, 0), kafka.kept.get(settings.rejected, 0)
    waiting = [f"{outbox} alerts and scores wait to be sent."] if outbox > MANY_WAITING else []
    values = {"outbox": outbox, "undelivered": dead, "rejected": rejected}
    kept = f"{count_of(dead, 'undelivered alert')}, {count_of(rejected, 'rejected event')}"
    line = f"{outbox:,} waiting in outboxes; kept: {kept}"
    report.add("records", values, line, waiting)


def _freshness(kafka: KafkaStatus, redis: RedisStatus, now_ms: int) -> Freshness | None:
    if kafka.offsets is None or not redis.shards:
        return None
    progress = Progress(0)
    progress.add_look(kafka.offsets, [each.position for each in redis.shards], bool(kafka.workers), now_ms)
    return progress.at(now_ms)


def _lags(kafka: KafkaStatus) -> dict[str, int]:
    lags: dict[str, int] = {}
    for each in kafka.offsets.sources if kafka.offsets is not None else ():
        lags[each.topic] = lags.get(each.topic, 0) + max(each.end - each.done, 0)
    return lags


def add_log(report: Report, places: Sequence[ShardPlace]) -> None:
    """Add whether Kafka has all events that are still to be scored."""
    (found,) = check_log(places)
    problems = [found.text] if found.level is Level.FAULT else []
    line = "does not match the state in Redis" if problems else found.text
    report.add("log", [each.to_json() for each in places], line, problems)


def add_scorecards(report: Report, published: Published | None) -> None:
    """Add the published version of the scorecards."""
    if published is None:
        report.add(
            "scorecards", None, "none is published", ["no scorecards are published: a worker publishes its file."]
        )
        return
    item = published.item
    values = {"number": published.number, "version": item.version, "published": rfc3339(item.at_ms), "by": item.author}
    line = f"version {published.number} ({item.version[:12]}), published {rfc3339(item.at_ms)} by {item.author}"
    report.add("scorecards", values, line)


def add_processes(report: Report, probes: Iterable[Probe], must_answer: bool) -> None:
    """Add the processes; one that does not answer is a problem if it must."""
    probes = list(probes)
    report.values["processes"] = [asdict(each) for each in probes]
    for each in probes:
        name = each.name or each.url
        if each.answers:
            text = "ready" if each.is_ready else f"not ready: {each.reason}"
            report.problems += [] if each.is_ready else [f"{name} is not ready: {each.reason.rstrip('.')}."]
        else:
            text = f"no answer: {each.reason}" if must_answer else "not on this machine"
            report.problems += [f"{name} does not answer: {each.reason}."] if must_answer else []
        report.lines.append((name, f"{text}, {each.url}" if each.name else text))


def _ranges(partitions: Mapping[str, list[int]]) -> str:
    """Topics with their partitions, consecutive ones joined: ``web-events 0-3``."""
    parts = []
    for topic, numbers in partitions.items():
        runs: list[list[int]] = []
        for number in numbers:
            if runs and number == runs[-1][-1] + 1:
                runs[-1].append(number)
            else:
                runs.append([number])
        spans = ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
        parts.append(f"{topic} {spans}")
    return ", ".join(parts) or "nothing yet"
