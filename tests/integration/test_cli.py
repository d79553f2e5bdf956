"""Every command against real servers and a real worker."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from app.agreed import read_agreed
from app.embedded.redis import start_redis
from app.embedded.server import free_port
from app.repartition import kafka_side
from app.wiring import make_admin, make_store
from streams.clock import now_ms
from streams.scoring.lead import Lead
from streams.scoring.stored import encode
from streams.store.base import Commit, Verdict
from streams.transport.topics import partition_of
from tests.support.servers import Running
from tests.support.system import PARTITIONS, SCORECARDS, System
from tests.support.waiting import wait_for

PEOPLE = [f"u{i}" for i in range(12)]


@pytest.fixture
def system(kafka: Running, redis_url: str, unique: str) -> System:
    """Nothing is there yet."""
    return System(kafka, redis_url, unique)


@pytest.fixture(scope="module")
def running(kafka: Running, redis_server: Running) -> Iterator[System]:
    """A worker that has scored PEOPLE, each with an anonymous visit before."""
    system = System(kafka, redis_server.address, f"cli{now_ms()}")
    assert system.run("topics", "create").exit_code == 0
    with system.worker() as worker:
        worker.wait_ready()
        system.send((now_ms(), event) for person in PEOPLE for event in story(person))
        wait_for(lambda: len(system.run("leads", "export").stdout.splitlines()) == len(PEOPLE), "joined")
        wait_for(lambda: is_hot(system, PEOPLE[-1]), "scored")
        yield system
        assert worker.stop()[0] == 0


def story(person: str) -> list[dict[str, Any]]:
    """Later people have more fit: a ranking without ties."""
    anonymous = f"anonymous-{person}"
    traits = {"title": "CTO", "employees": 500} if int(person[1:]) > 5 else {"employees": 500}
    return [
        {"type": "track", "event": "Demo Requested", "messageId": f"d-{person}", "anonymousId": anonymous},
        {"type": "identify", "messageId": f"i-{person}", "anonymousId": anonymous, "userId": person,
         "traits": traits},
        {"type": "page", "messageId": f"p-{person}", "userId": person, "properties": {"url": "https://a/pricing"}},
    ]  # fmt: skip


def is_hot(system: System, lead_id: str) -> bool:
    result = system.run("lead", "show", lead_id, "--json")
    return result.exit_code == 0 and json.loads(result.stdout)["scorecards"]["default"]["score"] == 85


def elsewhere(first: str, second: str) -> bool:
    return partition_of(first, PARTITIONS) != partition_of(second, PARTITIONS)


# topics create ----------------------------------------------------------------------------------------------


async def configs_of(system: System, topic: str) -> dict[str, str]:
    admin = make_admin(system.settings)
    await admin.start()
    try:
        (reply,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return {row[0]: row[1] for row in reply.resources[0][4]}
    finally:
        await admin.close()


async def set_config(system: System, topic: str, configs: dict[str, str]) -> None:
    admin = make_admin(system.settings)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])
    finally:
        await admin.close()


def test_a_dry_run_creates_nothing(system: System) -> None:
    first = system.run("topics", "create", "--dry-run")
    second = system.run("topics", "create", "--dry-run")

    assert (first.exit_code, first.stdout) == (0, second.stdout)
    assert first.stdout.count("would be created") == 7


def test_topics_are_created_once_and_then_checked(system: System) -> None:
    first = system.run("topics", "create")
    second = system.run("topics", "create")

    assert (first.exit_code, first.stdout.count(": created, ")) == (0, 7)
    assert (second.exit_code, second.stdout.count(f": exists, {PARTITIONS} partitions")) == (0, 6)


@pytest.mark.usefixtures("_apache_kafka")
def test_topics_are_created_with_their_policies(system: System) -> None:
    system.run("topics", "create", retention_days="3")

    scores = asyncio.run(configs_of(system, system.settings.lead_scores))
    events = asyncio.run(configs_of(system, system.settings.lead_events))

    assert scores["cleanup.policy"] == "compact"
    assert (events["cleanup.policy"], events["retention.ms"]) == ("delete", str(3 * 86_400_000))
    assert (events["message.timestamp.type"], events["min.insync.replicas"]) == ("CreateTime", "1")


@pytest.mark.usefixtures("_apache_kafka")
def test_an_update_changes_what_differs_and_nothing_else(system: System) -> None:
    system.run("topics", "create", retention_days="3")
    asyncio.run(set_config(system, system.settings.handoff, {"retention.ms": "1", "segment.bytes": "2000000"}))

    told = system.run("topics", "create", retention_days="3")
    planned = system.run("topics", "create", "--update", "--dry-run", retention_days="3")
    updated = system.run("topics", "create", "--update", "--json", retention_days="3")
    again = system.run("topics", "create", retention_days="3")

    assert (told.exit_code, told.stderr.count("keeps records for")) == (78, 1), told.stderr
    assert told.stderr.count("refuses records whose time is more than 1h ahead") == 1  # Kafka 4 does by default
    assert "would be set: retention.ms=259200000" in planned.stdout
    assert [row["outcome"] for row in json.loads(updated.stdout) if ", set: " in row["outcome"]] == [
        f"exists, {PARTITIONS} partitions, set: retention.ms=259200000, message.timestamp.after.max.ms={2**63 - 1}"
    ]
    assert (planned.exit_code, updated.exit_code, again.exit_code) == (0, 0, 0)
    configs = asyncio.run(configs_of(system, system.settings.handoff))
    assert (configs["segment.bytes"], configs["cleanup.policy"]) == ("2000000", "delete")


def test_another_number_of_partitions_is_refused_only_where_it_matters(system: System) -> None:
    system.run("topics", "create")

    result = system.run("topics", "create", partitions="8")

    assert result.exit_code == 78
    assert f"set LEADGLOW_PARTITIONS={PARTITIONS}" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.usefixtures("_apache_kafka")
def test_more_copies_than_brokers_are_refused_in_kafkas_words(system: System) -> None:
    result = system.run("topics", "create", replication_factor="99")

    assert result.exit_code == 78
    assert "Kafka refused to create" in result.stderr
    assert "eplication" in result.stderr


# status -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_apache_kafka")
def test_the_status_of_a_running_system_is_shown_at_a_glance(running: System) -> None:
    report = running.run("status", "--json")
    found = json.loads(report.stdout)

    assert (report.exit_code, found["problems"]) == (0, []), found
    assert [each["partitions"][running.settings.lead_events] for each in found["workers"]["members"]] == [[0, 1, 2, 3]]
    assert sum(each["leads"] for each in found["shards"]) == 2 * len(PEOPLE)
    assert found["scorecards"]["number"] == 1
    assert "all is well" in running.run("status").stdout


@pytest.mark.parametrize("away", ["redis", "kafka"])
def test_the_status_says_what_cannot_be_reached(running: System, away: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    report = running.run("status", **{away: f"redis://{address}" if away == "redis" else address})

    assert report.exit_code == 70
    assert f"{away.capitalize()} at {address} cannot be reached" in report.stdout


def test_the_status_of_a_system_without_topics_and_of_a_named_process_that_is_away_is_1(system: System) -> None:
    report = system.run("status", "--probe", f"http://127.0.0.1:{free_port()}/metrics")

    assert report.exit_code == 1
    assert "run `leadglow topics create`" in report.stdout
    assert "does not answer" in report.stdout


# doctor -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_apache_kafka")
def test_the_doctor_finds_no_fault_in_a_running_system(running: System) -> None:
    report = running.run("doctor", "--json")

    assert report.exit_code == 0, report.stdout
    areas = [each["area"] for each in json.loads(report.stdout)["findings"] if each["level"] == "ok"]
    assert {"machine", "files", "kafka", "topics", "redis", "state"} == set(areas)


def test_the_doctor_names_the_faults_of_all_parts_at_once(system: System) -> None:
    report = system.run("doctor", board_access="nowhere.yaml", redis=f"redis://127.0.0.1:{free_port()}")

    assert report.exit_code == 1
    for words in ("correct LEADGLOW_BOARD_ACCESS", "run `leadglow topics create`", "cannot be reached", "9 faults"):
        assert words in " ".join(report.stdout.split())


# worker -----------------------------------------------------------------------------------------------------


def test_a_worker_without_topics_names_the_command_to_run(system: System) -> None:
    with system.worker() as worker:
        status, stderr = worker.ended()

    assert status == 78
    assert stderr.splitlines()[-1].endswith("run `leadglow topics create` first.")
    assert "Traceback" not in stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_stops_in_order_when_asked(system: System, number: int) -> None:
    system.run("topics", "create")
    with system.worker() as worker:
        worker.wait_ready()
        status, stderr = worker.stop(number)

    assert status == 0
    assert "stopping" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize("away", ["redis", "kafka"])
def test_a_worker_waits_for_a_server_that_is_away(system: System, away: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    url = f"redis://{address}" if away == "redis" else address
    with system.worker(**{away: url}) as worker:
        wait_for(lambda: worker.probe("/live") == 200, "alive")
        said = worker.says(f"{away.capitalize()} ")
        ready = worker.probe("/ready")
        status, _ = worker.stop()

    assert (ready, status) == (503, 0)
    assert "again" in said or "repeating" in said


def test_a_worker_refuses_a_redis_that_evicts(system: System, tmp_path: Path) -> None:
    server = start_redis(tmp_path, "--maxmemory-policy", "allkeys-lru")
    server.wait_ready()
    try:
        with system.worker(redis=f"redis://{server.address}") as worker:
            status, stderr = worker.ended()
    finally:
        server.stop()

    assert status == 78
    assert "noeviction" in stderr


def test_a_board_that_may_not_read_redis_names_the_permission(system: System, redis_url: str) -> None:
    name = system.settings.namespace
    with redis.Redis.from_url(redis_url) as admin:
        admin.execute_command("ACL", "SETUSER", name, "on", ">pw", "~others:*", "+@read", "+info", "+@connection")
        with system.board(redis=redis_url.replace("://", f"://{name}:pw@")) as board:
            status, stderr = board.ended()
        admin.execute_command("ACL", "DELUSER", name)

    assert status == 78, stderr
    assert stderr.splitlines()[-1].endswith(f"Allow them by `ACL SETUSER name ~{name}:*`.")
    assert "Traceback" not in stderr


def test_a_worker_with_a_wrong_number_of_partitions_is_refused_and_leaves_no_trace(system: System) -> None:
    system.run("topics", "create")
    with system.worker(partitions=str(PARTITIONS - 1)) as worker:
        status, stderr = worker.ended()

    assert status == 78
    assert f"set LEADGLOW_PARTITIONS={PARTITIONS}" in stderr
    with system.worker() as worker:
        worker.wait_ready()
        assert worker.stop()[0] == 0


def test_a_worker_names_the_port_that_is_taken(running: System) -> None:
    with running.worker() as first:
        port = first.address.rpartition(":")[2]
        with running.worker(metrics_port=port) as second:
            status, stderr = second.ended()

    assert status == 78
    assert "LEADGLOW_METRICS_PORT" in stderr


def test_log_lines_are_json_objects_on_request(system: System) -> None:
    system.run("topics", "create")
    with system.worker(log="json") as worker:
        worker.wait_ready()
        _, stderr = worker.stop()

    lines = [json.loads(line) for line in stderr.splitlines()]
    assert lines[-1]["event"].startswith("stopping")
    assert {"event", "level", "logger", "timestamp"} <= lines[-1].keys()


def test_a_crash_point_kills_the_worker(system: System) -> None:
    system.run("topics", "create")
    with system.worker(crash_at="committed:1") as worker:
        worker.wait_ready()
        system.send([(now_ms(), {"userId": "ana", "type": "page", "messageId": "1"})])
        status, _ = worker.ended()

    assert status == -signal.SIGKILL


# lead show, leads top, leads export -------------------------------------------------------------------------


def test_a_lead_is_shown_with_the_parts_that_sum_to_its_score(running: System) -> None:
    view = running.json("lead", "show", "u7")
    card = view["scorecards"]["default"]

    assert (view["lead_id"], view["aliases"], view["traits"]["title"]) == ("u7", ["anonymous-u7"], "CTO")
    assert (card["score"], card["grade"], card["stage"], card["stages"]["qualified"]) == (
        85,
        "A",
        "qualified",
        True,
    )
    assert sum(part["points"] for part in card["parts"]) == pytest.approx(card["exact"], abs=1e-8)
    assert card["next_change"]["to"] == 84


def test_a_lead_is_found_by_every_id_in_any_shard(running: System) -> None:
    person = next(p for p in PEOPLE if elsewhere(p, f"anonymous-{p}"))

    assert running.json("lead", "show", f"anonymous-{person}")["lead_id"] == person


def test_a_lead_is_shown_as_it_will_be(running: System) -> None:
    card = running.json("lead", "show", "u7", "--at", "+60d")["scorecards"]["default"]

    assert [part["amount"] for part in card["parts"] if part["name"] == "demo_request"] == [pytest.approx(0.5, 1e-3)]
    assert card["stages"] == {"engaged": True, "qualified": True}
    assert running.json("lead", "show", "u7", "--at", "+1000d")["scorecards"]["default"]["stage"] == "engaged"


def test_looking_ahead_changes_nothing(running: System) -> None:
    running.json("lead", "show", "u7", "--at", "+1000d")

    assert is_hot(running, "u7")


def test_people_read_the_same_as_programs(running: System) -> None:
    text = running.run("lead", "show", "u7").stdout

    for word in ("u7", "anonymous-u7", "85", "grade A", "demo_request", "will be 84"):
        assert word in text


def test_an_unknown_lead_has_a_status_of_its_own(running: System) -> None:
    result = running.run("lead", "show", "nobody", "--json")

    assert (result.exit_code, result.stdout) == (3, "")
    assert "there is no lead 'nobody'" in result.stderr


def test_the_ranking_merges_the_shards(running: System) -> None:
    rows = running.json("leads", "top")

    assert {row["lead_id"] for row in rows[:6]} == {f"u{i}" for i in range(6, 12)}
    assert {row["lead_id"] for row in rows} == set(PEOPLE)
    assert [row["exact"] for row in rows] == sorted((row["exact"] for row in rows), reverse=True)
    assert {"lead_id", "scorecard", "score", "exact", "grade", "stage"} <= rows[0].keys()


def test_the_ranking_is_as_long_as_asked_for(running: System) -> None:
    assert len(running.json("leads", "top", "--limit", "3", "--scorecard", "default")) == 3
    assert len(running.run("leads", "top", "--limit", "3").stdout.splitlines()) == 4


def test_every_lead_is_exported_once_as_shown(running: System) -> None:
    lines = [json.loads(line) for line in running.run("leads", "export", "--at", "+30d").stdout.splitlines()]
    parts = {line["lead_id"]: line["scorecards"]["default"]["parts"][0]["name"] for line in lines}

    assert sorted(line["lead_id"] for line in lines) == sorted(PEOPLE)
    assert (
        parts["u7"] == running.json("lead", "show", "u7", "--at", "+30d")["scorecards"]["default"]["parts"][0]["name"]
    )


def test_a_change_of_the_scorecards_is_tried_on_the_live_leads(running: System, tmp_path: Path) -> None:
    changed = tmp_path / "changed.yaml"
    text = SCORECARDS.read_text()
    changed.write_text(text.replace("enter: 70, leave: 50", "enter: 95, leave: 90"))
    report = running.json("scorecards", "diff", str(changed))
    stage = report["scorecards"]["default"]["stages"]["qualified"]

    assert report["leads"] == len(PEOPLE)
    assert (stage["before"], stage["after"], stage["left"]) == (6, 0, 6)
    assert sum(is_hot(running, person) for person in PEOPLE) == 6


def test_state_for_another_number_of_partitions_is_not_misread(running: System) -> None:
    result = running.run("lead", "show", "u7", partitions="5")

    assert result.exit_code == 78
    assert "set LEADGLOW_PARTITIONS=4" in result.stderr


@pytest.mark.usefixtures("_apache_kafka")
def test_restore_agrees_with_workers_about_shards_without_state(running: System) -> None:
    assert running.run("restore").exit_code == 0
    new = running.run("restore", namespace=f"{running.settings.namespace}-new")
    assert (new.exit_code, "is LEADGLOW_NAMESPACE right?" in new.stderr) == (78, True)
    lost = running.settings.redis.removesuffix("/0") + "/1"
    wait_for(lambda: "Redis has no state" in running.run("restore", redis=lost).stderr, "committed", 20)
    assert running.run("restore", redis=lost, rebuild_when_lost="true").exit_code == 0


def test_a_repartition_says_what_it_would_do_and_refuses_what_does_not_fit(
    running: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_side, "LEAVE_S", 0)
    plan = json.loads(running.run("repartition", "--to", "12", "--dry-run", "--json").stdout)

    assert (plan["from"], plan["to"], plan["topic_partitions"], plan["workers"]) == (4, 12, 4, 1)
    assert (plan["leads"], plan["resumes"], plan["warnings"]) == (2 * len(PEOPLE), "", ["1 worker runs: stop it first"])
    assert 0 < plan["memory_bytes"] < 1_000_000
    warned = running.run("repartition", "--to", "6", "--dry-run").stdout
    assert "1 worker runs: stop it first." in warned
    assert "Let the notifier catch up first" in warned
    assert "divided among 4 partitions already" in running.run("repartition", "--to", "4").stdout
    for args, status, words in (
        (("--to", "3"), 78, "name a larger number"),
        (("--cancel",), 78, "no repartition has begun"),
        (("--to", "12", "--json"), 2, "--yes or --dry-run"),
        ((), 2, "--to N"),
        (("--to", "12"), 78, "1 worker still runs"),
        (("--to", "12", "--yes"), 78, "Stop it first"),
    ):
        result = running.run("repartition", *args)
        assert (result.exit_code, words in result.stderr) == (status, True), result.stderr
        assert "Repartition?" not in result.output
    assert not asyncio.run(read_agreed(running.settings)).plan


def test_a_repartition_of_nothing_names_the_setting(system: System) -> None:
    result = system.run("repartition", "--to", "12", "--yes")

    assert result.exit_code == 78
    assert "set LEADGLOW_PARTITIONS=12" in result.stderr


def test_reading_leaves_no_trace_in_an_empty_redis(system: System) -> None:
    assert system.run("lead", "show", "ana").exit_code == 3
    assert asyncio.run(agreed_partitions(system, "7")) == "7"


async def agreed_partitions(system: System, proposed: str) -> str:
    store = make_store(system.settings)
    try:
        return await store.meta("partitions", proposed)
    finally:
        await store.close()


# erase ------------------------------------------------------------------------------------------------------


def test_erasing_by_any_id_forgets_the_whole_lead(running: System) -> None:
    result = running.run("erase", "anonymous-u0", "--yes")

    assert (result.exit_code, result.stderr) == (0, "")
    for lead_id in ("u0", "anonymous-u0"):
        shown = running.run("lead", "show", lead_id)
        assert shown.exit_code == 3
        assert "erased" in shown.stderr
    assert "u0" not in {row["lead_id"] for row in running.json("leads", "top")}
    again = running.run("erase", "u0", "--yes")
    assert again.exit_code == 3
    assert "was erased before" in again.stderr


def test_nothing_is_erased_without_a_yes(running: System) -> None:
    result = running.run("erase", "u1", stdin="n\n")

    assert result.exit_code == 1
    assert running.json("lead", "show", "u1")["lead_id"] == "u1"


def test_an_erasure_without_a_worker_reports_a_timeout(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.erase.WAIT_S", 0.3)
    system.run("topics", "create")
    asyncio.run(put_lead(system, "ana"))

    result = system.run("erase", "ana", "--yes")

    assert result.exit_code == 70
    assert "leadglow worker" in result.stderr
    (tombstone,) = system.records(system.settings.lead_events)
    assert (tombstone.key, tombstone.value, tombstone.partition) == (
        b"ana",
        None,
        partition_of("ana", PARTITIONS),
    )


async def put_lead(system: System, lead_id: str) -> None:
    """Store a lead as a worker would have left it."""
    store = make_store(system.settings)
    step = Commit(0, "", "s1", {}, {lead_id: encode(Lead(now_ms()))})
    assert await store.commit(partition_of(lead_id, PARTITIONS), step) is Verdict.OK
    await store.close()


@pytest.mark.parametrize("lead_id", ["nobody", "nobody@acme.example"])
def test_an_unknown_lead_is_not_erased(system: System, lead_id: str) -> None:
    system.run("topics", "create")

    result = system.run("erase", lead_id, "--yes")

    assert (result.exit_code, result.stdout) == (3, "")
    assert f"there is no lead '{lead_id}', so nothing was erased" in result.stderr
    assert system.records(system.settings.lead_events) == []


# rebuild ----------------------------------------------------------------------------------------------------


def test_a_rebuild_restores_everything_and_sends_no_alert_again(running: System) -> None:
    before = running.json("leads", "top")
    alerts = len(running.records(running.settings.handoff))

    result = running.run("rebuild", "--yes")

    assert result.exit_code == 0
    wait_for(lambda: names(running.json("leads", "top")) == names(before), "rebuilt")
    running.wait_until_scored()
    assert len(running.records(running.settings.handoff)) == alerts >= 6


def names(rows: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return sorted((row["lead_id"], row["score"]) for row in rows)


def test_a_worker_that_starts_after_a_rebuild_begins_at_the_beginning(system: System) -> None:
    system.run("topics", "create")
    event = {"type": "page", "messageId": "1", "userId": "ana"}
    with system.worker() as worker:
        worker.wait_ready()
        system.send([(now_ms(), event)])
        wait_for(lambda: system.run("lead", "show", "ana").exit_code == 0, "scored")
        assert worker.stop()[0] == 0

    assert system.run("rebuild", "--yes").exit_code == 0
    assert system.run("lead", "show", "ana").exit_code == 3
    with system.worker():
        wait_for(lambda: system.run("lead", "show", "ana").exit_code == 0, "scored again")


def test_nothing_is_rebuilt_without_a_yes(running: System) -> None:
    assert running.run("rebuild", stdin="n\n").exit_code == 1
    assert running.run("lead", "show", "u7").exit_code == 0


def test_a_rebuild_needs_the_topic_of_the_events(system: System) -> None:
    result = system.run("rebuild", "--yes")

    assert result.exit_code == 78
    assert "topics create" in result.stderr
