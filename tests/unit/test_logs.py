"""Log lines: plain tracebacks without the values of variables, which may be personal data."""

import logging
from collections.abc import Iterator
from typing import Literal

import pytest
from aiokafka.errors import GroupAuthorizationFailedError

from app.logs import OURS, REPEAT_S, Level, set_up_logs


@pytest.fixture
def _restored_logs() -> Iterator[None]:
    """Leave the loggers as they were."""
    root = logging.getLogger()
    handlers = root.handlers
    levels = {name: logging.getLogger(name).level for name in ("", *OURS)}
    yield
    root.handlers = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.usefixtures("_restored_logs")
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_shows_no_values(form: Literal["json", "text"], capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(form)
    event = {"email": "ana@acme.example"}
    try:
        event["userId"]
    except KeyError:
        logging.getLogger("streams.test").exception("a lane ended")
    written = capsys.readouterr().err
    assert "a lane ended" in written
    assert "KeyError: 'userId'" in written
    assert "ana@acme.example" not in written


@pytest.mark.usefixtures("_restored_logs")
def test_lines_of_libraries_are_not_repeated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1000.0
    monkeypatch.setattr("app.logs.time.monotonic", lambda: now_s)
    set_up_logs("text")
    library, ours = logging.getLogger("aiokafka"), logging.getLogger("streams.test")
    for attempt in range(100):
        library.error("Unable connect to node with id %s: %s", attempt, "refused")
        ours.warning("trying again in %.1f s", 0.1)
    library.error("the certificate is not trusted: %s", [1])
    written = capsys.readouterr().err.splitlines()
    assert sum("Unable connect" in line for line in written) == 1
    assert sum("trying again" in line for line in written) == 100
    assert "the certificate is not trusted" in written[-1]
    now_s += REPEAT_S
    library.error("Unable connect to node with id %s: %s", 7, "refused")
    assert "node with id 7: refused (99 more like this since the last line)" in capsys.readouterr().err


@pytest.mark.usefixtures("_restored_logs")
def test_a_broker_that_is_away_costs_one_line_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1000.0
    monkeypatch.setattr("app.logs.time.monotonic", lambda: now_s)
    set_up_logs("text")
    for _ in range(600):  # the lines of a worker in an outage, ten times a second
        for name, level, text, value in OUTAGE_LINES:
            logging.getLogger(name).log(level, text, value)
        now_s += 0.1
    assert len(capsys.readouterr().err.splitlines()) == 1
    now_s += 1
    logging.getLogger("aiokafka.consumer.fetcher").error("Unable to request metadata from node %s", 1)
    logging.getLogger("aiokafka").error("the certificate is not trusted: %s", 1)
    written = capsys.readouterr().err.splitlines()
    assert f"({600 * len(OUTAGE_LINES) - 1} more like this" in written[0]
    assert "certificate" in written[1]


OUTAGE_LINES = (
    ("aiokafka.consumer.fetcher", logging.ERROR, "Failed fetch offsets from %s: NotLeaderForPartitionError", 1),
    ("aiokafka", logging.ERROR, "Unable connect to node with id %s: Connection refused", 1),
    ("aiokafka", logging.ERROR, "Unable to update metadata from %s", 1),
    ("aiokafka.consumer.fetcher", logging.ERROR, "Failed fetch messages from %s: KafkaConnectionError", 1),
    ("aiokafka", logging.WARNING, "Unable to request metadata from node with id %s", 1),
    ("aiokafka.consumer.group_coordinator", logging.ERROR, "Error sending %s to node 1 -- coordinator dead", 1),
    ("aiokafka.consumer.group_coordinator", logging.WARNING, "Marking the coordinator dead (node %s)", 1),
    ("aiokafka.consumer.group_coordinator", logging.ERROR, "Heartbeat send request failed: %s", 1),
    ("aiokafka.consumer.group_coordinator", logging.ERROR, "Group Coordinator Request failed: %s", 1),
    ("aiokafka.producer.sender", logging.WARNING, "Got error produce response: %s", 1),
)


@pytest.mark.usefixtures("_restored_logs")
@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 0)])
def test_the_level_of_lines_is_a_setting(level: Level, shown: int, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("text", level)
    ours, library = logging.getLogger("streams.test"), logging.getLogger("aiokafka")
    ours.debug("ours")
    ours.info("ours")
    ours.warning("ours")
    library.info("library")
    library.warning("library")
    assert len(capsys.readouterr().err.splitlines()) == shown


@pytest.mark.usefixtures("_restored_logs")
def test_a_missing_permission_is_logged_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("text")
    for error in (GroupAuthorizationFailedError("leadglow"), RuntimeError("Event loop is closed")):
        try:
            raise error
        except Exception:
            logging.getLogger(f"faust.{type(error).__name__}").exception("%s crashed", "the consumer")
    written = capsys.readouterr().err.splitlines()
    assert len(written) == 2
    assert "the consumer crashed (GroupAuthorizationFailedError('leadglow'))" in written[0]
