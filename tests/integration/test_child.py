"""Children end with the process that started them, however that ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.embedded.child import start_child

ROOT = Path(__file__).parents[2]
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
PARENT = """
import sys, threading
from app.embedded.child import start_child
made = []
thread = threading.Thread(target=lambda: made.append(start_child(sys.argv[1:])))  # and it ends before its child
thread.start()
thread.join()
print(made[0].pid, flush=True)
sys.stdin.read()
"""


def test_a_child_outlives_neither_its_parent_nor_its_grandparent() -> None:
    inner = [sys.executable, "-c", PARENT, *SLEEPER]
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        parent = psutil.Popen([sys.executable, "-c", PARENT, *inner], cwd=ROOT, stdin=-1, stdout=-1, stderr=-1)
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(number)
        parent.communicate()

        assert psutil.wait_procs([child], timeout=10)[1] == [], number


def test_everything_in_the_group_of_a_child_ends_with_it() -> None:
    shell = ["/bin/sh", "-c", "sleep 600 & echo $!; wait"]
    script = PARENT.replace("start_child(sys.argv[1:])", "start_child(sys.argv[1:], stdout=sys.stdout)")
    parent = psutil.Popen([sys.executable, "-c", script, *shell], cwd=ROOT, stdin=-1, stdout=-1)
    both = [psutil.Process(int(parent.stdout.readline())) for _ in range(2)]
    parent.kill()
    parent.communicate()

    assert psutil.wait_procs(both, timeout=10)[1] == []


def test_a_child_that_has_ended_keeps_its_exit_status() -> None:
    child = start_child(["/bin/true"])

    assert child.wait(10) == 0
    assert os.getpgid(0) != child.pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_test_run_that_is_killed_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    inside = "def test_it(redis_server, kafka):\n    print('\\nup', flush=True)\n    input()\n"
    file = ROOT / "tests/integration/test_killed_for_a_test.py"
    argv = [sys.executable, "-m", "pytest", "-s", "-q", "-p", "no:cacheprovider", str(file)]
    file.write_text(inside)
    try:
        with start_child(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            for line in run.stdout:
                if line == "up\n":
                    break
            children = psutil.Process(run.pid).children(recursive=True)
            run.send_signal(number)
    finally:
        file.unlink()

    assert len(children) >= 2
    assert psutil.wait_procs(children, timeout=10)[1] == []
