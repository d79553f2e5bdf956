"""The exit statuses of the commands and their meanings."""

from __future__ import annotations

import logging
import os
import sys
from enum import IntEnum

log = logging.getLogger(__name__)


class Exit(IntEnum):
    """The status with which a process ends."""

    meaning: str

    def __new__(cls, status: int, meaning: str) -> Exit:
        """Create a status with a description for people."""
        member = int.__new__(cls, status)
        member._value_ = status
        member.meaning = meaning
        return member

    OK = 0, "done"
    CHECK_FAILED = 1, "a check failed: mistakes in a file, a mismatch, a fault that was found, or no confirmation"
    USAGE = 2, "the command line is wrong"
    UNKNOWN_LEAD = 3, "there is no such lead or account"
    TROUBLE = 70, "Kafka or Redis cannot be reached, there is no progress, or an internal error: try again"
    UNWRITTEN = 74, "the output cannot be written; for example, the disk is full"
    CONFLICT = 75, "another worker owns the same partitions: restart it"
    REFUSED = 78, "settings, topics and state do not match: a person must decide"
    INTERRUPTED = 130, "ended by Ctrl-C"
    READER_GONE = 141, "the reader of the output has ended, for example `| head`"
    TERMINATED = 143, "ended by SIGTERM"


def end_process(status: int, message: str) -> None:
    """End the process at once. The next owner of its partitions repeats the work that is not committed."""
    log.critical("%s", message)
    sys.stderr.flush()
    logging.shutdown()
    os._exit(status)
