"""The records of the topic of scorecards: publications, and notes about them.

The topic has one partition. The key of a publication is unique, so compaction keeps all of them; its offset is its
place in the order of publications.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from streams.events.outgoing import Outgoing

BACKFILL: Final = b"backfill"
"""The key of the note from where on new signals count."""


class Publication(msgspec.Struct, frozen=True, kw_only=True, tag="publication"):
    """A version of the scorecards that was published."""

    id: str
    version: str
    text: str
    author: str
    at_ms: int
    note: str = ""
    quiet: bool = False
    undone: tuple[int, ...] = ()
    """The places of the publications that this one takes back, if it is a rollback."""
    after: int | None = None
    """The place of the publication that it replaces, -1 for none: it counts only if that is still the latest."""


class Written(msgspec.Struct, frozen=True, kw_only=True, tag="written"):
    """A publication has its control record on every partition of ``lead-events``: partition -> offset."""

    id: str
    offsets: dict[int, int]


class Backfill(msgspec.Struct, frozen=True, kw_only=True, tag="backfill"):
    """The signals of the publication at this place count from the beginning of the log."""

    place: int


class Repartitioned(msgspec.Struct, frozen=True, kw_only=True, tag="repartitioned"):
    """Leads were divided among more partitions of ``lead-events``."""

    old: int
    """The number of partitions before."""
    new: int
    offsets: dict[int, int]
    """Partition -> its first record that was keyed by the new number; the added ones have no other."""
    at_ms: int


Item = Publication | Written | Backfill | Repartitioned
_decode: Final = msgspec.json.Decoder(Item).decode


def encode_item(topic: str, item: Item, at_ms: int) -> Outgoing:
    """The record of an item."""
    return Outgoing(topic, _key_of(item), msgspec.json.encode(item), at_ms, [])


def decode_item(record: Any) -> Item | None:
    """The item in a record; None for anything else.

    Raises:
        msgspec.MsgspecError: the record is damaged, or was written by a newer version of Leadglow.
    """
    return None if record.value is None else _decode(record.value)


def one_line(text: str) -> str:
    """A text as a line that any terminal may print: control characters and line breaks are blanks."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _key_of(item: Item) -> bytes:
    if isinstance(item, Backfill):
        return BACKFILL
    if isinstance(item, Repartitioned):
        return b"repartitioned:%d" % item.new
    return item.id.encode() if isinstance(item, Publication) else f"{item.id}:written".encode()


def started_before(written: Mapping[int, int], partition: int, first_offset: int) -> bool:
    """Whether the control record of a publication was on a partition before the first record that is left.

    A partition that was added after it has none: the publication was in force there from its first record on.
    """
    return partition not in written or written[partition] < first_offset
