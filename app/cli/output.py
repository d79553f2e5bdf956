"""Standard output whose failures are told apart from those of Kafka and Redis."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any


class OutputLost(Exception):
    """What a command printed did not arrive: its reader went away, or its disk is full.

    No OSError, because a command takes those inside of its work for a server's.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the output cannot be written: {error.strerror}.")
        self.reader_gone = isinstance(error, BrokenPipeError)


class _Descriptor(io.FileIO):
    """A file descriptor that fails once, and takes what is still flushed at the end of the process for nothing."""

    _lost = False

    def write(self, data: Any) -> int:
        """Write, or raise OutputLost."""
        if self._lost:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self._lost = True
            raise OutputLost(error) from None


def paper(descriptor: int, like: Any) -> io.TextIOWrapper:
    """A text stream to the descriptor, encoded like another one; it raises OutputLost."""
    raw = _Descriptor(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=like.encoding, errors=like.errors, line_buffering=raw.isatty()
    )


@contextmanager
def checked_output() -> Iterator[None]:
    """Have standard output raise OutputLost, at the latest at the end of the block."""
    if sys.stdout is None:  # it was closed before we began
        yield
        return
    with paper(1, sys.stdout) as out, redirect_stdout(out):
        try:
            yield
        finally:
            out.flush()
