"""Publishes scorecards: one record on their topic, then a control record on every partition of lead-events.

A publisher that ends in between leaves a publication without some of its control records. ``finish`` may be repeated by
anyone: a shard ignores a control record whose publication is not after its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import uuid4

from streams.events.changes import ScorecardsChange, encode_change
from streams.events.outgoing import Outgoing
from streams.mismatch import Mismatch
from streams.partition_numbers import explain_state
from streams.publishing.catalog import Published
from streams.publishing.records import Backfill, Item, Publication, Repartitioned, Written, encode_item, one_line
from streams.publishing.scorecards import Scorecards
from streams.publishing.topic import ScorecardsTopic
from streams.transport.topics import Topics


class Deliver(Protocol):
    """Sends records in order and returns the metadata of each."""

    async def __call__(self, records: Sequence[Outgoing], partition: int | None = None) -> list[Any]:
        """Send records and wait for every acknowledgement."""


async def ignore_step(step: str) -> None:
    """The default hook for named steps: does nothing."""


class Superseded(Exception):
    """Other scorecards were published since the author looked."""

    def __init__(self, latest: Published) -> None:
        """``latest`` is the publication in use."""
        self.latest = latest
        super().__init__(f"{latest.item.author} published version {latest.title} meanwhile")


class ScorecardsWriter:
    """Writes to the topic of scorecards, and control records to lead-events."""

    def __init__(
        self,
        topic: ScorecardsTopic,
        topics: Topics,
        partitions: int,
        deliver: Deliver,
        now_ms: Callable[[], Awaitable[int]],
        reached: Callable[[str], Awaitable[None]] = ignore_step,
    ) -> None:
        """``now_ms`` returns the time that all workers share; ``reached`` is called when a named step is reached."""
        self._topic = topic
        self._topics = topics
        self._partitions = partitions
        self._deliver = deliver
        self._now_ms = now_ms
        self._reached = reached

    async def publish(
        self,
        scorecards: Scorecards,
        author: str,
        after: int,
        note: str = "",
        quiet: bool = False,
        undone: tuple[int, ...] = (),
    ) -> None:
        """Publish a version, after finishing earlier publications.

        ``after`` is the place of the publication that it replaces, -1 for none. ``note`` is stored as one line without
        control characters.

        Raises:
            Superseded: that is not the latest; nothing has changed.
            Mismatch: leads were divided among more partitions since this process was started.
        """
        await self.finish()
        self._require_same_number()
        publication = Publication(
            id=uuid4().hex,
            version=scorecards.version,
            text=scorecards.text,
            author=author,
            at_ms=await self._now_ms(),
            note=one_line(note),
            quiet=quiet,
            undone=undone,
            after=after,
        )
        await self._reached("scorecards_ready")
        await self._write(publication)
        if publication.id not in {each.item.id for each in self._topic.catalog}:
            latest = self._topic.catalog.latest
            assert latest is not None
            raise Superseded(latest)
        await self._reached("scorecards_published")
        await self.finish()

    async def finish(self) -> None:
        """Write the control records that publications may lack."""
        await self._topic.refresh()
        for published in self._topic.catalog.unfinished():
            self._require_same_number()
            await self.write_controls(published)

    def _require_same_number(self) -> None:
        """Refuse to write control records to some of the partitions only."""
        known = self._topic.catalog.partitions
        if known is not None and known != self._partitions:
            raise Mismatch(explain_state(self._partitions, known).rstrip("."))

    async def write_controls(self, published: Published) -> None:
        """Write the control record of a publication to every partition, and note that."""
        offsets = {}
        change = ScorecardsChange(published.place, published.version, published.item.quiet)
        for partition in range(self._partitions):
            record = encode_change(self._topics.lead_events, change, await self._now_ms())
            (sent,) = await self._deliver([record], partition)
            offsets[partition] = sent.offset
            await self._reached("scorecards_control")
        await self._write(Written(id=published.item.id, offsets=offsets))
        await self._topic.refresh()

    async def begin_anew(self, lost: Iterable[Published]) -> None:
        """Note that publications whose control records are gone are in force from the start of the log."""
        for published in lost:
            await self._write(Written(id=published.item.id, offsets=dict.fromkeys(range(self._partitions), -1)))

    async def backfill(self, place: int) -> None:
        """Count the signals of the publication at this place from the beginning of the log."""
        await self._write(Backfill(place=place))

    async def note_repartition(self, old: int, offsets: Mapping[int, int]) -> None:
        """Note that leads were divided among the partitions of this writer, of which there were ``old``.

        ``offsets`` are those of the first records that were keyed by the new number.
        """
        at_ms = await self._now_ms()
        await self._write(Repartitioned(old=old, new=self._partitions, offsets=dict(offsets), at_ms=at_ms))

    async def _write(self, item: Item) -> None:
        await self._deliver([encode_item(self._topic.name, item, await self._now_ms())], 0)
        await self._topic.refresh()
