"""The reports of `status` and `doctor`, without servers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import permissions
from app.checkup.findings import Finding, Level
from app.checkup.kafka_checks import check_kafka
from app.checkup.kafka_status import KafkaStatus
from app.checkup.machine_checks import check_files, is_writable
from app.checkup.probing import Probe, local_urls
from app.checkup.redis_checks import check_nodes
from app.checkup.redis_status import Node, RedisStatus, Shard, parse_info
from app.checkup.report import Report, add_kafka, add_log, add_processes, add_redis, add_scores
from app.cli import doctor, root
from app.cli.doctor import Process
from app.collector.keyring import load_keys
from app.freshness import Offsets, ShardPosition, Source
from app.group_members import Member
from app.log_gaps import ShardPlace
from app.permissions import PERMISSIONS
from app.private_files import write_private
from app.settings import Settings
from app.topic_settings import TopicState, topic_specs
from streams.store.base import Control

NOW = 1_795_000_000_000
SOURCES: dict[str, Any] = {
    "partitions": 2, "sources": ("web",), "collector_web_topic": "web", "collector_mail_topic": "web",
}  # fmt: skip
SETTINGS = Settings(**SOURCES)
TOPICS = {spec.name: TopicState(spec.partitions, 3, 3) for spec in topic_specs(SETTINGS)}
WORKER = Member("faust", "10.0.0.1", {"lead-events": [0, 1], "web": [0, 1]})
OFFSETS = Offsets({0: 5, 1: 5}, [Source("web", 0, 5, 5, NOW)], NOW)
KAFKA = KafkaStatus(3, TOPICS, [WORKER], {}, OFFSETS, {"undelivered": 0, "rejected-events": 0})
NODE = Node("r:6379", "Redis 7.2.0", "7.2.0", "noeviction", 10, 100, False, False, True, 0)
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
        "is a replica": report(redis=replace(REDIS, nodes=[replace(NODE, is_replica=True)])),
        "timers of 7 leads are late": report(redis=RedisStatus([NODE], [replace(late, outbox=0)])),
        "2000 alerts and scores wait": report(redis=RedisStatus([NODE], [replace(late, late=0)])),
        "Scoring is behind": report(
            replace(KAFKA, offsets=behind),
            RedisStatus([NODE], [replace(SHARD, position=ShardPosition(0, 5, NOW - 60_000, False))]),
        ),
    }
    for words, made in cases.items():
        assert [words in problem for problem in made.problems] == [True], (words, made.problems)


def test_a_repartition_that_has_begun_is_a_problem_and_the_command_goes_on() -> None:
    (problem,) = report(redis=replace(REDIS, plan='{"old":2,"new":4}')).problems

    assert problem.startswith("`leadglow repartition --to 4` has begun")
    assert "--cancel" in problem


def test_events_that_kafka_removed_unscored_are_a_gap_and_do_not_wait() -> None:
    gap, whole = (
        ShardPlace(partition, Control(1, "a", {"ckpt": b"%d" % at}), 76, 100) for partition, at in ((0, 10), (1, 90))
    )
    late = [replace(SHARD, position=ShardPosition(p, at, NOW, False)) for p, at in ((0, 10), (1, 90))]
    made = report(replace(KAFKA, offsets=Offsets({0: 100, 1: 100}, [], NOW, {0: 76, 1: 76})), RedisStatus([NODE], late))
    add_log(made, [gap, whole])

    assert made.values["scores"]["waiting"] == 24 + 10
    (problem,) = [each for each in made.problems if "leadglow restore" in each]
    assert "66" in problem
    assert "partition 0 " in problem
    assert made.values["log"][0]["missing"]["offsets"] == 66


def test_a_log_that_continues_the_state_is_no_problem() -> None:
    made = report()
    add_log(made, [ShardPlace(0, Control(1, "a", {"ckpt": b"5"}), 5, 5)])

    assert made.problems == []


@pytest.mark.parametrize(
    ("state", "words"), [(None, ["or name a fresh topic"]), (3, []), (2, ["and Redis holds state for 2: stop all"])]
)
def test_a_wrong_setting_is_named_once_if_topic_and_state_agree(state: int | None, words: list[str]) -> None:
    made = Report()
    topics = {**TOPICS, "lead-events": TopicState(3, 3, 3)}
    add_kafka(made, SETTINGS, replace(KAFKA, topics=topics), state)

    faults = told(check_kafka(SETTINGS, 3, {"lead-events": TopicState(3, 3, 3)}, state))
    faults = [each for each in faults if not each.startswith("there is no topic")]
    for found in (made.problems, faults):
        assert [each in text for each, text in zip(words, found, strict=True)] == [True] * len(words), found


def test_a_single_thing_is_named_in_the_singular(capsys: pytest.CaptureFixture[str]) -> None:
    made = report(replace(KAFKA, kept={"undelivered": 1, "rejected-events": 1}))
    assert dict(made.lines)["records"].endswith("kept: 1 undelivered alert, 1 rejected event")
    assert told(check_kafka(Settings(**SOURCES, replication_factor=3), 1, {}))[0].startswith(
        "LEADGLOW_REPLICATION_FACTOR is 3, but the cluster has 1 broker:"
    )

    doctor._print([Finding(Level.FAULT, "redis", "a"), Finding(Level.WARNING, "redis", "b")])
    assert capsys.readouterr().out.endswith("1 fault, 1 warning\n")


def test_redis_is_measured_in_the_unit_of_its_settings() -> None:
    node = replace(NODE, memory_bytes=2 << 20, max_memory_bytes=100 << 20)

    lines = dict(report(redis=replace(REDIS, nodes=[node])).lines)

    assert "2 MiB of 100 MiB" in lines["redis"]
    assert lines["shards"].startswith("2: 6 ids of leads (also joined and erased ones) and of accounts")


def test_a_process_that_is_named_must_answer_and_another_one_may_be_elsewhere() -> None:
    probes = [
        Probe("board", "http://b", False, False, "refused"),
        Probe("worker", "http://w", True, False, "warming up"),
        Probe("notify", "http://n", True, False, "Redis is away."),
    ]
    named, local = Report(), Report()
    add_processes(named, probes, must_answer=True)
    add_processes(local, probes, must_answer=False)

    not_ready = ["worker is not ready: warming up.", "notify is not ready: Redis is away."]
    assert named.problems == ["board does not answer: refused.", *not_ready]
    assert local.problems == not_ready


def test_processes_on_this_machine_are_asked_at_the_ports_of_the_settings() -> None:
    assert local_urls(Settings(metrics_host="0.0.0.0", metrics_port=0, board_metrics_port=1)) == {
        "collector": "http://127.0.0.1:9096",
        "board": "http://127.0.0.1:1",
        "notify": "http://127.0.0.1:9098",
    }


def test_valkey_is_named_and_has_the_version_that_it_is_compatible_with() -> None:
    info = {"redis_version": "7.2.4", "valkey_version": "9.1.0", "role": "slave", "aof_enabled": 1}
    node = parse_info("r", info, NOW, NOW)

    assert (node.version, node.compatible, node.is_replica, node.is_persistent) == ("Valkey 9.1.0", "7.2.4", True, True)
    assert node.skew_ms == 0


@pytest.mark.parametrize(("ahead_ms", "skew_ms"), [(-3005, 3000), (-5, 0), (0, 0), (5, 0), (3005, 3000)])
def test_clocks_differ_by_what_the_time_of_the_answer_does_not_explain(ahead_ms: int, skew_ms: int) -> None:
    assert parse_info("r", {"server_time_usec": (NOW + ahead_ms) * 1000}, NOW - 5, NOW + 5).skew_ms == skew_ms


def test_the_permissions_of_every_process_can_be_examined_and_those_of_commands_are_listed() -> None:
    processes = {"worker", "collector", "board"}

    assert {each.value for each in Process} == set(PERMISSIONS)
    assert set(permissions.COMMANDS) == {*root.COMMANDS} - processes
    assert {name for name, each in PERMISSIONS.items() if each.redis} == {"worker", "board"}


# doctor -----------------------------------------------------------------------------------------------------


def told(findings: list[Finding], level: Level = Level.FAULT) -> list[str]:
    return [each.text for each in findings if each.level is level]


def test_a_sound_redis_is_neither_a_fault_nor_a_warning() -> None:
    found = check_nodes([NODE])

    assert [each.level for each in found] == [Level.OK]


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"compatible": "6.2.1"}, Level.FAULT, "too old: update it to 7.0"),
        ({"policy": "volatile-lru"}, Level.FAULT, "set `maxmemory-policy noeviction`"),
        ({"memory_bytes": 91}, Level.FAULT, "raise `maxmemory`"),
        ({"is_replica": True}, Level.FAULT, "name the primary"),
        ({"skew_ms": 3000}, Level.FAULT, "differ by 3.0 s"),
        ({"max_memory_bytes": 0}, Level.WARNING, "no `maxmemory`"),
        ({"is_persistent": False}, Level.WARNING, "Set `appendonly yes`"),
    ],
)
def test_each_fault_of_redis_has_its_remedy(changed: dict[str, Any], level: Level, words: str) -> None:
    found = check_nodes([replace(NODE, **changed)])

    assert [words in text for text in told(found, level)] == [True]


def test_the_brokers_and_topics_of_a_sound_kafka_are_no_fault() -> None:
    kept = {"cleanup.policy": "delete", "retention.ms": str(28 * 86_400_000), "min.insync.replicas": "2"}
    topics = {name: replace(state, configs=kept) for name, state in TOPICS.items()}
    sound = Settings(replication_factor=3, min_insync_replicas=2, **SOURCES)
    for name in ("lead-scores", "scorecards"):
        topics[name] = replace(topics[name], configs={"cleanup.policy": "compact"})

    assert {each.level for each in check_kafka(sound, 3, topics)} == {Level.OK}
    more = {**topics, "lead-events": replace(topics["lead-events"], partitions=3)}
    assert [each.area for each in check_kafka(sound, 3, more, state=3)] == ["kafka"]  # Redis names the setting
    assert [each.level for each in check_kafka(SETTINGS, 3, topics)][1] is Level.WARNING  # one replica
    assert told(check_kafka(sound, 2, topics)) == [
        "LEADGLOW_REPLICATION_FACTOR is 3, but the cluster has 2 brokers: add brokers, or lower it."
    ]
    del topics["handoff"]
    topics["lead-events"] = replace(topics["lead-events"], partitions=3, in_sync=2)
    found = check_kafka(sound, 3, topics)
    assert [text.split(":")[0] for text in told(found)] == [
        "lead-events has 3 partitions instead of 2",
        "there is no topic handoff",
    ]
    assert "2 of 3 replicas in sync" in told(found, Level.WARNING)[0]


def test_files_are_read_as_their_processes_do_and_secrets_are_for_the_owner_alone(tmp_path: Path) -> None:
    keys, access = tmp_path / "keys.yaml", tmp_path / "access.yaml"
    keys.write_text("leadglow_keys: 2\n")
    keys.chmod(0o640)
    settings = Settings(collector_keys=keys, board_access=access, scorecards=tmp_path / "none.yaml", notify_routes=keys)
    loads: dict[str, Any] = dict.fromkeys(("collector_keys", "board_access", "scorecards", "notify_routes"), load_keys)
    found = check_files(settings, loads)

    for words, text in zip(("keys.yaml:1:16:", "(mode 640)", "no file", "keys.yaml:1:16:"), told(found), strict=True):
        assert words in text
    for words, text in zip(("use the published", "(mode 640)"), told(found, Level.WARNING), strict=True):
        assert words in text


def test_a_file_that_this_user_cannot_read_is_a_fault(tmp_path: Path) -> None:
    def read(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    write_private(key := tmp_path / "key.pem", "a key of another user")
    settings = Settings(kafka_tls=True, kafka_client_certificate=key, kafka_client_key=key)
    (finding,) = check_files(settings, {"kafka_client_key": read})

    assert finding.level is Level.FAULT
    assert finding.text.startswith(f"LEADGLOW_KAFKA_CLIENT_KEY: {key} cannot be read (Permission denied)")


@pytest.mark.parametrize(
    ("target", "words"),
    [("none/a.log", "No such file or directory"), (".", "Is a directory"), ("a.log", "a.log can be written")],
)
def test_an_audit_log_that_cannot_be_written_is_a_fault_and_is_not_made(
    target: str, words: str, tmp_path: Path
) -> None:
    (finding,) = check_files(Settings(audit_log=str(tmp_path / target)), {})

    assert words in finding.text
    assert "LEADGLOW_AUDIT_LOG" in finding.text
    assert finding.level is (Level.OK if target == "a.log" else Level.FAULT)
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_is_not_there_is_writable_if_it_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert is_writable(tmp_path / "a" / "b")
    assert not is_writable(tmp_path / "file" / "b")
