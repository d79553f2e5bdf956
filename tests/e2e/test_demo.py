"""``leadglow demo`` as a newcomer runs it: a process of its own, on the embedded servers."""

import contextlib
import json
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

import psutil
import pytest

from app.embedded.child import start_child
from tests.support.terminal import on_terminal
from tests.support.waiting import wait_for

COMMAND = [sys.executable, "-m", "app", "demo"]
RUN_S = 300
START_S = 240
CHILDREN = 6
"""Broker, Redis, worker, collector, board, and the watchdog of these."""
STOP_S = 120


def test_it_scores_its_events_verifies_itself_and_leaves_no_process() -> None:
    with started([*COMMAND, "--events", "3000", "--json"], stdout=-1, stderr=-1, text=True) as demo:
        children = Children(demo.pid)
        wait_for(lambda: len(children.look()) >= CHILDREN or demo.poll() is not None, "started", START_S)
        out, err = demo.communicate(timeout=RUN_S)
    assert demo.returncode == 0, err
    summary = json.loads(out)
    assert summary["mismatches"] == 0
    assert summary["events"] == 3000
    assert min(summary[key] for key in ("rejected", "duplicates", "leads", "alerts", "events_per_second")) > 0
    assert all(summary[name].startswith("http://127.0.0.1:") for name in ("collector", "board"))
    assert 0 < summary["event_to_handoff_ms_p50"] <= summary["event_to_handoff_ms_p99"]
    assert len(children.seen) >= CHILDREN
    children.wait_until_gone()


def test_the_live_view_shows_leads_and_ctrl_c_ends_it_with_everything_it_started() -> None:
    with on_terminal(COMMAND, columns=120, lines=40) as demo:
        shown = demo.read_until(b"qualified", START_S)
        children = Children(demo.process.pid)
        children.look()
        demo.process.send_signal(signal.SIGINT)
        shown += demo.read_until(b"stopped:", STOP_S)
        assert demo.wait(STOP_S) == 0, demo.tail()
    assert b"Hottest leads" in shown
    assert b"Traceback" not in demo.shown
    assert len(children.seen) >= CHILDREN
    children.wait_until_gone()


def test_the_command_of_the_live_view_makes_a_lead_that_it_shows() -> None:
    with on_terminal(COMMAND, columns=80, lines=24) as demo:
        demo.read_until(b"Hottest leads", START_S)
        shown = plain(demo.shown)
        _, address, _, body = shlex.split(shown[shown.index("curl ") : shown.index("]}'") + 3])
        board = re.findall(r"board: (http://\S+)", shown)[0]
        with urllib.request.urlopen(f"http://{address}", data=body.encode()) as answer:
            assert json.load(answer) == {"success": True}
        demo.read_until(b"visitor you", START_S)
        with urllib.request.urlopen(f"{board}/leads/you") as page:
            assert b"Demo Requested" in page.read()
        demo.process.send_signal(signal.SIGINT)
        demo.read_until(b"stopped:", STOP_S)
        assert demo.wait(STOP_S) == 0, demo.tail()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_at_any_time_it_takes_its_children_along(number: signal.Signals) -> None:
    with started(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as demo:
        children = Children(demo.pid)
        wait_for(lambda: len(children.look()) >= CHILDREN, "started", START_S)
        demo.send_signal(number)
        demo.wait(STOP_S)
    children.wait_until_gone()
    assert len(children.seen) >= CHILDREN


def test_a_missing_kafka_is_reported_in_a_sentence() -> None:
    done = subprocess.run(
        [*COMMAND, "--events", "10", "--kafka", "127.0.0.1:1"],
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 70
    assert "127.0.0.1:1 cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


class Children:
    """The processes below one, as long as it runs and afterwards."""

    def __init__(self, pid: int) -> None:
        self._parent = psutil.Process(pid)
        self.seen: set[psutil.Process] = set()

    def look(self) -> set[psutil.Process]:
        """Note those that there are."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.seen |= set(self._parent.children(recursive=True))
        return self.seen

    def left(self) -> list[psutil.Process]:
        """Those that still run."""
        return [child for child in self.seen if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]

    def wait_until_gone(self) -> None:
        """Return when all have ended; the watchdog ends a moment after the demo."""
        wait_for(lambda: self.left() == [], "gone", STOP_S, lambda: str(self.left()))


@contextlib.contextmanager
def started(argv: Sequence[str], **options: Any) -> "Iterator[subprocess.Popen[Any]]":
    """A process that is killed at the end if it still runs, so that a failing test does not wait for it."""
    with start_child(argv, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def plain(shown: bytes) -> str:
    """The text on a terminal, without colours."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode(errors="replace"))
