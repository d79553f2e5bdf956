"""The records that a backtest replays, and the place where it reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from streams.events.outgoing import Outgoing
from streams.events.records import SOURCE_HEADER, Headers
from streams.shard.outbox import MAX_FORWARDS, parse_source

MAX_EXAMPLES: Final = 10
EXAMPLES_OF_A_REASON: Final = 2
MAX_EXAMPLE_CHARS: Final = 160


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record of ``lead-events`` that was made here instead of read from Kafka."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The origin of a record that a shard forwarded to another one."""

    source: bytes
    """The source header of the forwarded record."""
    first: bytes
    """The same without a backfill."""
    partition: int
    offset: int
    """Of the record that caused it."""


@dataclass(slots=True)
class Unreadable:
    """What could not be scored: a count for each reason, and the first examples."""

    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, str]] = field(default_factory=list)

    def add(self, place: str, reason: str, detail: str, value: bytes | None) -> None:
        """Count one and keep it as an example if it is one of the first."""
        self.reasons[reason] += 1
        if self.reasons[reason] <= EXAMPLES_OF_A_REASON and len(self.examples) < MAX_EXAMPLES:
            text = (value or b"")[: MAX_EXAMPLE_CHARS * 4].decode("utf-8", "replace")[:MAX_EXAMPLE_CHARS]
            text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)  # for a terminal
            self.examples.append({"place": place, "reason": reason, "detail": detail, "text": text})

    def add_reject(self, record: Outgoing, place: str = "") -> None:
        """Count a record for ``rejected-events``."""
        headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
        self.add(place or record.key.decode(), headers["reason"], headers["message"], record.value)


class EventSource(Protocol):
    """Events in the form of ``lead-events``. They are read twice: once to find outcomes, once to score."""

    name: str
    partitions: int
    total: int
    """The number of records."""
    taken: int
    """The number of records read so far; each reading counts."""
    starts: dict[int, int]
    """The first offset of each partition."""
    is_log: bool
    """Whether it has the records that shards forwarded to one another."""
    unreadable: Unreadable

    def read(self) -> AsyncIterator[tuple[int, Sequence[Any]]]:
        """Yield (partition, records), each partition in order."""


def origin_of(record: Any) -> Forwarded | None:
    """The origin of a record if another shard forwarded it."""
    for name, source in record.headers:
        if name == SOURCE_HEADER and source and (found := parse_source(source)) is not None:
            (partition, _), number = found
            return Forwarded(source, b"~%d:%d" % (partition, number), partition, number // MAX_FORWARDS)
    return None
