"""Log lines: plain tracebacks without the values of variables, which may be personal data."""

import logging
from collections.abc import Iterator
from typing import Literal

import pytest

from app.logs import REPEAT_S, set_up_logs


@pytest.fixture
def _restored_logs() -> Iterator[None]:
    """Leave the loggers as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


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
    library.error("Unable to update metadata from %s", [1])
    written = capsys.readouterr().err.splitlines()
    assert sum("Unable connect" in line for line in written) == 1
    assert sum("trying again" in line for line in written) == 100
    assert "Unable to update metadata from [1]" in written[-1]
    now_s += REPEAT_S
    library.error("Unable connect to node with id %s: %s", 7, "refused")
    assert "node with id 7: refused (99 more like this since the last line)" in capsys.readouterr().err
