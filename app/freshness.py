"""How fresh scores are: until when all events that arrived are scored. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from types import MappingProxyType
from typing import Final, NamedTuple

from streams.shard.alert import rfc3339
from streams.shard.position import Position

LATE_MS: Final = 10_000
"""Scores are late from this lag on, or when no worker was seen for so long."""
REBUILD: Final = b"rebuild"
"""The owner of a shard that `leadglow rebuild` has emptied."""
MAX_ENDS: Final = 500
"""Ends of a partition that are remembered until they are scored; of more, every second one is dropped."""


class State(StrEnum):
    """Whether scores are up to date."""

    CURRENT = "current"
    BEHIND = "behind"
    REBUILDING = "rebuilding"
    NO_WORKER = "no_worker"
    UNKNOWN = "unknown"


UNKNOWN: Final = "It is unknown whether scores are up to date"
_SENTENCES: Final = {
    State.CURRENT: "Scores are up to date.",
    State.BEHIND: "Scoring is behind.",
    State.REBUILDING: "Scores are being rebuilt and are incomplete.",
    State.NO_WORKER: "No worker is running: new events are not scored.",
    State.UNKNOWN: f"{UNKNOWN}: Kafka or Redis does not respond to the board.",
}


class Source(NamedTuple):
    """A partition of a source topic."""

    topic: str
    partition: int
    end: int
    """Its end at ``ended_ms``."""
    done: int
    """The next offset of the workers."""
    ended_ms: int


class Offsets(NamedTuple):
    """What Kafka says about the topics that workers read."""

    ends: Mapping[int, int]
    """Partition of lead-events -> its end."""
    sources: Iterable[Source]
    read_ms: int
    firsts: Mapping[int, int] = MappingProxyType({})
    """Partition of lead-events -> the offset of its first record that is left, where known."""


class ShardPosition(NamedTuple):
    """How far a shard is."""

    partition: int
    checkpoint: int
    arrived_ms: int
    """Arrival of the last scored record; 0 for none."""
    emptied: bool
    """Whether no worker has written it since it was emptied for a rebuild."""

    @classmethod
    def from_fields(cls, partition: int, fields: Mapping[str, bytes]) -> ShardPosition:
        """The position in a control record."""
        position = Position.from_fields(fields)
        return cls(partition, position.checkpoint, position.arrived_ms, fields.get("owner") == REBUILD)


PlaceName = tuple[str, int]
"""(source topic, partition), or ("", partition) of lead-events."""


class _Place(NamedTuple):
    """A partition that workers read: of a source topic, or of lead-events."""

    name: PlaceName
    end: int
    done: int
    arrived_ms: int
    ended_ms: int
    emptied: bool
    first: int = 0
    """The offset of the first record that is left."""

    @property
    def waiting(self) -> int:
        """The number of offsets that can still be scored."""
        return max(self.end - max(self.done, self.first), 0)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh scores are at a moment."""

    state: State
    scored_until_ms: int | None
    """All events that arrived until then are scored; None while that is unknown, or while none is."""
    waiting: int
    """Events that have arrived and are not scored."""
    is_starting: bool = False
    """Whether the board was just started, so that nothing could be found out yet."""
    mismatch: str = ""
    """Why the board cannot show the state in Redis, with a full stop; empty if it can."""

    @property
    def is_notable(self) -> bool:
        """Whether people must be told."""
        return self.state is not State.CURRENT and not self.is_starting

    @property
    def scored_until(self) -> str | None:
        """The instant as RFC 3339."""
        return None if self.scored_until_ms is None else rfc3339(self.scored_until_ms)

    @property
    def sentence(self) -> str:
        """The state in words."""
        if self.mismatch:
            return f"{UNKNOWN}. {self.mismatch}"
        return _SENTENCES[self.state]

    def describe(self) -> str:
        """State, instant and number of waiting events in words."""
        if self.state is State.UNKNOWN:
            return self.sentence
        until = (
            f"All events that arrived until {self.scored_until} are scored."
            if self.scored_until
            else "No event is scored yet."
        )
        return f"{self.sentence} {until} Events waiting: {self.waiting}."

    def to_json(self) -> dict[str, str | None]:
        """The fields of responses."""
        return {"scored_until": self.scored_until, "freshness": self.state.value}


class Progress:
    """Measures freshness from repeated looks at Kafka and Redis."""

    def __init__(self, now_ms: int) -> None:
        """Nothing is known yet."""
        self._started_ms = now_ms
        self._looked_ms: int | None = None
        self._worker_ms = now_ms
        """When a worker was last seen."""
        self._scored_until_ms: int | None = None
        self._reached_ms = now_ms
        """Until when the partitions with waiting events are scored; the last look if nothing waits."""
        self._scored: dict[PlaceName, tuple[int, int]] = {}
        """Partition -> (time, end) of the last look of which the end is scored."""
        self._ahead: dict[PlaceName, list[tuple[int, int]]] = {}
        """Partition -> (time, end) of the looks of which the end is not scored."""
        self._waiting = 0
        self._is_rebuilding = False

    def find_unseen(self, offsets: Offsets, shards: Sequence[ShardPosition]) -> dict[PlaceName, int]:
        """Partitions that were behind at every look so far -> the offset of their first event that waits."""
        places = _list_sources(offsets, shards) + _list_shards(offsets, shards, offsets.read_ms)
        return {place.name: place.done for place in places if place.done < place.end and place.name not in self._scored}

    def add_look(
        self,
        offsets: Offsets,
        shards: Sequence[ShardPosition],
        has_workers: bool | None,
        now_ms: int,
        waiting_ms: Mapping[PlaceName, int] | None = None,
    ) -> None:
        """Take note of a look. Shards must be read after the offsets.

        Args:
            offsets: of Kafka.
            shards: the positions of all shards.
            has_workers: None if that is unknown.
            now_ms: when it ended.
            waiting_ms: arrivals of the first events that wait, as far as known, for partitions of ``find_unseen``.
        """
        sources = _list_sources(offsets, shards)
        # The ends of lead-events include what intake has forwarded by now, but nothing that still waits in a source.
        forwarded_until = [self._note_end(place) for place in sources]
        places = sources + _list_shards(offsets, shards, min([offsets.read_ms, *forwarded_until]))
        until = forwarded_until + [self._note_end(place) for place in places[len(sources) :]]
        self._scored_until_ms = min(until, default=0) or None
        known = {} if waiting_ms is None else waiting_ms
        late = [known.get(p.name, at_ms) for p, at_ms in zip(places, until, strict=True) if p.done < p.end]
        self._reached_ms = min(late, default=now_ms) or self._started_ms
        self._waiting = sum(place.waiting for place in places)
        self._is_rebuilding = any(self._is_restarted(place) for place in places)
        self._looked_ms = now_ms
        if has_workers is not False:
            self._worker_ms = now_ms

    def _note_end(self, place: _Place) -> int:
        """Remember the end of a partition until it is scored; return until when it is scored, 0 if it is not."""
        ends = self._ahead.get(place.name, [])
        if ends and ends[-1][1] == place.end:
            del ends[-1]
        ends.append((place.ended_ms, place.end))
        if scored := [each for each in ends if each[1] <= place.done]:
            self._scored[place.name] = scored[-1]
        ahead = self._ahead[place.name] = [each for each in ends if each[1] > place.done]
        if len(ahead) > MAX_ENDS:
            del ahead[1:-1:2]
        ended_ms, end = self._scored.get(place.name, (0, inf))
        return ended_ms if place.done >= end else min(place.arrived_ms, place.ended_ms)

    def _is_restarted(self, place: _Place) -> bool:
        """Whether a partition is scored again, from its beginning."""
        return place.done < place.end and (place.emptied or place.done < self._scored.get(place.name, (0, 0))[1])

    def at(self, now_ms: int) -> Freshness:
        """The freshness now."""
        return Freshness(
            self._state(now_ms),
            self._scored_until_ms,
            self._waiting,
            is_starting=self._looked_ms is None and now_ms - self._started_ms <= LATE_MS,
        )

    def _state(self, now_ms: int) -> State:
        if not self._is_known(now_ms):
            return State.UNKNOWN
        if now_ms - self._worker_ms > LATE_MS:
            return State.NO_WORKER
        if self._is_rebuilding:
            return State.REBUILDING
        return State.BEHIND if self.lag_ms(now_ms) > LATE_MS else State.CURRENT

    def _is_known(self, now_ms: int) -> bool:
        return self._looked_ms is not None and now_ms - self._looked_ms <= LATE_MS

    def lag_ms(self, now_ms: int) -> int:
        """How far scores are behind: since the start while nothing is known, and growing while looks fail."""
        at_ms = self._looked_ms if self._looked_ms is not None and self._is_known(now_ms) else now_ms
        return max(at_ms - self._reached_ms, 0)

    @property
    def scored_until_ms(self) -> int:
        """The instant for metrics: the start while none is known."""
        return self._started_ms if self._scored_until_ms is None else self._scored_until_ms


def _list_sources(offsets: Offsets, shards: Sequence[ShardPosition]) -> list[_Place]:
    """The partitions of the sources; their last scored arrival is assumed to be that of the shards."""
    arrived_ms = max((shard.arrived_ms for shard in shards), default=0)
    return [
        _Place((each.topic, each.partition), each.end, each.done, arrived_ms, each.ended_ms, False)
        for each in offsets.sources
    ]


def _list_shards(offsets: Offsets, shards: Sequence[ShardPosition], forwarded_ms: int) -> list[_Place]:
    """The partitions of lead-events, which had all events that arrived until ``forwarded_ms``."""
    ends, firsts = offsets.ends, offsets.firsts
    return [
        _Place(
            ("", s.partition),
            ends.get(s.partition, 0),
            s.checkpoint,
            s.arrived_ms,
            forwarded_ms,
            s.emptied,
            firsts.get(s.partition, 0),
        )
        for s in shards
    ]
