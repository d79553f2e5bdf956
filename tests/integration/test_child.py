"""Child processes end with their parent, no matter how the parent ends."""

import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from app.embedded.child import run_child, start_child
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
SLEEPER = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
IN_A_GROUP = ["/bin/sh", "-c", "sleep 600 & echo $!; wait"]
PARENT = """
import sys, threading, time
from app.embedded.child import start_child
thread = threading.Thread(target=start_child, args=(sys.argv[1:],))  # it ends before its child does
thread.start()
thread.join()
time.sleep(600)
"""
TEST_RUN = """
from app.embedded.broker import start_broker
from app.embedded.redis import start_redis
from app.embedded.server import free_port
from tests.support.redis_servers import server
from tests.support.servers import Running
from tests.support.system import System

def test_that_is_killed(tmp_path):
    broker, redis = start_broker(tmp_path), start_redis(tmp_path)
    broker.wait_ready()
    redis.wait_ready()
    system = System(Running(broker.address, "", broker.stop, idempotent=False), f"redis://{redis.address}", "killed")
    with server(tmp_path / "another", free_port()) as another, system.worker() as worker:
        pids = [each.process.pid for each in (broker, redis, worker)]
        print("\\npids", another.pid, *pids, flush=True)
        worker.process.wait()
"""
IN_A_FOLDER = """
from app.embedded.child import start_child, temporary_folder
with temporary_folder("leadglow-test-") as folder:
    writer = f"while mkdir -p {folder}/a/b && echo >> {folder}/a/b/c; do :; done; sleep 600"
    child = start_child(["/bin/sh", "-c", writer])
    print(folder, flush=True)
    child.wait()
"""
KILLS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
START_S = 60
END_S = 10


@KILLS
@pytest.mark.parametrize("child", [SLEEPER, IN_A_GROUP, [sys.executable, "-c", PARENT, *SLEEPER]])
def test_no_child_outlives_a_killed_parent(number: signal.Signals, child: list[str]) -> None:
    with Starter([sys.executable, "-c", PARENT, *child]) as parent:
        assert parent.read_line().strip().isdigit()

        assert len(parent.kill(number)) >= 2
        assert parent.left() == []


@KILLS
def test_a_test_run_that_is_killed_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    file = tmp_path / "test_killed.py"
    file.write_text(TEST_RUN)
    options = [
        "-s",
        "-q",
        "-c",
        str(ROOT / "pyproject.toml"),
        "-p",
        "no:cacheprovider",
        f"--basetemp={tmp_path / 'in'}",
    ]
    with Starter([sys.executable, "-m", "pytest", *options, str(file)]) as run:
        while not (line := run.read_line()).startswith("pids "):
            pass

        assert set(map(int, line.split()[1:])) <= run.kill(number)
        assert run.left() == []


@KILLS
def test_a_temporary_folder_is_deleted_although_a_child_writes_to_it_until_it_is_killed(number: signal.Signals) -> None:
    with Starter([sys.executable, "-c", IN_A_FOLDER]) as parent:
        folder = Path(parent.read_line().strip())
        wait_for((folder / "a/b/c").exists, "written", START_S)

        parent.kill(number)
        assert parent.left() == []
        wait_for(lambda: not folder.exists(), "deleted", END_S)


def test_a_child_that_has_ended_keeps_its_exit_status() -> None:
    assert start_child(["/bin/sh", "-c", "exit 3"]).wait(END_S) == 3


def test_a_program_runs_to_its_end_on_its_input() -> None:
    assert run_child(["/bin/cat"], END_S, "text") == "text"


@pytest.mark.parametrize(
    ("script", "reason"), [("echo no room >&2; exit 3", "no room"), ("exec sleep 600", "did not end")]
)
def test_a_program_that_fails_or_does_not_end_is_an_error(script: str, reason: str) -> None:
    with pytest.raises(RuntimeError, match=reason):
        run_child(["/bin/sh", "-c", script], 1)


class Starter:
    """A process that starts others; nothing of it is left after the test, even if that fails."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._process = start_child(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)
        self._children: list[psutil.Process] = []

    def __enter__(self) -> "Starter":
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._children or psutil.Process(self._process.pid).children(recursive=True):
            if each.is_running():
                each.kill()
        self._process.kill()
        self._process.communicate()

    def read_line(self) -> str:
        """The next line that it or a child prints."""
        assert self._process.stdout is not None
        assert select.select([self._process.stdout], [], [], START_S)[0], "nothing was printed"
        line: str = self._process.stdout.readline().decode()
        assert line, "it has ended"
        return line

    def kill(self, number: signal.Signals) -> set[int]:
        """Kill it; returns the ids of all processes below it."""
        self._children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(number)
        return {each.pid for each in self._children}

    def left(self) -> list[psutil.Process]:
        """Those below it that do not end in time."""
        assert self._process.wait(END_S) != 0
        return psutil.wait_procs(self._children, timeout=END_S)[1]
