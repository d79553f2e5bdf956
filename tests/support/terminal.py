"""Runs a program on a terminal of its own."""

import os
import pty
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from app.embedded.child import start_child
from tests.support.waiting import wait_for

TAIL = 4000
"""The characters of the output that a failure shows."""


class TerminalProgram:
    """A program, and the terminal that shows its output."""

    def __init__(self, process: "subprocess.Popen[bytes]", screen: int) -> None:
        self.process = process
        self._screen = screen
        self.shown = b""
        """All of the output so far."""
        self._read_up_to = 0

    def read_until(self, sign: bytes, timeout_s: float) -> bytes:
        """The output since the last call, up to a sign.

        Raises:
            AssertionError: the program ended before, or was too slow; the message has the end of its output.
        """
        wait_for(lambda: self._read(sign), f"showing {sign!r}", timeout_s, self.tail)
        start = self._read_up_to
        self._read_up_to = self.shown.index(sign, start) + len(sign)
        return self.shown[start : self._read_up_to]

    def wait(self, timeout_s: float) -> int:
        """The exit status, after the program has ended."""
        wait_for(lambda: not self._receive() and self.process.poll() is not None, "ended", timeout_s, self.tail)
        return int(self.process.returncode)

    def tail(self) -> str:
        """The end of the output."""
        return self.shown.decode(errors="replace")[-TAIL:]

    def _read(self, sign: bytes) -> bool:
        ended = self.process.poll() is not None
        more = self._receive()
        found = self.shown.find(sign, self._read_up_to) >= 0
        assert found or more or not ended, f"ended with {self.process.returncode} before {sign!r}:\n{self.tail()}"
        return found

    def _receive(self) -> bool:
        """Whether there was something new. On Linux a terminal whose program has ended raises an error."""
        try:
            new = os.read(self._screen, 65536)
        except OSError:
            return False
        self.shown += new
        return bool(new)


@contextmanager
def on_terminal(argv: Sequence[str], columns: int, lines: int) -> Iterator[TerminalProgram]:
    """Start a program on a terminal of this size; it is killed at the end if it still runs."""
    screen, terminal = pty.openpty()
    os.set_blocking(screen, False)
    size = {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(lines)}
    env = {**os.environ, **size}  # noqa: TID251 - a child needs its PATH
    process = start_child(argv, stdin=terminal, stdout=terminal, stderr=terminal, env=env)
    os.close(terminal)
    try:
        with process:
            try:
                yield TerminalProgram(process, screen)
            finally:
                process.send_signal(signal.SIGKILL)  # with a terminal that nobody reads it could wait for ever
    finally:
        os.close(screen)
