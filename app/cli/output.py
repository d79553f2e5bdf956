"""Standard output whose errors are distinguishable from those of Kafka and Redis."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any


class OutputLost(Exception):
    """The output cannot be written: its reader has ended, or the disk is full.

    Not an OSError, because commands treat an OSError during their work as an error of a server.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the output cannot be written: {error.strerror}.")
        self.reader_gone = isinstance(error, BrokenPipeError)


class _Descriptor(io.FileIO):
    """A file descriptor that raises once, and ignores what is flushed afterwards at the end of the process."""

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


def open_checked(descriptor: int, like: Any) -> io.TextIOWrapper:
    """Open a text stream to a descriptor, encoded like another one; it raises OutputLost."""
    raw = _Descriptor(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=like.encoding, errors=like.errors, line_buffering=raw.isatty()
    )


@contextmanager
def checked_output() -> Iterator[None]:
    """Make standard output raise OutputLost, at the latest at the end of the block."""
    if sys.stdout is None:  # it was closed before the start
        yield
        return
    with open_checked(1, sys.stdout) as out, redirect_stdout(out):
        try:
            yield
        finally:
            out.flush()


def to_the_second(time: str) -> str:
    """A time of a view without its milliseconds."""
    return f"{time[:10]} {time[11:19]}Z"
