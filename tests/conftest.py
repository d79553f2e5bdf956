"""Servers for the tests that ask for them, started once in each process, on first use; and both implementations."""

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.workermanage import WorkerController

from streams.implementation import Implementation
from tests.support.implementations import INSTALLED, used
from tests.support.kafka import start_kafka
from tests.support.servers import Running, start_redis

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")

_used: dict[str, str] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let people leave the accelerator out, as where it is not installed."""
    parser.addoption("--no-accelerator", action="store_true", default=not INSTALLED, help="test the reference alone")


def pytest_configure(config: pytest.Config) -> None:
    """Without the accelerator nothing can import it, in this process and in those that it starts."""
    if config.getoption("no_accelerator"):
        sys.modules["streams.accelerator"] = None  # type: ignore[assignment]
        os.environ["LEADGLOW_ACCELERATOR"] = "off"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the tests of compiled code where there is none."""
    folder = Path(__file__).parent / "accelerator"
    return True if config.getoption("no_accelerator") and collection_path.is_relative_to(folder) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for ``implementation`` by each."""
    if "implementation" in metafunc.fixturenames:
        reference_alone = metafunc.config.getoption("no_accelerator")
        names = ["reference"] if reference_alone else ["accelerator", "reference"]
        metafunc.parametrize("implementation", names, indirect=True)


@pytest.fixture
def implementation(request: pytest.FixtureRequest) -> Iterator[Implementation]:
    """The implementation that scores in this test."""
    with used(request.param) as implementation:
        yield implementation


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a process that runs a part of the tests report its servers to the one that prints the summary."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["servers"] = _used


@pytest.hookimpl(optionalhook=True)  # there is none without parallel processes
def pytest_testnodedown(node: WorkerController) -> None:
    """Collect the servers of a process."""
    _used.update(getattr(node, "workeroutput", {}).get("servers", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which servers the run used."""
    for name in ("Kafka", "Redis"):
        terminalreporter.write_line(f"{name}: {_used.get(name, 'no test asked for it')}")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Kafka; its ``address`` is the list of bootstrap servers."""
    yield from _serve("Kafka", start_kafka, tmp_path_factory.mktemp("kafka"))


@pytest.fixture
def _apache_kafka(kafka: Running) -> None:
    """Skip the test on the embedded broker.

    It has no transactions, no truncation, no added partitions and no settings of topics, refuses no record or copy,
    gives wrong ends of partitions, names no members of groups, may end no rebalance after a kill, and closes the
    connections of a notifier.
    """
    if not kafka.idempotent:
        pytest.skip("the embedded broker cannot do this")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Redis; its ``address`` is the URL."""
    yield from _serve("Redis", start_redis, tmp_path_factory.mktemp("redis"))


@pytest.fixture
def redis_url(redis_server: Running) -> str:
    """The URL of a Redis that other tests use too: keep to names from ``unique``."""
    return redis_server.address


@pytest.fixture
def unique() -> str:
    """A prefix for topics and keys that no other test has."""
    return f"t{uuid.uuid4().hex[:10]}"


def _serve(name: str, start: Callable[[Path], Running], directory: Path) -> Iterator[Running]:
    began = time.monotonic()
    running = start(directory)
    _used[name] = f"{running.where_from} (ready after {time.monotonic() - began:.1f} s)"
    yield running
    running.stop()
