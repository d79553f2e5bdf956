"""Child processes that end when the process that started them ends, even if that was killed."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, Any, Final

_WATCHDOG: Final = """
import os, signal, subprocess, sys

def born(pid):  # identifies a process beyond its number, which the system uses again
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[19]
    except OSError:
        if sys.platform == "linux":
            return None
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True)
    return done.stdout or None

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
watched = {}
for line in sys.stdin:
    pid = int(line)
    watched = {each: at for each, at in watched.items() if born(each) == at} | {pid: born(pid)}
for pid, at in watched.items():
    if at is not None and born(pid) == at:
        try:
            os.killpg(pid, signal.SIGKILL)
        except OSError:
            pass
"""
"""Reads process ids until its input ends, because our process did; then it kills the groups that these lead."""


class _Watchdog:
    """The process that kills our children once we are gone; started with the first child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._pids: IO[str] | None = None

    def watch(self, pid: int) -> None:
        """Kill the process group that ``pid`` leads when this process ends."""
        with self._lock:
            if self._pids is None or self._owner != os.getpid():
                self._owner, self._pids = os.getpid(), _start_watchdog()
            self._pids.write(f"{pid}\n")
            self._pids.flush()


def _start_watchdog() -> IO[str]:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WATCHDOG],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    process.returncode = 0  # nobody waits for it: it outlives this process by design
    assert process.stdin is not None
    return process.stdin


watch: Final = _Watchdog().watch
"""Kill the process group that a process leads when this process ends."""


def start_child(argv: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
    """Start a process in a group of its own that ends with this process; ``options`` are those of ``Popen``."""
    process = subprocess.Popen(argv, start_new_session=True, **options)
    watch(process.pid)
    return process
