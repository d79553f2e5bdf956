"""Kafka for tests and benchmarks: the most real one that this machine offers.

In this order: the one named in LEADGLOW_TEST_KAFKA; a container, where a Docker engine answers; Apache
Kafka from Maven's jars, where Java 17 and Maven are; the embedded broker.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.embedded.broker import start_broker
from app.embedded.child import run_child
from app.embedded.server import Server, free_port
from tests.support.locks import turn_at
from tests.support.servers import Running, docker_answers

POM = Path(__file__).with_name("pom.xml")
LIBS = POM.parents[2] / "build" / "kafka-libs"
VERSION = re.search(r"<kafka.version>(.+)</kafka.version>", POM.read_text())[1]  # type: ignore[index]
IMAGE = f"apache/kafka:{VERSION}"
JAVA_NEEDED = 17
RUN_S = 300
"""The timeout for Maven and the tools of Kafka."""
CLUSTER_ID = "bGVhZGdsb3ctdGVzdHMxMg"

SINGLE_BROKER = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "log.retention.check.interval.ms": "86400000",  # records of years ago stay for the test
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
}


def start_kafka(directory: Path) -> Running:
    """Start, or find, a Kafka; files go to ``directory``.

    Raises:
        RuntimeError: under CI=true, where nothing but the embedded broker is to be had.
    """
    if named := os.environ.get("LEADGLOW_TEST_KAFKA"):
        return Running(named, "named in LEADGLOW_TEST_KAFKA", lambda: None)
    if docker_answers():
        return _container()
    if shutil.which("mvn") and _java_version() >= JAVA_NEEDED:
        server = start_apache_kafka(directory, lasts=True)
        server.wait_ready()
        return Running(server.address, f"Apache Kafka {VERSION} from Maven's jars", server.stop)
    if os.environ.get("CI") == "true":
        msg = f"CI needs a real Kafka: Docker, or Java {JAVA_NEEDED} and Maven, or LEADGLOW_TEST_KAFKA"
        raise RuntimeError(msg)
    server = start_broker(directory)
    server.wait_ready()
    return Running(server.address, "embedded broker", server.stop, idempotent=False)


def start_apache_kafka(
    directory: Path,
    port: int = 0,
    protocol: str = "PLAINTEXT",
    settings: Mapping[str, str] | None = None,
    users: Sequence[str] = (),
    more: Mapping[str, tuple[str, int]] | None = None,
    *,
    lasts: bool = False,
) -> Server:
    """Start a broker from Maven's jars, in KRaft mode; it is not ready yet.

    Given the directory and the port of one that was stopped, it goes on with its data. ``protocol`` is what it talks
    to clients and ``settings`` what that takes; ``users`` can log in by SCRAM, as StorageTool wants them written.
    ``more`` has the names of other listeners, with their protocols and ports. Unless it ``lasts``, Java compiles less:
    it is then ready after 4 instead of 6 seconds of processor time, and slower under load.
    """
    with turn_at(LIBS):
        _fetch_jars()
    port, controller = port or free_port(), free_port()
    config = directory / "server.properties"
    listeners = _listeners(f"127.0.0.1:{port}", f"127.0.0.1:{controller}", f"127.0.0.1:{port}", protocol)
    for name, (kind, its_port) in (more or {}).items():
        for key in ("listeners", "advertised.listeners"):
            listeners[key] += f",{name}://127.0.0.1:{its_port}"
        listeners["listener.security.protocol.map"] += f",{name}:{kind}"
    lines = SINGLE_BROKER | listeners | {"log.dirs": str(directory / "data")} | dict(settings or {})
    config.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
    java, quick = [str(shutil.which("java")), "-cp", f"{LIBS}/*", "-XX:+UseSerialGC"], "-XX:TieredStopAtLevel=1"
    storage = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", CLUSTER_ID, "-c", str(config)]
    storage += [f"--add-scram={user}" for user in users]
    run_child([*java, quick, *storage], RUN_S)
    return Server([*java, *([] if lasts else [quick]), "-Xmx512m", "kafka.Kafka", str(config)], port, directory)


def _listeners(broker: str, controller: str, advertised: str, protocol: str = "PLAINTEXT") -> dict[str, str]:
    return {
        "listeners": f"{protocol}://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"{protocol}://{advertised}",
        "listener.security.protocol.map": f"{protocol}:{protocol},CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": protocol,
        "controller.quorum.voters": f"1@{controller}",
    }


def _container() -> Running:
    """Choose the port here, because a broker sends its own address to clients."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    port = free_port()
    listeners = _listeners("0.0.0.0:9092", "localhost:9093", f"localhost:{port}")
    container = DockerContainer(IMAGE).with_bind_ports(9092, port)
    for key, value in (SINGLE_BROKER | listeners).items():
        container.with_env("KAFKA_" + key.upper().replace(".", "_"), value)
    container.waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    container.start()
    return Running(f"localhost:{port}", f"container {IMAGE}", container.stop)


def _java_version() -> int:
    """The major version of Java on PATH; 0 if there is none."""
    if not shutil.which("java"):
        return 0
    says = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', says)
    return int(found[1]) if found else 0


def _fetch_jars() -> None:
    """Fill build/kafka-libs, once for each content of pom.xml."""
    stamp = LIBS / "pom.xml"
    if stamp.exists() and stamp.read_bytes() == POM.read_bytes():
        return
    shutil.rmtree(LIBS, ignore_errors=True)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={LIBS}", "-DincludeScope=runtime"]
    run_child(["mvn", "-q", "-B", "-f", str(POM), *goal], RUN_S)
    shutil.copy(POM, stamp)
