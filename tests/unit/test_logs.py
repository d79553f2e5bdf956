"""Log lines: plain tracebacks without the values of variables, which may be personal data."""

import logging
from collections.abc import Iterator
from typing import Literal

import pytest

from app.logs import set_up_logs


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
