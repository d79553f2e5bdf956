"""A whole system with traffic, a receiver of alerts and a Prometheus, of which every part can be broken."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redis import Redis

from app.embedded.redis import start_redis
from app.embedded.server import Server, free_port
from app.private_files import write_private
from app.wiring import make_producer
from streams.clock import now_ms
from tests.support.http_server import Answer, Request, serve
from tests.support.kafka import start_apache_kafka
from tests.support.probes import read_metric, read_status
from tests.support.prometheus import Prometheus, start_prometheus
from tests.support.servers import Running
from tests.support.system import PARTITIONS, ROOT, System
from tests.support.waiting import wait_for

CARD: Final = """
leadglow: 1
signals:
  visit: {event: page, half_life: 10m}
  order: {event: Demo Requested, half_life: 10m}
scorecards:
  default:
    points: {visit: 1, order: 80}
    range: [0, 1000]
    stages: [{name: hot, enter: 70, leave: 10, handoff: true}]
"""
KEYS: Final = "leadglow_keys: 1\nkeys: [{name: site, write_key: demo, origins: any}]\n"
ROUTES: Final = """
leadglow_routes: 1
destinations:
  crm: {{webhook: {{url: "{url}/hook"}}, allow_networks: 127.0.0.1, parallel: 1}}
routes:
  - {{name: crm, to: crm}}
"""
PROBES: Final = {"worker": "metrics_port", "notify": "notify_metrics_port"}
JOBS: Final = {
    "worker": "leadglow-worker",
    "collector": "leadglow-collector",
    "board": "leadglow-board",
    "notify": "leadglow-notifier",
}
TRAFFIC_S: Final = 0.1
"""Time between two requests of the traffic; one event in ten makes a lead hot."""


@dataclass
class Operated:
    """The running system."""

    system: System
    folder: Path
    kafka: Server
    store: Server
    ports: dict[str, int] = field(default_factory=dict)
    """Name of a process -> the port of its probes."""
    processes: dict[str, Server] = field(default_factory=dict)
    slow_s: float = 0.0
    """How long the receiver of alerts waits before it answers."""
    collector_port: int = field(default_factory=free_port)
    board_port: int = field(default_factory=free_port)
    _ended: threading.Event = field(default_factory=threading.Event)
    _held: threading.Event = field(default_factory=threading.Event)
    _held_ms: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def scorecards(self) -> Path:
        """The file of workers and board."""
        return self.folder / "scorecards.yaml"

    def set_policy(self, policy: str) -> None:
        """Set what Redis does when its memory is full."""
        with Redis(port=self.store.port) as client:
            client.config_set("maxmemory-policy", policy)

    # Processes ------------------------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start a process, at the port that it had before."""
        command = name.rstrip("12")
        port = self.ports.setdefault(name, free_port())
        env = self.system.env | {
            f"LEADGLOW_{PROBES.get(command, f'{command}_metrics_port').upper()}": str(port),
            "LEADGLOW_COLLECTOR_PORT": str(self.collector_port),
            "LEADGLOW_BOARD_PORT": str(self.board_port),
            "PYTHONPATH": str(ROOT),
        }
        own = self.folder / f"{name}-{next(self._numbers)}"
        own.mkdir()
        self.processes[name] = Server([sys.executable, "-m", "app", command], port, own, env)

    def wait_ready(self, *names: str) -> None:
        """Return when these processes are ready."""
        for name in names:
            wait_for(lambda name=name: self.is_ready(name), f"{name} ready", 90, lambda name=name: self.log(name))  # type: ignore[misc]

    def is_ready(self, name: str) -> bool:
        """Whether a process is ready."""
        return read_status(f"http://{self.processes[name].address}/ready") == 200

    def log(self, name: str) -> str:
        """The end of the log of a process."""
        return self.processes[name].log_path.read_text()[-2000:]

    def signal(self, number: int, *names: str) -> None:
        """Send a signal to processes."""
        for name in names:
            self.processes[name].process.send_signal(number)

    def kill(self, *names: str) -> None:
        """Kill processes."""
        self.signal(signal.SIGKILL, *names)
        for name in names:
            self.processes[name].process.wait()

    def restart_store(self) -> None:
        """Start Redis again, with its data."""
        self.store = start_persistent_redis(self.folder / "redis", self.store.port)
        self.store.wait_ready()

    # Traffic --------------------------------------------------------------------------------------------------

    def send_steadily(self) -> None:
        """Send requests to the collector, and look at the board, until the end."""
        for number in itertools.count():
            if self._ended.wait(TRAFFIC_S):
                return
            if self._held.is_set():
                continue
            user = f"u{number}"
            call = {"type": "track", "event": "Demo Requested"} if number % 10 == 0 else {"type": "page"}
            self.post(call | {"userId": user, "messageId": user})
            if number % 10 == 0:
                read_status(f"http://127.0.0.1:{self.board_port}/")

    def post(self, call: dict[str, Any], key: str = "demo") -> int:
        """Send a call to the collector; returns the status, 0 without an answer."""
        head = {"Authorization": f"Basic {b64encode(f'{key}:'.encode()).decode()}"}
        url = f"http://127.0.0.1:{self.collector_port}/v1/{call['type']}"
        request = urllib.request.Request(url, json.dumps(call).encode(), head | {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def send_poison(self, records: int) -> None:
        """Put records on the source topic that nobody can read."""
        asyncio.run(self._send([b"not JSON"] * records))

    def send_events(self, *events: dict[str, Any]) -> None:
        """Put events on the source topic, as a system of sales does."""
        asyncio.run(
            self._send([json.dumps(event | {"messageId": f"e{next(self._numbers)}"}).encode() for event in events])
        )

    async def _send(self, values: list[bytes]) -> None:
        producer = make_producer(self.system.settings)
        await producer.start()
        try:
            topic, at_ms = self.system.settings.sources[0], now_ms()
            places = itertools.cycle(range(PARTITIONS))
            sent = [await producer.send(topic, each, partition=next(places), timestamp_ms=at_ms) for each in values]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    def receive(self, request: Request) -> Answer:
        """Answer a webhook, sometimes slowly."""
        time.sleep(self.slow_s)
        return Answer(204)

    def hold_traffic(self) -> None:
        """Send nothing from now on."""
        self._held.set()
        self._held_ms = now_ms()

    def wait_scored(self) -> None:
        """Return when everything that was sent before the traffic was held is scored."""
        board = f"http://{self.processes['board'].address}"
        wait_for(lambda: read_metric(board, "leadglow_board_scored_until_seconds") * 1000 > self._held_ms, "scored")

    def go_on(self) -> None:
        """Send again."""
        self._held.clear()

    def end_traffic(self) -> None:
        """Stop sending."""
        self._ended.set()


def start_persistent_redis(folder: Path, port: int = 0) -> Server:
    """A Redis that has its data again after a restart."""
    folder.mkdir(exist_ok=True)
    return start_redis(folder, "--appendonly", "yes", "--appendfsync", "always", "--dir", str(folder), port=port)


@contextmanager
def start_operated(folder: Path) -> Iterator[tuple[Operated, Prometheus]]:
    """Run everything until the end of the block: two workers, collector, board, notifier, traffic, Prometheus."""
    with ExitStack() as stack:
        (folder / "kafka").mkdir()
        kafka, store = start_apache_kafka(folder / "kafka"), start_persistent_redis(folder / "redis")
        stack.callback(kafka.stop)
        made = Operated(_system(kafka, store, folder), folder, kafka, store)
        stack.callback(lambda: made.store.stop())  # noqa: PLW0108 - it may be another one by then
        web = stack.enter_context(serve(made.receive))
        (folder / "routes.yaml").write_text(ROUTES.format(url=web.address))
        made.scorecards.write_text(CARD)
        write_private(folder / "keys.yaml", KEYS)
        for server in (kafka, store):
            server.wait_ready()
        assert made.system.run("topics", "create").exit_code == 0
        names = ("worker1", "worker2", "collector", "board", "notify")
        stack.callback(lambda: _stop_all(made))
        for name in names:
            made.start(name)
        targets: dict[str, list[str]] = {}
        for name in names:
            targets.setdefault(JOBS[name.rstrip("12")], []).append(made.processes[name].address)
        prometheus = stack.enter_context(start_prometheus(folder / "prometheus", targets))
        made.wait_ready(*names)
        traffic = threading.Thread(target=made.send_steadily, daemon=True)
        traffic.start()
        stack.callback(traffic.join)
        stack.callback(made.end_traffic)
        wait_for(lambda: prometheus.query("sum(up)") == [len(names)], "scraped")
        yield made, prometheus


def _system(kafka: Server, store: Server, folder: Path) -> System:
    running = Running(kafka.address, "own", kafka.stop)
    files = {"scorecards": "scorecards", "collector_keys": "keys", "notify_routes": "routes"}
    settings = {name: str(folder / f"{file}.yaml") for name, file in files.items()}
    topics = {"collector_web_topic": "live-web", "collector_mail_topic": "live-web"}
    return System(running, f"redis://{store.address}", "live", **settings, **topics, accelerator="off")


def _stop_all(made: Operated) -> None:
    """End all processes at once."""
    for server in made.processes.values():
        with suppress(ProcessLookupError):
            server.process.kill()
    for server in made.processes.values():
        server.process.wait()
