"""The reports of `status` and `doctor`, without servers."""

from __future__ import annotations

from dataclasses import replace

from app.checkup.kafka_status import KafkaStatus, Worker
from app.checkup.probing import Probe, local_urls
from app.checkup.redis_status import Node, RedisStatus, Shard, parse_info
from app.checkup.report import Report, add_kafka, add_processes, add_redis, add_scores
from app.freshness import Offsets, ShardPosition, Source
from app.settings import Settings
from app.topic_settings import TopicState, topic_specs

NOW = 1_795_000_000_000
SETTINGS = Settings(partitions=2, sources=("web",), collector_web_topic="web", collector_mail_topic="web")
TOPICS = {spec.name: TopicState(spec.partitions, 3, 3) for spec in topic_specs(SETTINGS)}
WORKER = Worker("faust", "10.0.0.1", {"lead-events": [0, 1], "web": [0, 1]})
OFFSETS = Offsets({0: 5, 1: 5}, [Source("web", 0, 5, 5, NOW)], NOW)
KAFKA = KafkaStatus(3, TOPICS, [WORKER], {}, OFFSETS, {"undelivered": 0, "rejected-events": 0})
NODE = Node("r:6379", "Redis 7.2.0", "7.2.0", "noeviction", 10, 100, False, False, True, NOW)
SHARD = Shard(ShardPosition(0, 5, NOW, False), "w", 3, 0, 0)
REDIS = RedisStatus([NODE], [SHARD, replace(SHARD, position=ShardPosition(1, 5, NOW, False))])


def report(kafka: KafkaStatus = KAFKA, redis: RedisStatus = REDIS) -> Report:
    made = Report()
    add_kafka(made, SETTINGS, kafka)
    add_redis(made, SETTINGS, redis)
    add_scores(made, SETTINGS, kafka, redis, NOW)
    return made


def test_a_healthy_system_has_no_problems() -> None:
    made = report()

    assert made.to_json()["ok"]
    assert made.values["scores"]["state"] == "current"
    assert dict(made.lines)["workers"] == "1: faust on 10.0.0.1 reads lead-events 0-1, web 0-1"


def test_each_problem_is_named_once() -> None:
    few = {**TOPICS, "handoff": TopicState(2, 3, 2)}
    late = replace(SHARD, late=7, outbox=2000)
    behind = Offsets({0: 9, 1: 5}, [], NOW)
    cases = {
        "no worker is running": report(replace(KAFKA, workers=[], unowned={"web": [0, 1]})),
        "no worker reads web 1": report(replace(KAFKA, unowned={"web": [1]})),
        "Kafka has no topic handoff": report(
            replace(KAFKA, topics={k: v for k, v in TOPICS.items() if k != "handoff"})
        ),
        "replicas of handoff are not in sync": report(replace(KAFKA, topics=few)),
        "may evict leads": report(redis=replace(REDIS, nodes=[replace(NODE, policy="allkeys-lru")])),
        "is nearly full": report(redis=replace(REDIS, nodes=[replace(NODE, memory_bytes=95)])),
        "timers of 7 leads are late": report(redis=RedisStatus([NODE], [replace(late, outbox=0)])),
        "2000 alerts and scores wait": report(redis=RedisStatus([NODE], [replace(late, late=0)])),
        "Scoring is behind": report(
            replace(KAFKA, offsets=behind),
            RedisStatus([NODE], [replace(SHARD, position=ShardPosition(0, 5, NOW - 60_000, False))]),
        ),
    }
    for words, made in cases.items():
        assert [words in problem for problem in made.problems] == [True], (words, made.problems)


def test_a_process_that_is_named_must_answer_and_another_one_may_be_elsewhere() -> None:
    probes = [
        Probe("board", "http://b", False, False, "refused"),
        Probe("worker", "http://w", True, False, "warming up"),
    ]
    named, local = Report(), Report()
    add_processes(named, probes, must_answer=True)
    add_processes(local, probes, must_answer=False)

    assert named.problems == ["board does not answer: refused.", "worker is not ready: warming up."]
    assert local.problems == ["worker is not ready: warming up."]


def test_processes_on_this_machine_are_asked_at_the_ports_of_the_settings() -> None:
    assert local_urls(Settings(metrics_host="0.0.0.0", metrics_port=0, board_metrics_port=1)) == {
        "collector": "http://127.0.0.1:9096",
        "board": "http://127.0.0.1:1",
        "notify": "http://127.0.0.1:9098",
    }


def test_valkey_is_named_and_has_the_version_that_it_is_compatible_with() -> None:
    node = parse_info("r", {"redis_version": "7.2.4", "valkey_version": "9.1.0", "role": "slave", "aof_enabled": 1})

    assert (node.version, node.compatible, node.is_replica, node.is_persistent) == ("Valkey 9.1.0", "7.2.4", True, True)
