"""The exit statuses of the program and their meanings."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The status with which a process ends."""

    meaning: str

    def __new__(cls, status: int, meaning: str) -> Exit:
        """Keep what it means, for people, with the number."""
        member = int.__new__(cls, status)
        member._value_ = status
        member.meaning = meaning
        return member

    OK = 0, "done"
    CHECK_FAILED = 1, "a check failed: mistakes in a scorecard file, a mismatch, not confirmed"
    USAGE = 2, "the command line is wrong"
    UNKNOWN_LEAD = 3, "there is no such lead"
    TROUBLE = 70, "Kafka or Redis cannot be reached, or no progress, or an internal error: try again"
    UNWRITTEN = 74, "the output cannot be written; the disk is full, for example"
    CONFLICT = 75, "another worker owns the same partitions: starting again is right"
    REFUSED = 78, "settings, topics and state do not fit together: a person must decide"
    INTERRUPTED = 130, "ended by Ctrl-C"
    READER_GONE = 141, "nobody reads the output any more, as after `| head`"
    TERMINATED = 143, "ended by SIGTERM"
