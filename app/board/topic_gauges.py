"""Metrics of topics: first and last event of each source, and the records that topics of refused ones still have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.board.metrics import Metrics
from streams.transport.topics import Topics

BACK: Final = 10
"""Offsets before the end that are read at first; the last ones may be marks of transactions."""
READ_MS: Final = 500
READS: Final = 4
"""Reads at most."""


class TopicGauges:
    """The arrival of the first and the last event of each source topic, and the numbers of refused records."""

    def __init__(self, topics: Topics, undelivered: str, metrics: Metrics) -> None:
        """``undelivered`` is the topic of the notifier's dead letters. Nothing is known yet."""
        self.undelivered = undelivered
        self._topics = topics
        self._metrics = metrics
        self._firsts: dict[Any, int] = {}
        """Partition -> its first offset at the last look; so are the ends."""
        self._ends: dict[Any, int] = {}
        self._first_ms: dict[Any, int] = {}
        self._last_ms: dict[Any, int] = {}

    def forget(self) -> None:
        """Read everything again at the next look, as events may have been missed."""
        self._firsts.clear()
        self._ends.clear()

    async def update(self, consumer: Any, firsts: Mapping[Any, int], ends: Mapping[Any, int], read_ms: int) -> None:
        """Note the offsets of all partitions at ``read_ms``; ``consumer`` is assigned to all, and paused."""
        places = [place for place in ends if place.topic in self._topics.sources and ends[place] > firsts[place]]
        await self._read_first(consumer, [place for place in places if self._firsts.get(place) != firsts[place]])
        await self._read_last(consumer, [place for place in places if place not in self._ends], firsts, ends)
        for place in places:
            if ends[place] > self._ends.get(place, ends[place]):
                self._last_ms[place] = read_ms
        self._firsts, self._ends = dict(firsts), dict(ends)
        self._export_times()
        for topic in (self._topics.rejected, self.undelivered):
            kept = [end - firsts[place] for place, end in ends.items() if place.topic == topic]
            if kept:
                self._metrics.kept.labels(topic).set(sum(kept))

    async def _read_first(self, consumer: Any, places: list[Any]) -> None:
        if places:
            found = await consumer.offsets_for_times(dict.fromkeys(places, 0))
            self._first_ms |= {place: at.timestamp for place, at in found.items() if at is not None}

    async def _read_last(
        self, consumer: Any, places: list[Any], firsts: Mapping[Any, int], ends: Mapping[Any, int]
    ) -> None:
        """Read the last records of partitions that are looked at for the first time."""
        if not places:
            return
        for place in places:
            consumer.seek(place, max(firsts[place], ends[place] - BACK))
        consumer.resume(*places)
        try:
            for _ in range(READS):
                for place, records in (await consumer.getmany(*places, timeout_ms=READ_MS)).items():
                    self._last_ms[place] = records[-1].timestamp
                if all(place in self._last_ms for place in places):
                    break
        finally:
            consumer.pause(*places)

    def _export_times(self) -> None:
        for times, gauge, choose in (
            (self._first_ms, self._metrics.first_event, min),
            (self._last_ms, self._metrics.last_event, max),
        ):
            for topic in {place.topic for place in times}:
                at_ms = choose(at for place, at in times.items() if place.topic == topic)
                gauge.labels(topic).set(at_ms / 1000)
