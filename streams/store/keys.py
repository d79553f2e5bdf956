"""The names of the Redis keys. All keys of a shard share a hash tag, so they are in one slot on one node."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import count

SLOTS = 16384
"""The number of hash slots of a Redis Cluster."""


def slot(tag: str) -> int:
    """The slot of a hash tag according to the Redis Cluster specification (CRC16/XMODEM)."""
    return crc_hqx(tag.encode(), 0) % SLOTS


def tag(partition: int, partitions: int) -> str:
    """The hash tag of a partition. Its slot is in the partition-th of ``partitions`` equal segments of all slots.

    Nodes own ranges of slots, so simple tags such as ``{p0}`` would give some nodes two shards and others none.
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
    """Prefix only; each scorecard has a HASH: lead id -> its past scores (``streams.store.history``)."""
    fired: str
    """HASH: how often each signal counted, by day."""
    sales: str
    """ZSET: rows for results by time in ms since the epoch."""

    def of(self, scorecards: Iterable[str]) -> tuple[str, ...]:
        """All keys, including those of these scorecards, in the order of KEYS in ``commit.lua``."""
        cards = (key for card in scorecards for key in (self.ranking(card), self.histories(card)))
        return (self.ctl, self.leads, self.due, self.outbox, self.dirty, self.rank, self.fired, self.sales, *cards)

    def ranking(self, scorecard: str) -> str:
        """ZSET: lead id by *negated* score, so that leads with equal scores are in ascending order of their ids."""
        return f"{self.rank}:{scorecard}"

    def histories(self, scorecard: str) -> str:
        """HASH: lead id -> history."""
        return f"{self.history}:{scorecard}"


@cache
def shard_keys(namespace: str, partition: int, partitions: int) -> ShardKeys:
    """The keys of a partition's shard."""
    if "{" in namespace or "}" in namespace:
        msg = f"namespace {namespace!r} would break the hash tag: remove the braces"
        raise ValueError(msg)
    stem = f"{namespace}:{{{tag(partition, partitions)}}}"
    names = ("ctl", "leads", "due", "outbox", "dirty", "rank", "history", "fired", "sales")
    return ShardKeys(*(f"{stem}:{name}" for name in names))


def meta_key(namespace: str) -> str:
    """HASH: values that must not change for the whole store, such as the number of partitions."""
    return f"{namespace}:meta"
