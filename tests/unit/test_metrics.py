"""Metrics: their names are as Prometheus wants them, and they answer questions."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import isnan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.structs import TopicPartition
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from app.board import metrics as board
from app.board.bounded_store import BoundedStore
from app.board.state_watch import StateWatch
from app.board.topic_gauges import TopicGauges
from app.certificates import authorities_end_s, first_end_s, read_end_s, watch_certificates
from app.collector import metrics as collector
from app.notify import metrics as notifier
from app.settings import Settings
from streams import metrics as worker
from streams.clock import now_ms
from streams.process_metrics import ProcessMetrics
from streams.scorefile import load
from streams.store.base import Commit, Entry, ServerReport
from streams.store.memory import MemoryStore
from streams.store.reports import read_report
from streams.transport.topics import Topics
from streams.yamlfile.watched import Watched
from tests.support.certificates import make_certificates

ROOT = Path(__file__).parents[2]
PROCESSES = {"worker": worker, "collector": collector, "board": board, "notifier": notifier}


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool: Debian's package prometheus")
@pytest.mark.parametrize("name", PROCESSES)
def test_promtool_finds_nothing_to_improve(name: str, tmp_path: Path) -> None:
    metrics = PROCESSES[name].Metrics()
    metrics.process.watch_file(Watched(write(tmp_path, "1"), Path.read_text, "keys"))
    metrics.process.certificates.labels("kafka:9092").set(1)

    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=generate_latest(metrics.registry), capture_output=True, check=False
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def write(folder: Path, text: str) -> Path:
    path = folder / "file"
    path.write_text(text)
    return path


async def test_a_file_with_mistakes_is_marked_as_refused_until_it_is_corrected(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    process, path = ProcessMetrics(registry), write(tmp_path, "1")
    watched = Watched(path, lambda p: int(p.read_text()), "numbers")
    process.watch_file(watched)

    def state() -> tuple[int, float | None, float | None]:
        labels = {"file": "numbers"}
        refused, errors = (
            registry.get_sample_value(f"leadglow_file_{n}", labels) for n in ("refused", "reload_errors_total")
        )
        return watched.value, refused, errors

    assert state() == (1, 0, 0)
    first = registry.get_sample_value("leadglow_file_loaded_timestamp_seconds", {"file": "numbers"})
    path.write_text("one")
    await watched.reload_if_changed()
    assert state() == (1, 1, 1)
    path.write_text("111")
    await watched.reload_if_changed()
    assert state() == (111, 0, 1)
    loaded = registry.get_sample_value("leadglow_file_loaded_timestamp_seconds", {"file": "numbers"})
    assert (loaded or 0) >= (first or 0) > 1.7e9
    sha256 = "f6e0a1e2ac41945a9aa7ff8a8aaa0cebc12a3bcc981a929ad5cf810a090e11ae"[:12]
    assert registry.get_sample_value("leadglow_file_info", {"file": "numbers", "sha256": sha256}) == 1


async def test_the_end_of_a_certificate_is_read_from_the_server_and_from_the_file(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    end_s = first_end_s(made.authority)
    gauge = Gauge("leadglow_test", "", ["certificate"], registry=(registry := CollectorRegistry()))
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=tls(made.server))
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert abs(await read_end_s("127.0.0.1", port) - end_s) < 2
        settings = Settings(
            kafka=f"127.0.0.1:{port}", kafka_tls=True, kafka_ca_file=made.authority, redis="rediss://127.0.0.1:1"
        )
        task = asyncio.create_task(watch_certificates(settings, gauge))
        await until(lambda: registry.get_sample_value("leadglow_test", {"certificate": f"127.0.0.1:{port}"}))
        task.cancel()
    assert registry.get_sample_value("leadglow_test", {"certificate": "ca file of Kafka"}) == end_s
    assert registry.get_sample_value("leadglow_test", {"certificate": "127.0.0.1:1"}) in {None, 0}


@pytest.mark.parametrize(
    ("ends_days", "expected_days"), [([-9, 400, 20], 20), ([-9, -2], -2), ([5], 5)], ids=["one", "all", "none"]
)
def test_authorities_that_have_ended_do_not_count_unless_all_have(
    ends_days: list[int], expected_days: int, tmp_path: Path
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    made = [
        x509.CertificateBuilder(name, name, key.public_key(), 7, now - timedelta(99), now + timedelta(days)).sign(
            key, hashes.SHA256()
        )
        for days in ends_days
    ]
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in made))
    assert authorities_end_s(bundle) == (now + timedelta(expected_days)).timestamp()


async def test_without_certificates_none_are_watched() -> None:
    await asyncio.wait_for(watch_certificates(Settings(), Gauge("leadglow_test", "", registry=CollectorRegistry())), 5)


def tls(server: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server)
    return context


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a metric has no event
            await asyncio.sleep(0.01)


# The board, about Redis and Kafka ---------------------------------------------------------------------------------


class Shards(MemoryStore):
    async def reports(self) -> dict[str, ServerReport]:
        return {"redis": ServerReport(80, 100, True, False)}


async def test_the_board_exports_what_waits_in_redis_and_the_state_of_its_servers() -> None:
    metrics, store, now = board.Metrics(), Shards(), now_ms()
    due: dict[str, float | None] = {"ann": now - 60_000.0, "ben": now - 1000.0, "eve": now + 60_000.0}
    blobs: dict[str, bytes | None] = dict.fromkeys(due, b"")
    await store.commit(1, Commit(0, "", "step", {}, leads=blobs, due=due, outbox=[Entry(1, b"alert")]))
    watch = StateWatch(BoundedStore(store, 3), metrics)
    assert isnan(sample(metrics, "leadglow_board_outbox_entries"))

    await watch.look()

    waiting = ("leads", "outbox_entries", "overdue_leads")
    assert [sample(metrics, f"leadglow_board_{name}") for name in waiting] == [3, 1, 1]
    assert sample(metrics, "leadglow_board_overdue_seconds") == pytest.approx(60, abs=5)
    of_servers = ("memory_bytes", "memory_limit_bytes", "evicting", "persisting")
    assert [sample(metrics, f"leadglow_board_redis_{name}", server="redis") for name in of_servers] == [80, 100, 1, 0]


def sample(metrics: Any, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(name, labels)
    assert found is not None, name
    return float(found)


async def test_redis_reports_its_policy_and_its_disk() -> None:
    info = {"used_memory": 5, "maxmemory": 9, "maxmemory_policy": "allkeys-lru", "aof_last_write_status": "err"}

    assert read_report(info) == ServerReport(5, 9, evicts=True, persists=False)
    assert read_report({}) == ServerReport(0, 0, evicts=False, persists=True)


class Log:
    """A paused consumer of two partitions, with arrivals at their offsets from 5 on."""

    def __init__(self, *partitions: list[int]) -> None:
        self.places = [TopicPartition("web-events", p) for p in range(len(partitions))]
        self.arrivals = dict(zip(self.places, partitions, strict=True))
        self.at: dict[Any, int] = {}
        self.fetching: set[Any] = set()

    @property
    def firsts(self) -> dict[Any, int]:
        return dict.fromkeys(self.places, 5)

    @property
    def ends(self) -> dict[Any, int]:
        return {place: 5 + len(arrivals) for place, arrivals in self.arrivals.items()}

    async def offsets_for_times(self, wanted: dict[Any, int]) -> dict[Any, Any]:
        return {place: SimpleNamespace(timestamp=self.arrivals[place][0]) for place in wanted}

    def seek(self, place: Any, offset: int) -> None:
        self.at[place] = offset

    def resume(self, *places: Any) -> None:
        self.fetching |= set(places)

    def pause(self, *places: Any) -> None:
        self.fetching -= set(places)

    async def getmany(self, *places: Any, timeout_ms: int) -> dict[Any, Any]:
        assert set(places) == self.fetching
        return {p: [SimpleNamespace(timestamp=at) for at in self.arrivals[p][self.at[p] - 5 :]] for p in places}


async def test_the_first_and_the_last_event_of_a_source_are_known_at_once_and_followed() -> None:
    metrics, log = board.Metrics(), Log([3000, 9000], [2000], [])
    gauges = TopicGauges(Topics(), "undelivered", metrics)

    await gauges.update(log, log.firsts, log.ends, 10_000)
    seen = [times(metrics)]
    await gauges.update(log, log.firsts, log.ends, 11_000)
    seen.append(times(metrics))
    log.arrivals[log.places[2]].append(11_500)
    await gauges.update(log, log.firsts, log.ends, 12_000)
    seen.append(times(metrics))
    log.arrivals[log.places[0]].append(12_500)
    await gauges.update(log, log.firsts, log.ends, 13_000)
    seen.append(times(metrics))

    assert seen == [(2, 9), (2, 9), (2, 12), (2, 13)]
    assert log.fetching == set()


def times(metrics: Any) -> tuple[float, ...]:
    return tuple(
        sample(metrics, f"leadglow_board_source_{name}_event_timestamp_seconds", topic="web-events")
        for name in ("first", "last")
    )


async def test_the_records_of_topics_for_refused_ones_are_counted() -> None:
    metrics = board.Metrics()
    dead, rejected = TopicPartition("undelivered", 0), TopicPartition("rejected-events", 0)

    await TopicGauges(Topics(), "undelivered", metrics).update(Log(), {dead: 2, rejected: 0}, {dead: 9, rejected: 0}, 0)

    assert sample(metrics, "leadglow_board_kept_records", topic="undelivered") == 7
    assert sample(metrics, "leadglow_board_kept_records", topic="rejected-events") == 0


# Before the first event -------------------------------------------------------------------------------------------


def test_what_is_counted_is_exported_before_its_first_event() -> None:
    card = load((ROOT / "scorecards.yaml").read_text()).scorecards[0]
    metrics, received, sent = worker.Metrics(), collector.Metrics(), notifier.Metrics()
    metrics.show_scorecards("1", [card])
    sent.begin_at_zero("sales", "slack")

    assert sample(metrics, "leadglow_events_rejected_total", reason="not_json") == 0
    assert sample(metrics, "leadglow_commits_total", verdict="CONFLICT") == 0
    assert sample(metrics, "leadglow_store_errors_total", operation="commit") == 0
    labels = {"scorecard": card.name, "stage": card.stages[0].name, "kind": "entered", "silenced": "false"}
    assert sample(metrics, "leadglow_stage_transitions_total", **labels) == 0
    decided = {"scorecard": card.name, "stage": "qualified", "verdict": "rejected", "reason": "other"}
    assert sample(metrics, "leadglow_sales_decisions_total", **decided) == 0
    assert sample(received, "leadglow_collector_calls_total", route="segment") == 0
    assert sample(sent, "leadglow_notify_alerts_total", route="sales", outcome="undelivered") == 0
    assert sample(sent, "leadglow_notify_breaker_open", destination="slack") == 0
