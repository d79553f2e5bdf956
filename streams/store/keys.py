"""The names of the Redis keys. All keys of a shard share one hash tag, so they live in one slot on one node."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import count

SLOTS = 16384
"""Hash slots of a Redis Cluster."""


def slot(tag: str) -> int:
    """The slot of a hash tag, as the Redis Cluster specification computes it (CRC16/XMODEM)."""
    return crc_hqx(tag.encode(), 0) % SLOTS


def tag(partition: int, partitions: int) -> str:
    """The hash tag of a partition: its slot lies in the partition-th of ``partitions`` equal segments.

    Nodes own ranges of slots, so plain tags such as ``{p0}`` would load some nodes twice and others never.
    """
    if not 0 <= partition < partitions <= SLOTS:
        msg = f"partition {partition} is not one of {partitions} (at most {SLOTS})"
        raise ValueError(msg)
    candidates = (f"{partition}.{salt}" for salt in count())
    return next(text for text in candidates if slot(text) * partitions // SLOTS == partition)


@dataclass(frozen=True, slots=True)
class ShardKeys:
    """The keys of one shard."""

    ctl: str
    """HASH: version, step and the fields of the engine."""
    leads: str
    """HASH: lead id -> blob. One hash, because a key per lead costs more memory."""
    due: str
    """ZSET: lead id by due time in ms since the epoch."""
    outbox: str
    """STREAM: entry id ``<seq>-0``, payload under ``m``."""
    dirty: str
    """SET of lead ids."""
    rank: str
    """SET of the scorecards that have a ranking."""

    history: str
    """Nothing by itself; each scorecard has a HASH: lead id -> the scores that it had (``scoring.history``)."""
    fired: str
    """HASH: how often each signal counted, by day."""

    def of(self, scorecards: Iterable[str]) -> tuple[str, ...]:
        """Every key, with those of these scorecards, in the order in which ``commit.lua`` takes them."""
        cards = (key for card in scorecards for key in (self.ranking(card), self.histories(card)))
        return (self.ctl, self.leads, self.due, self.outbox, self.dirty, self.rank, self.fired, *cards)

    def ranking(self, scorecard: str) -> str:
        """ZSET: lead id by *negated* score, so that equal scores come by ascending lead id."""
        return f"{self.rank}:{scorecard}"

    def histories(self, scorecard: str) -> str:
        """HASH: lead id -> history."""
        return f"{self.history}:{scorecard}"


@cache
def shard_keys(namespace: str, partition: int, partitions: int) -> ShardKeys:
    """The keys of a partition's shard."""
    if "{" in namespace or "}" in namespace:
        msg = f"namespace {namespace!r} would break the hash tag: leave the braces out"
        raise ValueError(msg)
    stem = f"{namespace}:{{{tag(partition, partitions)}}}"
    names = ("ctl", "leads", "due", "outbox", "dirty", "rank", "history", "fired")
    return ShardKeys(*(f"{stem}:{name}" for name in names))


def meta_key(namespace: str) -> str:
    """HASH: what must stay true of the whole store, the number of partitions first of all."""
    return f"{namespace}:meta"
