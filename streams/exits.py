"""Every exit status of the program."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The status with which a process ends."""

    OK = 0
    CHECK_FAILED = 1
    USAGE = 2
    UNKNOWN_LEAD = 3
    TROUBLE = 70
    CONFLICT = 75
    REFUSED = 78

    @property
    def meaning(self) -> str:
        """For people."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "done",
    Exit.CHECK_FAILED: "a check failed: mistakes in a scorecard file, a mismatch, not confirmed",
    Exit.USAGE: "the command line is wrong",
    Exit.UNKNOWN_LEAD: "there is no such lead",
    Exit.TROUBLE: "Kafka or Redis cannot be reached, or no progress, or an internal error: try again",
    Exit.CONFLICT: "another worker owns the same partitions: starting again is right",
    Exit.REFUSED: "settings, topics and state do not fit together: a person must decide",
}
