"""Kafka away under load, and a collector killed under load, with clients that send again as the SDKs do."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from app.embedded.server import Server, free_port
from app.private_files import write_private
from tests.support.kafka import start_apache_kafka
from tests.support.servers import Running
from tests.support.system import CollectorProcess, System

KEYS = "leadglow_keys: 1\nkeys: [{name: site, write_key: wk_site, origins: any, rate: 900000/s, new_ids: 900000/day}]\n"
KEY = {"Authorization": aiohttp.encode_basic_auth("wk_site", "")}
AWAY_S = 10.0
PAUSE_S = 0.02
"""Between two requests of a client."""
AT_ONCE_S = 2.5
"""A request waits 5 s for Kafka, so a faster refusal was made without waiting for it."""
DEADLINE_S = 30.0
KINDS = {"single": 1, "batch": 10}
"""Events in a request."""


class Clients:
    """Patient ones send again until the answer is 200; hasty ones take the first answer for the last."""

    def __init__(self, url: str) -> None:
        self.accepted: set[str] = set()
        self.refused: set[str] = set()
        """Told so without Kafka having been asked, and never sent again."""
        self.doubtful: set[str] = set()
        """The same after a wait: on their way, perhaps."""
        self.put_off = 0
        self._url = url
        self._numbers = itertools.count()
        self._ending = False
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send load during the block; requests already sent are finished."""
        async with aiohttp.ClientSession() as session:
            loops = [self._loop(session, kind, patient) for kind in KINDS for patient in (True, True, False)]
            self._tasks = [asyncio.create_task(loop) for loop in loops]
            try:
                yield
                await self.end()
            finally:
                for task in self._tasks:
                    task.cancel()

    async def end(self) -> None:
        """Begin nothing new, and return when the last has its answer."""
        self._ending = True
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*self._tasks)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                assert not any(task.done() for task in self._tasks)
                await asyncio.sleep(PAUSE_S)

    async def more(self) -> None:
        """Return when events are accepted again."""
        before = len(self.accepted)
        await self.until(lambda: len(self.accepted) > before + 300)

    async def _loop(self, session: aiohttp.ClientSession, kind: str, patient: bool) -> None:
        while not self._ending:
            ids = [f"m-{next(self._numbers)}" for _ in range(KINDS[kind])]
            began_s = time.monotonic()
            again_s = await self._send(session, ids)
            while again_s is not None and patient:
                await asyncio.sleep(again_s)
                again_s = await self._send(session, ids)
            if again_s is None:
                self.accepted.update(ids)
            elif time.monotonic() - began_s < AT_ONCE_S:
                self.refused.update(ids)
            else:
                self.doubtful.update(ids)
            await asyncio.sleep(PAUSE_S)

    async def _send(self, session: aiohttp.ClientSession, ids: list[str]) -> float | None:
        """None for 200, else when to send it again."""
        body = {"batch": [{"type": "track", "event": "Seen", "messageId": each, "userId": each} for each in ids]}
        try:
            async with session.post(f"{self._url}/v1/batch", json=body, headers=KEY) as reply:
                await reply.read()
        except aiohttp.ClientError:
            return 0.2
        if reply.status == 200:
            return None
        assert reply.status == 503, reply.status
        self.put_off += 1
        return float(reply.headers["Retry-After"])


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.yaml"
    write_private(path, KEYS)
    return path


def system_on(kafka: Running, name: str) -> System:
    """Topics of its own; Redis is not asked for anything."""
    web, mail = f"{name}-web", f"{name}-mail"
    topics = {"sources": f"{web},{mail}", "collector_web_topic": web, "collector_mail_topic": mail}
    made = System(kafka, "redis://localhost:1", name, **topics)
    assert made.run("topics", "create").exit_code == 0
    return made


async def on_topic(system: System) -> set[str]:
    records = await asyncio.to_thread(system.records, system.settings.collector_web_topic)
    return {json.loads(record.value)["messageId"].removeprefix("public:site:") for record in records}


# Kafka ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (shutil.which("java") and shutil.which("mvn")), reason="needs a broker to kill: Java and Maven")
@pytest.mark.parametrize("how", ["killed", "hanging"])
async def test_ten_seconds_without_kafka_under_load_cost_nothing(
    tmp_path: Path, unique: str, keys: Path, how: str
) -> None:
    directory = tmp_path / "kafka"
    directory.mkdir()
    broker = start_apache_kafka(directory)
    try:
        await asyncio.to_thread(broker.wait_ready)
        system = await asyncio.to_thread(system_on, Running(broker.address, "own", broker.stop), unique)
        with system.collector(keys) as collector:
            await asyncio.to_thread(collector.wait_ready)
            clients = Clients(collector.url)
            async with clients.sending():
                await clients.more()
                broker = await (killed(collector, broker) if how == "killed" else hanging(collector, broker))
                await clients.more()
            await asyncio.to_thread(collector.wait_ready)
            found = await on_topic(system)
            status, stderr = await asyncio.to_thread(collector.stop)
    finally:
        broker.process.send_signal(signal.SIGCONT)
        broker.stop()
    assert clients.accepted - found == set()
    assert clients.refused
    assert clients.refused & found == set()
    assert found <= clients.accepted | clients.doubtful
    assert (status, "Traceback" in stderr) == (0, False)


async def killed(collector: CollectorProcess, broker: Server) -> Server:
    """Kill the broker, and start another one with its data."""
    broker.process.kill()
    broker.process.wait()
    await away(collector)
    return await asyncio.to_thread(start_apache_kafka, broker.log_path.parent, broker.port)


async def hanging(collector: CollectorProcess, broker: Server) -> Server:
    """Freeze the broker: its connections stay open, without replies."""
    broker.process.send_signal(signal.SIGSTOP)
    await away(collector)
    broker.process.send_signal(signal.SIGCONT)
    return broker


async def away(collector: CollectorProcess) -> None:
    """While Kafka is away, the collector must report that it is not ready."""
    end_s = time.monotonic() + AWAY_S
    said = [0]
    while time.monotonic() < end_s:
        said.append(await asyncio.to_thread(collector.probe, "/ready"))
        await asyncio.sleep(0.1)
    assert said[-1] == 503


# The collector ----------------------------------------------------------------------------------------------------


async def test_a_collector_killed_again_and_again_loses_nothing_that_it_accepted(
    kafka: Running, unique: str, keys: Path
) -> None:
    system = await asyncio.to_thread(system_on, kafka, unique)
    port = str(free_port())
    clients = Clients(f"http://127.0.0.1:{port}")
    async with clients.sending():
        for last in (False, False, True):
            with system.collector(keys, collector_port=port) as collector:
                await asyncio.to_thread(collector.wait_ready)
                await clients.more()
                if last:
                    await clients.end()
                else:
                    collector.process.kill()
    found = await on_topic(system)
    assert clients.accepted - found == set()
    assert found <= clients.accepted | clients.refused | clients.doubtful
