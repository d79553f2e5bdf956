"""A program that kills process groups when its standard input ends, which means that its parent has ended.

It reads the process id of a group leader from each line. It runs isolated, so it imports only the standard library.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable


def kill_at_end(lines: Iterable[str]) -> None:
    """Read to the end, then kill the groups whose leaders are still the same processes."""
    watched: dict[int, str] = {}
    for line in lines:
        pid = int(line)
        watched = {each: start for each, start in watched.items() if _start_time(each) == start}
        watched[pid] = _start_time(pid)
    for pid, start in watched.items():
        if start and _start_time(pid) == start:
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)


def _start_time(pid: int) -> str:
    """The start time of a process, empty if there is none; it detects a process id that the system has reused."""
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                return stat.read().rpartition(")")[2].split()[19]
        except OSError:
            return ""
    argv = ["ps", "-o", "lstart=", "-p", str(pid)]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    kill_at_end(sys.stdin)
