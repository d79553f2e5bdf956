"""Starts child processes, and makes folders, that end with their parent process, even if the parent is killed.

A watchdog process, started with the first child, reads from a pipe. The system closes the parent's end of the pipe when
the parent ends. A child that starts children has its own watchdog, so grandchildren end, too. A child executes its
program only after the watchdog knows it, so it cannot be left behind at any moment.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from app.embedded import watchdog

_WHEN_WATCHED: Final = 'gate=$1; shift; read -r _ < "/dev/fd/$gate" || exit 1; exec "$@"'
"""Waits for a line from the parent, then executes the program. ``preexec_fn`` could deadlock if there are threads."""


class _Watchdog:
    """The connection to the watchdog of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._pipe: int | None = None

    def watch(self, what: int | str) -> None:
        """Add the process group with this leader, or the folder. A forked process starts its own watchdog."""
        with self._lock:
            if self._pipe is None or self._owner != os.getpid():
                self._owner, self._pipe = os.getpid(), _start_watchdog()
            os.write(self._pipe, f"{what}\n".encode())


def _start_watchdog() -> int:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", watchdog.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    process.returncode = 0  # it ends after this process, so it cannot be waited for
    assert process.stdin is not None
    with process.stdin as pipe:
        return os.dup(pipe.fileno())  # closed only when this process ends


_watchdog = _Watchdog()


def watch_child(pid: int) -> None:
    """Kill the process group with the leader ``pid`` when this process ends; for processes started by other means."""
    _watchdog.watch(pid)


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder for the time of a ``with`` block; it is also deleted if this process is killed."""
    with TemporaryDirectory(prefix=prefix) as name:
        _watchdog.watch(name)
        yield Path(name)


def start_child(argv: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
    """Start a process that ends with this one; ``options`` are passed to ``subprocess.Popen``.

    It runs in its own session: Ctrl-C reaches only this process, which stops its children in order. If the program
    does not exist, the exit status is 127.
    """
    gate, opener = os.pipe()
    try:
        argv = ["/bin/sh", "-c", _WHEN_WATCHED, "sh", str(gate), *argv]
        process = subprocess.Popen(argv, start_new_session=True, pass_fds=(gate,), **options)
        _watchdog.watch(process.pid)
        os.write(opener, b"\n")
    finally:
        os.close(gate)
        os.close(opener)
    return process


def run_child(argv: Sequence[str], timeout_s: float, stdin: str = "", cwd: "os.PathLike[str] | None" = None) -> str:
    """Run a program to its end; returns its output.

    Raises:
        RuntimeError: the program failed, or did not end in time.
    """
    pipe = subprocess.PIPE
    with start_child(argv, stdin=pipe, stdout=pipe, stderr=pipe, cwd=cwd, text=True) as process:
        try:
            out, err = process.communicate(stdin, timeout_s)
        except subprocess.TimeoutExpired:
            msg = f"{argv[0]} did not end in {timeout_s:.0f} s"
            raise RuntimeError(msg) from None
        finally:
            process.kill()
    if process.returncode:
        msg = f"{argv[0]} failed:\n{out[-2000:]}{err[-2000:]}"
        raise RuntimeError(msg)
    return str(out)
