"""Metrics: their names are as Prometheus wants them, and they answer questions."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from app.board import metrics as board
from app.certificates import first_end_s, read_end_s, watch_certificates
from app.collector import metrics as collector
from app.notify import metrics as notifier
from app.settings import Settings
from streams import metrics as worker
from streams.process_metrics import ProcessMetrics
from streams.yamlfile.watched import Watched
from tests.support.certificates import make_certificates

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
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0, ssl=tls(made.server))
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
