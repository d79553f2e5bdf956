"""A program that cleans up when its standard input ends, which means that its parent has ended.

Each line that it reads is the process id of a group leader, whose group it kills, or the path of a folder, which it
deletes. It runs isolated, so it imports only the standard library.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable

_ATTEMPTS = 20
_PAUSE_S = 0.1


def clean_up_at_end(lines: Iterable[str]) -> None:
    """Read to the end, kill the groups whose leaders are still the same processes, and delete the folders."""
    watched: dict[int, str] = {}
    folders: list[str] = []
    for line in lines:
        if not line.strip().isdigit():
            folders = [*filter(os.path.exists, folders), line.rstrip("\n")]
            continue
        pid = int(line)
        watched = {each: start for each, start in watched.items() if _start_time(each) == start}
        watched[pid] = _start_time(pid)
    for pid, start in watched.items():
        if start and _start_time(pid) == start:
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
    for folder in folders:
        _delete(folder)


def _delete(folder: str) -> None:
    """Delete a folder, again if a process that is about to end has written to it in the meantime."""
    for _ in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            return
        time.sleep(_PAUSE_S)


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
    clean_up_at_end(sys.stdin)
