"""The collector as a process, with a real Kafka: every event answered with 200 is on the topic, even after faults."""

import asyncio
import itertools
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from app.private_files import write_private
from tests.support.kafka import start_apache_kafka
from tests.support.servers import Running
from tests.support.system import CollectorProcess, System
from tests.support.waiting import wait_for

KEYS = """
leadglow_keys: 1
keys: [{name: site, write_key: wk_site, origins: any}]
webhooks: [{name: news, service: mailchimp, secret: open-sesame}]
"""
KEY = {"Authorization": aiohttp.encode_basic_auth("wk_site", "")}
needs_java = pytest.mark.skipif(
    not (shutil.which("java") and shutil.which("mvn")), reason="needs a broker to kill: Java and Maven"
)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.yaml"
    write_private(path, KEYS)
    return path


def system_on(kafka: Running, name: str) -> System:
    """Topics of its own; Redis is not asked for anything."""
    web, mail = f"{name}-web", f"{name}-mail"
    topics = {"sources": f"{web},{mail}", "collector_web_topic": web, "collector_mail_topic": mail}
    return System(kafka, "redis://localhost:1", name, **topics)


@pytest.fixture
def system(kafka: Running, unique: str) -> System:
    made = system_on(kafka, unique)
    assert made.run("topics", "create").exit_code == 0
    return made


def event(message_id: str, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Demo Requested", "messageId": message_id, "userId": f"u-{message_id}", **more}


async def post(session: aiohttp.ClientSession, url: str, body: Any) -> tuple[int, str]:
    """Status and Retry-After."""
    async with session.post(url + "/v1/batch", json=body, headers=KEY) as reply:
        await reply.read()
        return reply.status, reply.headers.get("Retry-After", "")


def message_ids(system: System, topic: str) -> list[str]:
    """Message ids without the prefix of the public key."""
    found = (json.loads(record.value)["messageId"] for record in system.records(topic))
    return [each.removeprefix("public:site:") for each in found]


class Broker:
    """A Kafka of one's own, to be killed or held up."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self.server = start_apache_kafka(directory)
        self.server.wait_ready()

    def kill(self) -> None:
        self.server.process.kill()
        self.server.process.wait()

    def start(self) -> None:
        self.server = start_apache_kafka(self._directory, self.server.port)
        self.server.wait_ready()

    def hang(self) -> None:
        self.server.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.server.process.send_signal(signal.SIGCONT)


class Senders:
    """Several clients that send one event after another, and record the responses."""

    def __init__(self, url: str, clients: int = 8) -> None:
        self.accepted: set[str] = set()
        self.put_off = 0
        self._url = url
        self._numbers = itertools.count()
        self._tasks = [asyncio.create_task(self._send(client)) for client in range(clients)]

    async def _send(self, client: int) -> None:
        """Send until the collector has ended."""
        async with aiohttp.ClientSession() as session:
            while True:
                message_id = f"m-{client}-{next(self._numbers)}"
                try:
                    status, again_s = await post(session, self._url, {"batch": [event(message_id)]})
                except aiohttp.ClientError:
                    return
                if status == 200:
                    self.accepted.add(message_id)
                else:
                    assert (status, again_s) in {(503, "1"), (503, "2")}
                    self.put_off += 1
                    await asyncio.sleep(0.1)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                assert not any(task.done() for task in self._tasks)
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        await asyncio.gather(*self._tasks)

    async def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


# Accepted is kept -------------------------------------------------------------------------------------------------


def test_accepted_events_are_on_their_topic(system: System, keys: Path) -> None:
    settings = system.settings

    async def send(url: str) -> list[int]:
        async with aiohttp.ClientSession() as session:
            first, _ = await post(session, url, {"batch": [event("m-1"), {"type": "nonsense"}, event("m-2")]})
            form = {"type": "unsubscribe", "fired_at": "2026-11-22 01:00:00", "data[email]": "Jane@acme.example"}
            async with session.post(url + "/webhooks/news?secret=open-sesame", data=form) as reply:
                return [first, reply.status]

    with system.collector(keys) as collector:
        collector.wait_ready()
        assert asyncio.run(send(collector.url)) == [200, 200]

        web = {json.loads(record.value)["messageId"]: record for record in system.records(settings.collector_web_topic)}
        [mail] = system.records(settings.collector_mail_topic)
        [reject] = system.records(settings.rejected)
        assert collector.stop()[0] == 0

    first, second = "public:site:m-1", "public:site:m-2"
    assert {name: record.key for name, record in web.items()} == {first: b"u-m-1", second: b"u-m-2"}
    assert json.loads(web[first].value) == event("m-1", messageId=first, leadglow={"key": "site", "public": True})
    assert (mail.key, json.loads(mail.value)["event"]) == (b"jane@acme.example", "Unsubscribed")
    assert json.loads(reject.value) == {"type": "nonsense"}
    assert dict(reject.headers)["reason"] == b"unknown_type"


def test_a_killed_collector_loses_nothing_that_it_accepted(system: System, keys: Path) -> None:
    async def send_and_kill(collector: CollectorProcess) -> set[str]:
        senders = Senders(collector.url)
        await senders.until(lambda: len(senders.accepted) >= 300)
        collector.process.kill()
        await senders.end()
        return senders.accepted

    with system.collector(keys) as collector:
        collector.wait_ready()
        accepted = asyncio.run(send_and_kill(collector))

    assert accepted - set(message_ids(system, system.settings.collector_web_topic)) == set()


def test_a_stopping_collector_finishes_its_requests(system: System, keys: Path) -> None:
    async def send_and_stop(collector: CollectorProcess) -> tuple[set[str], int]:
        senders = Senders(collector.url)
        await senders.until(lambda: len(senders.accepted) >= 100)
        collector.process.send_signal(signal.SIGTERM)
        await senders.end()
        return senders.accepted, senders.put_off

    with system.collector(keys) as collector:
        collector.wait_ready()
        accepted, put_off = asyncio.run(send_and_stop(collector))
        status, stderr = collector.ended()

    assert (status, put_off) == (0, 0)
    assert "Traceback" not in stderr
    assert accepted - set(message_ids(system, system.settings.collector_web_topic)) == set()


# Kafka stops and restarts ---------------------------------------------------------------------------------------------


@needs_java
@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_without_kafka_there_is_503_and_all_is_well_when_it_is_back(
    tmp_path: Path, unique: str, keys: Path, how: str
) -> None:
    broker = Broker(tmp_path / "kafka")
    try:
        system = system_on(Running(broker.server.address, "own", broker.server.stop), unique)
        assert system.run("topics", "create").exit_code == 0
        with system.collector(keys) as collector:
            collector.wait_ready()
            accepted = asyncio.run(lose_kafka(collector, broker, how))
            wait_for(lambda: collector.metric("leadglow_collector_ready") == 1, "reaching Kafka again")
            assert accepted - set(message_ids(system, system.settings.collector_web_topic)) == set()
            collector.says("Kafka does not answer")
            collector.says("Kafka answers again")
            status, stderr = collector.stop()
    finally:
        broker.wake()
        broker.server.stop()
    assert status == 0
    assert stderr.count("Kafka does not answer") == stderr.count("Kafka answers again") == 0, "only once each"


async def lose_kafka(collector: CollectorProcess, broker: Broker, how: str) -> set[str]:
    """Load throughout; the broker is away until 503 was answered; then events are accepted again."""
    senders = Senders(collector.url)
    await senders.until(lambda: len(senders.accepted) >= 100)
    broker.kill() if how == "killed" else broker.hang()
    await senders.until(lambda: senders.put_off >= 20 and collector.probe("/ready") == 503)
    broker.start() if how == "killed" else broker.wake()  # in this thread: the broker dies with the one that starts it
    before = len(senders.accepted)
    await senders.until(lambda: len(senders.accepted) >= before + 100)
    await senders.cancel()
    return senders.accepted


def test_a_collector_that_starts_without_kafka_answers_503(system: System, keys: Path) -> None:
    async def send(url: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session:
            return await post(session, url, event("m-1"))

    with system.collector(keys, kafka="localhost:1") as collector:
        assert collector.probe("/live") == 200
        assert collector.probe("/ready") == 503
        assert asyncio.run(send(collector.url)) == (503, "2")
        assert collector.stop()[0] == 0


# Keys, and what it refuses to start with -------------------------------------------------------------------------


def test_changed_keys_are_used_while_it_runs(system: System, keys: Path) -> None:
    async def status(url: str) -> int:
        async with aiohttp.ClientSession() as session:
            return (await post(session, url, event("m-1")))[0]

    with system.collector(keys) as collector:
        collector.wait_ready()
        assert asyncio.run(status(collector.url)) == 200
        keys.write_text(KEYS.replace("wk_site", "wk_other"))
        wait_for(lambda: asyncio.run(status(collector.url)) == 401, "the new keys")
        assert collector.stop()[0] == 0


def test_a_missing_keys_file_is_reported_with_a_remedy(system: System) -> None:
    result = system.run("collector")

    assert result.exit_code == 78
    assert "leadglow keys new" in result.stderr
    assert "LEADGLOW_COLLECTOR_KEYS" in result.stderr


def test_every_mistake_in_the_keys_file_is_reported(system: System, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("leadglow_keys: 1\nkeys:\n  - {name: site}\nwebhooks:\n  - {name: n, service: pigeon}\n")

    result = system.run("collector", collector_keys=str(path))

    assert result.exit_code == 78
    assert f"{path}:3:" in result.stderr
    assert "pigeon" in result.stderr


def test_a_topic_that_no_worker_reads_is_refused(system: System, keys: Path) -> None:
    result = system.run("collector", collector_keys=str(keys), collector_web_topic="elsewhere")

    assert result.exit_code == 78
    assert "LEADGLOW_COLLECTOR_WEB_TOPIC is elsewhere" in result.stderr


def test_missing_topics_are_reported(kafka: Running, unique: str, keys: Path) -> None:
    with system_on(kafka, unique).collector(keys) as collector:
        status, stderr = collector.ended()

    assert status == 78
    assert "leadglow topics create" in stderr


def test_a_port_in_use_is_reported(system: System, keys: Path) -> None:
    with system.collector(keys) as first:
        port = first.url.rpartition(":")[2]
        with system.collector(keys, collector_port=port) as second:
            status, stderr = second.ended()

    assert status == 78
    assert "LEADGLOW_COLLECTOR_PORT" in stderr
