"""Kafka and Redis that require TLS and a log-in: all our clients support both, and mistakes are explained."""

import asyncio
import gc
import shutil
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from app.embedded.redis import start_redis
from app.embedded.server import free_port
from app.kafka_login import kafka_options
from app.kafka_rights import Operation
from app.loop import run_long
from app.permissions import REDIS_READS
from app.private_files import write_private
from streams.clock import now_ms
from tests.support.certificates import Certificates, make_certificates
from tests.support.kafka import start_apache_kafka
from tests.support.kafka_permissions import allow, allow_documented
from tests.support.redis_proxy import Proxy
from tests.support.redis_servers import REDIS_RIGHTS
from tests.support.servers import Running
from tests.support.system import PARTITIONS, System, WorkerProcess
from tests.support.token_endpoint import token_endpoint
from tests.support.waiting import wait_for

pytestmark = [
    pytest.mark.skipif(
        not (shutil.which("java") and shutil.which("mvn")), reason="needs a broker of its own: Java and Maven"
    ),
]
MECHANISM = "SCRAM-SHA-512"
PASSWORD = "of-the-worker"
PROCESSES = ("worker", "collector", "board", "notify")
KEYS = "leadglow_keys: 1\nkeys: [{name: app, write_key: wk_app, origins: any}]\n"
ROUTES = """
leadglow_routes: 1
destinations: {crm: {webhook: {url: "http://127.0.0.1:9/"}, allow_networks: 127.0.0.1}}
routes: [{name: all, to: crm}]
"""


@dataclass(frozen=True)
class Secured:
    """A Leadglow on secured servers."""

    system: System
    redis: str
    """Address of Redis behind TLS, without scheme and user."""
    certificates: Certificates
    mtls: str
    """Kafka's address for clients with a certificate."""
    oauth: str
    """Kafka's address for clients with a token."""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Kafka with SASL over TLS, Redis with TLS and a user of little rights, and the settings for them."""
    directory = tmp_path_factory.mktemp("secured")
    certificates = make_certificates(directory)
    mtls, oauth = free_port(), free_port()
    login = f'ScramLoginModule required username="admin" password="{PASSWORD}";'
    broker = start_apache_kafka(
        directory,
        protocol="SASL_SSL",
        settings={
            "sasl.enabled.mechanisms": MECHANISM,
            "sasl.mechanism.inter.broker.protocol": MECHANISM,
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"org.apache.kafka.common.security.scram.{login}",
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.mtls.ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/",
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": "org.apache.kafka.common.security.oauthbearer."
            'OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="admin";',  # takes tokens without signature
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.server),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.authority),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:admin;User:ANONYMOUS",  # the second is the controller
        },
        more={"MTLS": ("SSL", mtls), "OAUTH": ("SASL_SSL", oauth)},
        users=[f"{MECHANISM}=[name={name},password={PASSWORD}]" for name in ("admin", "guest", *PROCESSES)],
    )
    store = start_redis(directory)
    try:
        broker.wait_ready(90)  # the certificates take it longer
        store.wait_ready()
        with redis.Redis(port=store.port) as client:
            client.execute_command(
                "ACL", "SETUSER", "worker", "reset", "on", f">{PASSWORD}", "~leadglow-secured:*", *REDIS_RIGHTS
            )
            reader = ("reset", "on", f">{PASSWORD}", "~leadglow-secured:*", *REDIS_READS.split())
            client.execute_command("ACL", "SETUSER", "board", *reader)
            client.execute_command("ACL", "SETUSER", "default", "off")
        with tls_for(store.port, certificates) as port:
            kafka = Running(broker.address, "secured", broker.stop)
            system = System(
                kafka,
                f"rediss://worker:{PASSWORD}@127.0.0.1:{port}?ssl_ca_certs={certificates.authority}",
                "leadglow-secured",
                kafka_tls="true",
                kafka_ca_file=str(certificates.authority),
                kafka_sasl_mechanism=MECHANISM,
                kafka_sasl_username="worker",
                kafka_sasl_password=PASSWORD,
                collector_web_topic="leadglow-secured-web",
                collector_mail_topic="leadglow-secured-web",
            )
            admin = system.with_settings(kafka_sasl_username="admin")
            for name in PROCESSES:
                asyncio.run(allow_documented(admin, name, name))
            asyncio.run(allow(admin, "worker", {"leadglow-secured-web": [Operation.WRITE]}, {}))  # as who sends does
            yield Secured(system, f"127.0.0.1:{port}", certificates, f"127.0.0.1:{mtls}", f"127.0.0.1:{oauth}")
    finally:
        store.stop()
        broker.stop()


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    """Leave nothing for other tests to stumble over."""
    yield
    gc.collect()


@contextmanager
def tls_for(port: int, certificates: Certificates) -> Iterator[int]:
    """Take TLS for a Redis that was built without; gives the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.server)
    loop, stop, listening = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        async with Proxy(port, context) as proxy:
            ports.append(proxy.port)
            listening.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert listening.wait(10)
    yield ports[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def test_a_worker_and_the_commands_work_on_secured_servers(secured: Secured) -> None:
    system = secured.system
    created = system.run("topics", "create", kafka_sasl_username="admin")
    assert created.exit_code == 0, created.output
    with system.worker() as worker:
        worker.wait_ready()
        event = {"type": "track", "event": "Demo Requested", "messageId": "1", "userId": "ana",
                 "context": {"traits": {"title": "CTO", "employees": 500}}}  # fmt: skip
        system.send([(now_ms(), event)])
        wait_for(lambda: system.run("lead", "show", "ana").exit_code == 0, "scored")
        wait_for(lambda: [row["lead_id"] for row in system.json("leads", "top")] == ["ana"], "ranked")
        wait_for(lambda: len(system.records(system.settings.handoff)) == 1, "an alert")
        erased = system.run("erase", "ana", "--yes")
        assert erased.exit_code == 0, erased.output
        status, said = worker.stop()
        assert status == 0, said
    rebuilt = system.run("rebuild", "--yes")
    assert rebuilt.exit_code == 0, rebuilt.output


def score_one(system: System, worker: WorkerProcess) -> None:
    """Wait until the worker has scored an event that was sent to a source."""
    wait_for(lambda: worker.metric("leadglow_shards") == PARTITIONS, "all shards")
    system.send([(now_ms(), {"type": "track", "event": "Demo Requested", "messageId": "2", "userId": "ben"})])
    wait_for(lambda: worker.metric("leadglow_records_total", stage="scoring") >= 1, "scored")


LOGIN = ("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password")
NO_LOGIN = dict.fromkeys(LOGIN, "")


def test_a_worker_logs_in_by_its_certificate(secured: Secured) -> None:
    system = secured.system
    assert system.run("topics", "create", kafka_sasl_username="admin").exit_code == 0
    changed = {**NO_LOGIN, "kafka": secured.mtls, "kafka_client_certificate": str(secured.certificates.client)}
    without = system.run("topics", "create", **{**changed, "kafka_client_certificate": ""})
    with system.worker(**changed, accelerator="off") as worker:
        score_one(system, worker)
        status, said = worker.stop()
        assert status == 0, said

    assert without.exit_code == 70, without.output
    assert "LEADGLOW_KAFKA_CLIENT_CERTIFICATE" in without.output


def test_a_worker_logs_in_by_tokens_of_an_endpoint(secured: Secured, tmp_path: Path) -> None:
    system, secret = secured.system, tmp_path / "secret"
    write_private(secret, "of-the-client\n")
    assert system.run("topics", "create", kafka_sasl_username="admin").exit_code == 0
    with token_endpoint("worker", "of-the-client") as endpoint:
        changed = {**NO_LOGIN, "kafka": secured.oauth, "kafka_sasl_mechanism": "OAUTHBEARER",
                   "kafka_oauth_token_url": f"{endpoint.address}/token", "kafka_oauth_client_id": "worker",
                   "kafka_oauth_client_secret_file": str(secret), "kafka_insecure_sasl": "true"}  # fmt: skip
        with system.worker(**changed, accelerator="off") as worker:
            score_one(system, worker)
            status, said = worker.stop()
            assert status == 0, said
        assert len(endpoint.requests) == 1  # for all clients of the worker
        write_private(secret, "wrong")
        refused = system.run("topics", "create", **changed)

    assert refused.exit_code == 70, refused.output
    assert "answers 401 invalid_client: check LEADGLOW_KAFKA_OAUTH_TOKEN_URL" in " ".join(refused.output.split())


def test_a_client_stops_at_once_while_a_request_waits_behind_a_fetch(secured: Secured) -> None:
    """A broker that reads this request and the end of TLS at once does not end TLS itself."""
    settings = secured.system.with_settings(kafka_sasl_username="admin")
    assert secured.system.run("topics", "create", kafka_sasl_username="admin").exit_code == 0
    place = TopicPartition(settings.rejected, 0)

    async def stop() -> int:
        consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka, fetch_max_wait_ms=2_000, **kafka_options(settings)
        )
        await consumer.start()
        consumer.assign([place])
        with suppress(TimeoutError):
            while not await consumer.getmany(timeout_ms=100):  # the fetch is with the broker, which waits for records
                async with asyncio.timeout(0.1):
                    await consumer.end_offsets([place])
        async with asyncio.timeout(5):
            await consumer.stop()
        return 0

    assert run_long(stop()) == 0


def test_each_process_works_with_the_permissions_of_its_own_user(secured: Secured, tmp_path: Path) -> None:
    system, keys, routes = secured.system, tmp_path / "keys.yaml", tmp_path / "routes.yaml"
    write_private(keys, KEYS)
    routes.write_text(ROUTES)
    assert system.run("topics", "create", kafka_sasl_username="admin").exit_code == 0
    readers = f"rediss://board:{PASSWORD}@{secured.redis}?ssl_ca_certs={secured.certificates.authority}"
    with (
        system.collector(keys, kafka_sasl_username="collector") as collector,
        system.board(kafka_sasl_username="board", redis=readers) as board,
        system.notifier(routes, kafka_sasl_username="notify") as notifier,
    ):
        for each in (collector, board, notifier):
            each.wait_ready()
        event = b'{"type": "track", "event": "Demo Requested", "userId": "bo", "messageId": "2", "writeKey": "wk_app"}'
        with urllib.request.urlopen(f"{collector.url}/v1/t", event, timeout=10) as answer:
            assert answer.status == 200
        wait_for(lambda: board.metric("leadglow_board_following") == 1, "followed")
        ended = [each.stop() for each in (collector, board, notifier)]

    assert [status for status, _ in ended] == [0, 0, 0], ended
    assert not any("uthorization" in stderr for _, stderr in ended), ended


KAFKA: dict[str, tuple[dict[str, str], str]] = {
    "no log-in": (NO_LOGIN, "KAFKA_SASL_MECHANISM"),
    "a wrong password": ({"kafka_sasl_password": "wrong"}, "refuses the log-in"),
    "an authority that it does not know": ({"kafka_ca_file": ""}, "LEADGLOW_KAFKA_CA_FILE"),
    "no TLS": ({"kafka_tls": "false", "kafka_ca_file": "", "kafka_insecure_sasl": "true"}, "it may require TLS"),
}


@pytest.mark.parametrize(("changed", "said"), KAFKA.values(), ids=KAFKA.keys())
def test_a_refusal_by_kafka_is_explained(secured: Secured, changed: dict[str, str], said: str) -> None:
    result = secured.system.run("topics", "create", **changed)
    assert result.exit_code == 70, result.output
    assert said in result.output
    assert PASSWORD not in result.output


def test_missing_permissions_in_kafka_are_named(secured: Secured) -> None:
    system = secured.system
    assert system.run("topics", "create", kafka_sasl_username="admin").exit_code == 0
    created = system.run("topics", "create", kafka_sasl_username="guest")
    with system.worker(kafka_sasl_username="guest") as worker:
        status, stderr = worker.ended()

    examined = system.run("doctor", "--for", "notify", kafka_sasl_username="worker")

    assert created.exit_code == 78, created.output
    assert "read and write on topic leadglow-secured-undelivered" in " ".join(examined.stdout.split())
    assert "read on group leadglow-secured-notify-" in " ".join(examined.stdout.split())
    assert "does not allow the user guest: " in created.stderr
    assert "describe on topic leadglow-secured-handoff" in created.stderr
    assert status == 78, stderr
    assert "read on topic leadglow-secured-web" in stderr
    assert "read and write on topic leadglow-secured-lead_events" in stderr
    assert "read on group leadglow-secured" in stderr
    assert "Traceback" not in stderr


REDIS = {
    "no log-in": ("rediss://{address}?ssl_ca_certs={authority}", "refuses the log-in"),
    "a wrong password": ("rediss://worker:wrong@{address}?ssl_ca_certs={authority}", "refuses the log-in"),
    "an authority that it does not know": ("rediss://worker:{password}@{address}", "ssl_ca_certs"),
    "no TLS": ("redis://worker:{password}@{address}", "it may require TLS"),
}


@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <(function _SelectorTransport|socket.socket)"
)  # redis-py leaves TLS half closed
@pytest.mark.parametrize(("url", "said"), REDIS.values(), ids=REDIS.keys())
def test_a_refusal_by_redis_is_explained(secured: Secured, url: str, said: str) -> None:
    authority = secured.certificates.authority
    address = url.format(address=secured.redis, authority=authority, password=PASSWORD)
    result = secured.system.run("lead", "show", "ana", redis=address)
    assert result.exit_code == 70, result.output
    assert said in result.output
    assert PASSWORD not in result.output
