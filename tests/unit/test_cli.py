"""Commands without a server: help, mistakes, statuses, settings made into clients."""

import asyncio
import io
import json
import os
import ssl
import subprocess
import sys
from contextlib import nullcontext
from importlib.abc import MetaPathFinder
from importlib.metadata import version as installed_version
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
import typer
from aiokafka.errors import GroupAuthorizationFailedError
from typer.testing import CliRunner, Result

from app.__main__ import main as whole_program
from app.checkup.probing import probe_all
from app.cli import topics
from app.cli import worker as worker_command
from app.cli.common import confirm, open_store
from app.cli.errors import CommandError
from app.cli.leads import find_card
from app.cli.output import OutputLost, checked_output
from app.cli.published import load_file_rules
from app.cli.rebuild import empty_shard
from app.cli.root import COMMANDS, _select_commands, build, main
from app.cli.unreachable import explain_kafka_failure, explain_redis_failure
from app.kafka_login import faust_credentials, kafka_options
from app.settings import Settings
from app.topic_settings import TopicState, differences, topic_specs
from app.wiring import make_crash_point, make_worker
from streams.metrics import Metrics
from streams.store.base import Commit, Verdict
from streams.store.memory import MemoryStore

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests/data/scorecards"
NOWHERE = {"LEADGLOW_KAFKA": "127.0.0.1:1", "LEADGLOW_REDIS": "redis://:secret@127.0.0.1:1"}
GOLDEN = {"LEADGLOW_SCORECARDS": str(DATA / "golden.yaml")}


def run(*args: str, **env: str) -> Result:
    return CliRunner().invoke(build(), list(args), env=NOWHERE | GOLDEN | env)


def sasl(**more: Any) -> Settings:
    return Settings(
        kafka_sasl_mechanism="SCRAM-SHA-512", kafka_sasl_username="ana", kafka_sasl_password="secret", **more
    )


# Questions --------------------------------------------------------------------------------------------------


def test_the_end_of_the_input_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(CommandError, match="nothing was changed"):
        confirm("Publish?", "nothing was changed.")


# What people read -------------------------------------------------------------------------------------------


def test_the_version_is_printed() -> None:
    assert run("--version").stdout == f"leadglow {installed_version('leadglow')}\n"


def test_help_lists_every_command_in_a_readable_order() -> None:
    said = run("--help").stdout

    places = [said.index(f"\n  {name} ") for name in ("worker", "topics", "scorecards", "lead", "leads", "erase")]
    assert places == sorted(places)


@pytest.mark.parametrize("path", [("worker",), ("topics", "create"), ("lead", "show"), ("erase",), ("rebuild",)])
def test_every_command_explains_itself_without_a_server(path: tuple[str, ...]) -> None:
    result = run(*path, "--help")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 5
    assert run(*path, "-h").stdout == result.stdout


@pytest.mark.parametrize(
    ("words", "imported"),
    [("leadglow to", ()), ("leadglow topics cr", ("topics",)), ("leadglow", ()), (None, COMMANDS)],
)
def test_completion_imports_only_the_command_that_is_completed(
    monkeypatch: pytest.MonkeyPatch, words: str | None, imported: tuple[str, ...]
) -> None:
    if words is not None:
        monkeypatch.setenv("_LEADGLOW_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", words)

    assert tuple(_select_commands(())) == imported
    assert {each.name for each in build(()).registered_commands} == set(COMMANDS)


# Mistakes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "it may require TLS (LEADGLOW_KAFKA_TLS), SASL (LEADGLOW_KAFKA_SASL_MECHANISM) or a certificate (LEAD"),
        (
            {"kafka_tls": True},
            "this port may not speak TLS, and LEADGLOW_KAFKA_TLS is set; or it may require SASL (LEADGLOW_KAFKA_SASL_ME"
            "CHANISM) or a certificate (LEADGLOW_KAFKA_CLIENT_CERTIFICATE).",
        ),
    ],
)
def test_a_broker_that_closes_the_connection_is_explained_by_what_is_set(more: dict[str, Any], said: str) -> None:
    assert said in explain_kafka_failure(Settings(**more), ConnectionResetError())


def test_a_number_with_a_comma_is_refused_with_an_example() -> None:
    result = run("leads", "top", LEADGLOW_TRACE_RATIO="0,01")

    assert result.exit_code == 78
    assert "LEADGLOW_TRACE_RATIO: must be a number, with a point: 0.01" in result.stderr


def test_all_wrong_settings_are_reported_at_once_with_status_78() -> None:
    result = run("leads", "top", LEADGLOW_KAFKAA="x", LEADGLOW_PARTITIONS="many")

    assert (result.exit_code, result.stdout) == (78, "")
    assert "did you mean LEADGLOW_KAFKA?" in result.stderr
    assert "LEADGLOW_PARTITIONS" in result.stderr


def test_a_worker_with_a_bad_scorecard_file_ends_with_78_and_its_mistakes() -> None:
    result = run("worker", LEADGLOW_SCORECARDS=str(DATA / "mistakes.yaml"), LEADGLOW_METRICS_PORT="0")

    assert result.exit_code == 78
    assert "mistakes.yaml:3:24" in result.stderr
    assert "LEADGLOW_SCORECARDS" in result.stderr


@pytest.mark.parametrize("args", [("leads", "top"), ("leads", "export"), ("lead", "show", "ana"), ("erase", "ana")])
def test_an_unreachable_redis_is_reported_without_its_password(args: tuple[str, ...]) -> None:
    result = run(*args)

    assert result.exit_code == 70
    assert result.stderr == (
        "leadglow: Redis at 127.0.0.1:1 cannot be reached: check that it is running, and LEADGLOW_REDIS.\n"
    )


def test_a_redis_that_refuses_the_user_is_reported_with_its_message() -> None:
    from redis.exceptions import AuthenticationError

    said = explain_redis_failure(Settings(redis="redis://ana:secret@r:1"), AuthenticationError("WRONGPASS invalid"))

    assert said.startswith("Redis at r:1 refuses the log-in (WRONGPASS invalid)")


@pytest.mark.parametrize("args", [("topics", "create"), ("rebuild", "--yes")])
def test_an_unreachable_kafka_is_reported(args: tuple[str, ...]) -> None:
    result = run(*args)

    assert result.exit_code == 70
    assert "leadglow: Kafka at 127.0.0.1:1 cannot be reached" in result.stderr


@pytest.mark.parametrize("option", ["--kafka=x:abc", "--redis=bogus"])
def test_the_demo_refuses_an_invalid_address(option: str) -> None:
    result = run("demo", "--events", "10", option)

    assert result.exit_code == 2
    assert "must " in result.stderr


@pytest.mark.parametrize("rate", ["inf", "nan", "0"])
def test_the_demo_refuses_a_rate_that_is_none(rate: str) -> None:
    result = run("demo", "--events", "10", "--rate", rate)

    assert result.exit_code == 2
    assert "--rate" in result.stderr


@pytest.mark.parametrize("at", ["tomorrow", "+7", "-7d", "2026-13-01", "+999999999d", ""])
def test_an_invalid_time_is_a_usage_error(at: str) -> None:
    result = run("lead", "show", "ana", f"--at={at}")

    assert result.exit_code == 2
    assert "is not a time" in result.stderr


def test_a_time_that_is_over_is_a_mistake_of_usage() -> None:
    result = run("leads", "export", "--at", "2020-01-01T00:00:00Z")

    assert result.exit_code == 2
    assert "is in the past" in result.stderr


@pytest.mark.parametrize("at", ["+7d", "+1.5h", "2999-12-24", "2999-12-24T18:00:00Z", "2999-12-24T18:00:00+02:00"])
def test_times_to_come_are_understood(at: str) -> None:
    assert "Redis" in run("lead", "show", "ana", "--at", at).stderr


def test_an_unknown_scorecard_is_reported_with_the_known_ones() -> None:
    rules = load_file_rules(Settings(scorecards=DATA / "golden.yaml"))

    with pytest.raises(CommandError, match="there are: default"):
        find_card(rules, "sales")


def test_an_error_that_should_not_be_ends_with_70_and_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.cli.leads.open_store", lambda settings: 1 / 0)
    monkeypatch.setattr("sys.argv", ["leadglow", "leads", "top"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 70
    assert "ZeroDivisionError" in capsys.readouterr().err


def process(*args: str, stdout: int | IO[bytes]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "app", *args], stdout=stdout, stderr=subprocess.PIPE, cwd=ROOT, check=False
    )


def without_a_reader() -> int:
    """The writing end of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    return write


@pytest.mark.parametrize("args", [("scorecards", "schema"), ("--help",)])
def test_a_reader_that_went_away_ends_a_command_quietly(args: tuple[str, ...]) -> None:
    pipe = without_a_reader()

    ended = process(*args, stdout=pipe)

    os.close(pipe)
    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has such a device")
def test_output_that_cannot_be_written_is_reported_in_one_sentence() -> None:
    with open("/dev/full", "wb") as full:
        ended = process("scorecards", "schema", stdout=full)

    assert ended.returncode == 74
    assert ended.stderr == b"leadglow: the output cannot be written: No space left on device.\n"


def test_ctrl_c_during_the_imports_ends_a_command_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class CtrlC(MetaPathFinder):
        def find_spec(self, fullname: str, path: object, target: object = None) -> None:
            if fullname == "app.cli.root":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "app.cli.root")
    monkeypatch.setattr("sys.meta_path", [CtrlC(), *sys.meta_path])

    with pytest.raises(SystemExit) as ended:
        whole_program()

    assert (ended.value.code, capsys.readouterr().err) == (130, "")


def test_sigterm_during_the_imports_ends_a_command_quietly_as_the_first_process_of_a_container() -> None:
    """Without a handler such a process would not end: a handler that raises is what it needs."""
    code = "import os, signal; from app.__main__ import main; import app.cli; import sys\n" + (
        "class Sent:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'app.cli.root': os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Sent()); main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)

    assert (ended.returncode, ended.stderr) == (143, b"")


def test_a_worker_imports_nothing_large_before_it_answers() -> None:
    code = "import sys; from app.cli.root import build; build(['worker']); print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True).stdout

    assert {"numba", "numpy", "faust", "aiokafka", "redis", "streams.worker"} & set(names.split()) == set()


async def test_output_lost_is_not_taken_for_a_redis_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def here(settings: Settings) -> None:
        """Redis answers."""

    monkeypatch.setattr("app.cli.common.check_partitions", here)
    pipe, before = without_a_reader(), os.dup(1)
    os.dup2(pipe, 1)
    try:
        with pytest.raises(OutputLost), checked_output():
            async with open_store(Settings()):
                typer.echo("a lead")
    finally:
        os.dup2(before, 1)
        os.close(before)
        os.close(pipe)


def test_an_empty_id_is_not_erased() -> None:
    assert run("erase", "", "--yes").exit_code == 2


@pytest.mark.parametrize("args", [("lead", "show", "\udcff\udcfe"), ("erase", "\udcff\udcfe", "--yes")])
def test_an_id_that_is_not_utf_8_is_a_mistake_of_usage(args: tuple[str, ...]) -> None:
    result = run(*args)

    assert result.exit_code == 2
    assert "ids are UTF-8 text" in result.stderr


# Scorecard files --------------------------------------------------------------------------------------------


def test_checking_a_good_file_prints_a_summary() -> None:
    result = run("scorecards", "check", str(DATA / "golden.yaml"))

    assert result.exit_code == 0
    for word in (
        "no mistakes",
        "12: page_view",
        "default (Whole company)",
        "qualified at 70",
        rules_version(),
    ):
        assert word in result.stdout


def rules_version() -> str:
    return load_file_rules(Settings(scorecards=DATA / "golden.yaml")).version


def test_checking_a_bad_file_prints_every_mistake() -> None:
    result = run("scorecards", "check", str(DATA / "mistakes.yaml"))

    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 11
    assert result.stderr.endswith("10 mistakes\n")


def test_warnings_are_printed_with_their_places_and_do_not_change_the_exit_status(tmp_path: Path) -> None:
    file = tmp_path / "card.yaml"
    text = "leadglow: 1\nsignals: {a: {event: Page}}\nscorecards: {main: {points: {a: 1}}}\n"
    file.write_text(text)

    good = run("scorecards", "check", str(file))
    file.write_text(text.replace("a: 1", "b: 1"))
    bad = run("scorecards", "check", str(file))

    warning = f"{file}:2:22: warning: `Page` matches only track calls of exactly this name; write `page`\n"
    assert (good.exit_code, good.stderr) == (0, warning)
    assert f"{file}: no mistakes, 1 warning\n" in good.stdout
    assert (bad.exit_code, bad.stderr.splitlines()[1:]) == (1, [warning.rstrip(), "1 mistake"])


def test_a_missing_file_is_one_mistake() -> None:
    result = run("scorecards", "check", "nowhere.yaml")

    assert result.exit_code == 1
    assert result.stderr.endswith("1 mistake\n")


def test_the_schema_printed_is_the_one_in_the_documentation() -> None:
    printed = json.loads(run("scorecards", "schema").stdout)

    assert printed == json.loads((ROOT / "docs/scorecard.schema.json").read_text())


# Clients from settings --------------------------------------------------------------------------------------


def test_without_security_kafka_needs_no_options() -> None:
    assert kafka_options(Settings()) == {}
    assert faust_credentials(Settings()) is None


def test_tls_gives_both_clients_a_context_that_verifies() -> None:
    options = kafka_options(Settings(kafka_tls=True))
    credentials = faust_credentials(Settings(kafka_tls=True))

    assert options["security_protocol"] == credentials.protocol.value == "SSL"
    for context in (options["ssl_context"], credentials.context):
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("more", "protocol"),
    [({"kafka_tls": True}, "SASL_SSL"), ({"kafka_insecure_sasl": True}, "SASL_PLAINTEXT")],
)
def test_a_log_in_is_the_same_for_both_clients(more: dict[str, Any], protocol: str) -> None:
    options, credentials = kafka_options(sasl(**more)), faust_credentials(sasl(**more))

    assert options["security_protocol"] == credentials.protocol.value == protocol
    assert options["sasl_mechanism"] == credentials.mechanism.value == "SCRAM-SHA-512"
    assert options["sasl_plain_username"] == credentials.username == "ana"
    assert options["sasl_plain_password"] == credentials.password == "secret"


def test_a_worker_is_built_as_the_settings_say() -> None:
    settings = Settings(namespace="acme", lateness_hours=1, partitions=3, kafka_idempotence=False)

    config = make_worker(settings, Metrics()).config

    assert (config.group, config.lateness_ms, config.partitions, config.idempotent) == ("acme", 3_600_000, 3, False)


SPEC = {spec.name: spec for spec in topic_specs(Settings(replication_factor=3, min_insync_replicas=2))}
RIGHT = {"cleanup.policy": "delete", "retention.ms": str(28 * 86_400_000), "min.insync.replicas": "2"}


@pytest.mark.parametrize(
    ("replicas", "changed", "told"),
    [
        (3, {}, ""),
        (5, {"min.insync.replicas": "3"}, ""),
        (2, {}, "lead-events has 2 replicas of a partition instead of 3, so the loss of a broker can lose records"),
        (3, {"retention.ms": "86400000"}, "lead-events keeps records for 1 day instead of 28 days"),
        (3, {"retention.ms": "-1"}, "lead-events keeps records for ever instead of 28 days"),
        (3, {"min.insync.replicas": "1"}, "lead-events has min.insync.replicas=1 instead of 2"),
        (3, {"min.insync.replicas": "4"}, "lead-events has min.insync.replicas=4 but 3 replicas, so nothing can be w"),
        (3, {"message.timestamp.type": "LogAppendTime"}, "lead-events has message.timestamp.type=LogAppendTime"),
        (
            3,
            {"message.timestamp.after.max.ms": "3600000"},
            "lead-events refuses records whose time is more than 1h ahead",
        ),
        (3, {"message.timestamp.after.max.ms": str(2**63 - 1)}, ""),
    ],
)
def test_settings_of_a_topic_that_lose_records_or_keep_them_too_long_are_named(
    replicas: int, changed: dict[str, str], told: str
) -> None:
    found = differences(SPEC["lead-events"], TopicState(8, replicas, replicas, RIGHT | changed))

    assert [each.text.startswith(told) for each in found] == ([True] if told else [])


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("web-events", ""),
        ("rejected-events", ""),
        ("handoff", "; adding some moves leads to other partitions"),
        ("lead-scores", "; adding some moves leads to other partitions"),
    ],
)
async def test_another_number_of_partitions_of_a_topic_is_explained(name: str, more: str) -> None:
    admin: Any = None
    spec = {spec.name: spec for spec in topic_specs(Settings(partitions=6))}[name]
    for count, note in ((6, ""), (4, f", which works (a new topic would have 6{more})")):
        state = TopicState(count, 1, 1, spec.configs)
        outcome = await topics._check(admin, spec, state, update=False, dry_run=False)
        assert (outcome.line, outcome.faults) == (f"{name}: exists, {count} partitions{note}", ())


def test_only_a_compacted_topic_of_events_loses_records_at_once() -> None:
    (events,) = differences(SPEC["lead-events"], TopicState(8, 3, 3, RIGHT | {"cleanup.policy": "compact"}))
    (scores,) = differences(SPEC["lead-scores"], TopicState(8, 3, 3, {"cleanup.policy": "delete"}))

    assert (events.loses_records, scores.loses_records) == (True, False)


def test_the_settings_of_source_topics_are_left_to_their_producers() -> None:
    assert differences(SPEC["web-events"], TopicState(1, 1, 1, {"cleanup.policy": "compact"})) == []


def test_every_topic_is_wanted_once_and_only_scores_and_scorecards_are_compacted() -> None:
    topics = {topic.name: topic for topic in topic_specs(Settings(partitions=6, retention_days=2))}

    assert len(topics) == 9
    assert [name for name, t in topics.items() if t.configs["cleanup.policy"] == "compact"] == [
        "lead-scores",
        "scorecards",
    ]
    assert [name for name, t in topics.items() if t.exactly] == ["lead-events", "scorecards"]
    assert {t.partitions for name, t in topics.items() if name != "scorecards"} == {6}
    assert topics["scorecards"].partitions == 1


class Cluster:
    """An admin client of a Kafka that has every topic of ours, with these policies."""

    def __init__(self, policies: dict[str, str]) -> None:
        self._policies = policies

    async def _send_request(self, request: Any) -> Any:
        partition = {"replicas": [1], "isr": [1]}
        rows = [
            {"topic": t.name, "error_code": 0, "partitions": [partition] * t.partitions}
            for t in topic_specs(Settings())
        ]
        return SimpleNamespace(to_object=lambda: {"topics": rows})

    async def describe_configs(self, asked: list[Any]) -> list[Any]:
        rows = [(0, "", 2, each.name, self._entries(each.name)) for each in asked]
        return [SimpleNamespace(resources=rows)]

    def _entries(self, name: str) -> list[tuple[object, ...]]:
        return [("cleanup.policy", self._policies[name], False, 5, False, [])] if name in self._policies else []


@pytest.mark.parametrize(
    ("policies", "told"),
    [
        ({"lead-events": "delete", "lead-scores": "compact"}, []),
        ({}, []),
        ({"lead-events": "compact", "lead-scores": "compact"}, ["lead-events has cleanup.policy=compact,"]),
        (
            {"lead-events": "compact,delete", "lead-scores": "delete"},
            ["lead-events has cleanup.policy=compact,delete,", "lead-scores has cleanup.policy=delete,"],
        ),
    ],
)
def test_topics_with_a_wrong_cleanup_policy_are_reported(
    monkeypatch: pytest.MonkeyPatch, policies: dict[str, str], told: list[str]
) -> None:
    monkeypatch.setattr("app.cli.topics.open_admin", lambda settings: nullcontext(Cluster(policies)))

    result = run("topics", "create", "--dry-run")

    lines = result.stderr.removeprefix("leadglow: ").splitlines()
    assert result.exit_code == (78 if told else 0)
    assert [line.split(" which")[0] for line in lines] == told


def test_a_crash_point_strikes_at_the_nth_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(pid))
    reached = make_crash_point("committed:2")

    asyncio.run(reached("committed"))
    asyncio.run(reached("fetched"))
    assert killed == []
    asyncio.run(reached("committed"))
    asyncio.run(reached("committed"))
    assert killed == [os.getpid()]


class Ended:
    """A worker whose Faust app ended by itself."""

    crash_reason = RuntimeError("lost")

    @property
    def app(self) -> "Ended":
        return self

    async def wait_for_stopped(self, coroutine: Any) -> bool:
        coroutine.close()
        return True


async def test_a_worker_that_has_just_begun_promises_nothing() -> None:
    process = worker_command._Process(Settings(metrics_port=0))
    await process._serve_probes()
    assert process._runner is not None
    try:
        (found,) = await probe_all([("worker", f"http://127.0.0.1:{process._runner.addresses[0][1]}")])
    finally:
        await process.stop()
    assert (found.is_ready, found.reason) == (
        False,
        "starting; Redis and Kafka are not checked yet, so it may still end",
    )


def test_a_consumer_that_ends_by_itself_ends_the_worker_with_70_and_without_a_permission_with_78() -> None:
    ended: Any = Ended()

    assert asyncio.run(worker_command._run_until_ended(ended, asyncio.Event(), Settings())) == 70
    ended.app.crash_reason = GroupAuthorizationFailedError("leadglow")
    assert asyncio.run(worker_command._run_until_ended(ended, asyncio.Event(), Settings())) == 78


# Rebuild ----------------------------------------------------------------------------------------------------


def step(version: int) -> Commit:
    return Commit(version, f"s{version - 1}" if version else "", f"s{version}", {"ckpt": b"9"}, leads={"ana": b"state"})


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_a_rebuilt_shard_is_empty_and_no_worker_takes_it_for_its_own(before: int) -> None:
    store = MemoryStore()
    for version in range(before):
        await store.commit(0, step(version))

    await empty_shard(store, 0, 0)

    control = await store.control(0)
    assert control.fields["ckpt"] == b"0"
    assert await store.load(0, ["ana"]) == [None]
    assert control.version > 0
    assert await store.commit(0, step(before)) is Verdict.CONFLICT


async def test_a_rebuild_notes_where_it_begins() -> None:
    store = MemoryStore()
    await empty_shard(store, 0, 77)
    assert (await store.control(0)).fields["ckpt"] == b"77"


async def test_a_worker_that_writes_in_between_is_overcome(monkeypatch: pytest.MonkeyPatch) -> None:
    store = busy_store(times=2)

    await empty_shard(store, 0, 0)

    assert (await store.control(0)).fields["ckpt"] == b"0"


async def test_a_worker_that_writes_every_time_gets_a_warning() -> None:
    with pytest.raises(CommandError) as caught:
        await empty_shard(busy_store(times=1000), 0, 0)

    assert caught.value.status == 75


def busy_store(times: int) -> MemoryStore:
    """A worker commits right after each of the first wipes."""

    class Busy(MemoryStore):
        left = times

        async def wipe(self, partition: int) -> None:
            await super().wipe(partition)
            if self.left > 0:
                self.left -= 1
                await self.commit(partition, step(0))

    return Busy()
