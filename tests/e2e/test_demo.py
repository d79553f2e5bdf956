"""``leadglow demo`` as a newcomer runs it: a process of its own, on the embedded servers."""

import contextlib
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import urllib.request

import psutil
import pytest

from app.embedded.child import start_child
from tests.support.waiting import wait_for

COMMAND = [sys.executable, "-m", "app", "demo"]
RUN_S = 240
START_S = 120
CHILDREN = 6
"""Broker, Redis, worker, collector, board, and the watchdog of these."""
STOP_S = 40


def test_it_scores_its_events_verifies_itself_and_leaves_no_process() -> None:
    with start_child([*COMMAND, "--events", "3000", "--json"], stdout=-1, stderr=-1, text=True) as demo:
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
    wait_for(lambda: children.left() == [], "gone", STOP_S)  # the watchdog ends a moment later


def test_the_live_view_shows_leads_and_ctrl_c_ends_it_with_everything_it_started() -> None:
    screen, terminal = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}  # noqa: TID251
    with start_child(COMMAND, stdin=terminal, stdout=terminal, stderr=terminal, env=env) as demo:
        os.close(terminal)
        shown = read_until(screen, b"qualified", START_S)
        children = Children(demo.pid)
        children.look()
        demo.send_signal(signal.SIGINT)
        shown += read_until(screen, b"stopped:", STOP_S)
        assert demo.wait(STOP_S) == 0
    os.close(screen)
    assert b"Hottest leads" in shown
    assert b"Traceback" not in shown
    assert len(children.seen) >= CHILDREN
    wait_for(lambda: children.left() == [], "gone", STOP_S)  # the watchdog ends a moment later


def test_the_command_of_the_live_view_makes_a_lead_that_it_shows() -> None:
    screen, terminal = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}  # noqa: TID251
    with start_child(COMMAND, stdin=terminal, stdout=terminal, stderr=terminal, env=env) as demo:
        os.close(terminal)
        shown = plain(read_until(screen, b"Hottest leads", START_S))
        _, address, _, body = shlex.split(shown[shown.index("curl ") : shown.index("]}'") + 3])
        board = re.findall(r"board: (http://\S+)", shown)[0]
        with urllib.request.urlopen(f"http://{address}", data=body.encode()) as answer:
            assert json.load(answer) == {"success": True}
        read_until(screen, b"visitor you", START_S)
        with urllib.request.urlopen(f"{board}/leads/you") as page:
            assert b"Demo Requested" in page.read()
        demo.send_signal(signal.SIGINT)
        read_until(screen, b"stopped:", STOP_S)
        assert demo.wait(STOP_S) == 0
    os.close(screen)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_at_any_time_it_takes_its_children_along(number: signal.Signals) -> None:
    with start_child(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as demo:
        children = Children(demo.pid)
        wait_for(lambda: len(children.look()) >= CHILDREN, "started", START_S)
        demo.send_signal(number)
    wait_for(lambda: children.left() == [], "gone", STOP_S)
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


def plain(shown: bytes) -> str:
    """The text on a terminal, without colours."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode(errors="replace"))


def read_until(screen: int, sign: bytes, deadline_s: float) -> bytes:
    """What the terminal shows, up to a sign. On Linux a terminal whose program has ended raises an error."""
    os.set_blocking(screen, False)
    shown = b""

    def found() -> bool:
        nonlocal shown
        with contextlib.suppress(OSError):
            shown += os.read(screen, 65536)
        return sign in shown

    wait_for(found, f"showing {sign!r}", deadline_s)
    return shown
