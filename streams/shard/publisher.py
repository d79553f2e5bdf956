"""Publishes changed scores to ``lead-scores`` in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from streams.events.records import Row
from streams.scoring.score import Standing
from streams.shard.alert import score_record
from streams.shard.shard import Shard
from streams.transport.channel import Channel

RANKED = 10_000
"""The number of leads whose ranking and schedule are updated before other work of the shard."""
SHOWN = 1000
"""The number of leads whose ranking and schedule are updated in one step."""
ROWS = 200
"""The number of leads for which score records are built before other lanes run."""
PORTION = 2000
"""The number of leads whose scores are sent together; all leads of a backlog at once would need too much memory."""


class Publisher:
    """Publishes the scores of one shard, one portion at a time."""

    def __init__(self, shard: Shard, channel: Channel) -> None:
        """Create the publisher; ``publish`` must be called regularly."""
        self._shard = shard
        self._channel = channel
        self._left: list[tuple[str, int]] = []
        """Leads whose scores are sent after the portion in progress, with their versions."""
        self.sending: asyncio.Task[None] | None = None
        """The task that sends the last portion; it fails if Kafka refuses the records permanently."""

    @property
    def more(self) -> bool:
        """Whether scores wait and the previous portion is sent."""
        return bool(self._left) and self._idle

    @property
    def _idle(self) -> bool:
        sending = self.sending
        return sending is None or sending.cancelled() or (sending.done() and sending.exception() is None)

    async def publish(self, at_ms: int) -> None:
        """Update ranking and schedule of changed leads, and send their scores unless earlier ones still wait."""
        unpublished = self._shard.unpublished
        lead_ids = unpublished.take_unranked(RANKED)
        for first in range(0, len(lead_ids), SHOWN):
            await self._shard.update_ranking(lead_ids[first : first + SHOWN])
        if self._idle and not self._left:  # listing all takes long after a backlog
            self._left = list(unpublished.waiting().items())
        await self.send_more(at_ms)

    async def send_more(self, at_ms: int) -> None:
        """Send the next portion, if the previous one is sent."""
        if self.more:
            versions = dict(self._left[:PORTION])
            del self._left[:PORTION]
            rows, ahead = await self._rows(list(versions), at_ms)
            self.sending = asyncio.create_task(self._send(rows, versions, ahead))

    async def _rows(self, lead_ids: Sequence[str], at_ms: int) -> tuple[list[Row], set[str]]:
        """Build the records; also return the leads whose score at ``at_ms`` differs from the ranking."""
        rows, ahead = list[Row](), set[str]()
        for first in range(0, len(lead_ids), ROWS):
            chunk = lead_ids[first : first + ROWS]
            await self._shard.load_leads(chunk)  # some may have been removed from the cache
            unsent = self._shard.scorer.unsent(chunk)
            standings = self._shard.scorer.standings(unsent, at_ms)
            rows += _score_rows(self._shard, unsent, standings, at_ms)
            ahead.update(self._shard.scorer.ahead(standings))
            await asyncio.sleep(0)  # let other lanes run first: alerts are more urgent than scores
        return rows, ahead

    async def _send(self, rows: list[Row], versions: dict[str, int], ahead: set[str]) -> None:
        partition = self._shard.partition % self._channel.score_partitions
        if rows:
            await self._channel.producer.deliver_batches(self._channel.topics.lead_scores, {partition: rows})
        self._channel.metrics.scores.inc(len(rows))
        self._shard.mark_published(versions, ahead)


def _score_rows(
    shard: Shard, lead_ids: Sequence[str], standings: Mapping[str, Sequence[Standing]], at_ms: int
) -> list[Row]:
    """Build one row for each lead and scorecard; tombstones for leads that were joined or erased."""
    rules = shard.scorer.rules
    rows: list[Row] = []
    for i, card in enumerate(rules.cards):
        suffix = f"/{card.name}" if i else ""
        for lead_id in lead_ids:
            known = standings.get(lead_id)
            value = None if known is None else score_record(lead_id, card, known[i], rules.version)
            rows.append((at_ms, f"{lead_id}{suffix}".encode(), value, []))
    return rows
