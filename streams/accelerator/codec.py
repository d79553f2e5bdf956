"""Decode many records at once into a ColumnBatch, with compiled code for plain events."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
from xxhash import xxh3_64_intdigest

from streams.accelerator.batch import ColumnBatch
from streams.accelerator.hashing import SEED
from streams.accelerator.kernels.events import FOUND, places, scan
from streams.accelerator.layout import NEVER, Column
from streams.accelerator.pointers import Text
from streams.events.calls import parse_call
from streams.events.codec import ONE_BY_ONE, Codec, Decoded, Extras, Owner, extras_of
from streams.events.rejects import Refused, Reject
from streams.events.times import FIRST_MS, LAST_MS
from streams.scoring.event import Control, LeadEvent
from streams.scoring.rules import MEMORY, SIMPLE, Values

NOT_PLAIN: Final = -2
"""Kind of an event that is not plain."""


@dataclass(slots=True)
class _Rows:
    """Records and their decoded values, in order."""

    records: Sequence[Any]
    owners: Sequence[Owner]
    text: Text
    found: Column
    """FOUND for each record."""
    kinds: Column
    """Number of the kind of each event; NOT_PLAIN if it is not plain."""
    alone: dict[int, LeadEvent | Control]
    extras: dict[int, Extras]


class AcceleratedCodec(Codec):
    """Decodes the records of ``lead-events`` for one set of scorecards, many at once."""

    def __init__(self, paths: tuple[str, ...], numeric: Collection[str] = ()) -> None:
        super().__init__(paths, numeric)
        self._places = places([_scanned(keys) for keys in self._keys], {tuple(path.split(".")) for path in numeric})
        self._forget_kinds()

    def _forget_kinds(self) -> None:
        self._kinds: list[tuple[str, Values]] = []
        self._numbers: dict[tuple[str, Values], int] = {}
        self._numbers_by_hash: dict[int, int] = {}
        """Hashes of the kinds that compiled code has read, and their numbers, or NOT_PLAIN."""

    def decode_batch(self, records: Sequence[Any], owners: Sequence[Owner]) -> Decoded[ColumnBatch]:
        """Decode records in order. An owner that is None skips the record; one that is not a string replaces it."""
        if len(self._numbers_by_hash) + len(self._numbers) >= MEMORY:
            self._forget_kinds()
        rows = self._scan(records, owners)
        before = self._unreadable_times
        rejects: list[tuple[Any, Reject]] = []
        if len(not_plain := np.flatnonzero(rows.kinds == NOT_PLAIN)):
            gone = self._decode_one_by_one(rows, not_plain.tolist(), rejects)
            if gone:  # which is rare
                kept = [i for i in range(len(records)) if i not in gone]
                again = self.decode_batch([records[i] for i in kept], [owners[i] for i in kept])
                return again._replace(rejects=rejects)
        return Decoded(self._columns(rows), rejects, self._unreadable_times - before)

    def _scan(self, records: Sequence[Any], owners: Sequence[Owner]) -> _Rows:
        """Scan the records with compiled code."""
        values = [record.value or b"" for record in records]
        selected, ends = np.ones(len(values), np.uint8), np.zeros((len(values), 2), np.int64)
        ends[:, 0] = np.fromiter(map(len, values), np.int64, len(values))
        if list(owners).count("") == len(owners):
            text = Text(b"".join(values))
        else:
            ids = [owner.encode() if type(owner) is str else b"" for owner in owners]
            ends[:, 1] = np.fromiter(map(len, ids), np.int64, len(ids))
            selected = np.array([type(owner) is str for owner in owners], np.uint8)
            text = Text(b"".join(chain.from_iterable(zip(values, ids, strict=True))))
        rows = _Rows(records, owners, text, np.zeros(len(values), FOUND), np.full(len(values), NOT_PLAIN), {}, {})
        if self._places is not None:
            first, entries, keys, slots_of, slots = self._places
            ends = ends.cumsum()
            scan(text.address, ends, selected, first, entries, keys.address, slots_of, slots, SEED, rows.found)
            self._number_kinds(rows)
            for i in np.flatnonzero((rows.found["extras"] == 1) & (rows.kinds != NOT_PLAIN)).tolist():
                try:
                    extras = extras_of(parse_call(values[i]))
                except Refused:
                    rows.kinds[i] = NOT_PLAIN
                    continue
                if extras != NO_EXTRAS:
                    rows.extras[i] = extras
        return rows

    def _number_kinds(self, rows: _Rows) -> None:
        """Set the kind numbers of plain events; unknown kinds get a new number."""
        plain, known = np.flatnonzero(rows.found["plain"]), self._numbers_by_hash
        hashes, firsts, places_of = np.unique(rows.found["kind"][plain], return_index=True, return_inverse=True)
        for hashed, i in zip(hashes.tolist(), plain[firsts].tolist(), strict=True):
            if hashed not in known:
                item = self.decode_event(rows.records[i], "anyone")
                if isinstance(item, LeadEvent) and item.name not in ONE_BY_ONE:
                    known[hashed] = self._number(item.name, item.values)
                else:
                    known[hashed] = NOT_PLAIN
        rows.kinds[plain] = np.array([known[hashed] for hashed in hashes.tolist()], np.int64)[places_of]

    def _number(self, name: str, values: Values) -> int:
        """Give a new kind of events its number."""
        self._kinds.append((name, values))
        return len(self._kinds) - 1

    def _decode_one_by_one(self, rows: _Rows, not_plain: list[int], rejects: list[tuple[Any, Reject]]) -> set[int]:
        """Decode events that are not plain one by one; returns the indexes of those that are rejected or skipped."""
        gone, text = set[int](), bytearray(rows.text.bytes)

        def place(added: str) -> tuple[int, int]:
            start = len(text)
            text.extend(added.encode())
            return start, len(text) - start

        for i in not_plain:
            owner = rows.owners[i]
            item = self.decode_event(rows.records[i], owner) if isinstance(owner, str) else owner
            if isinstance(item, Reject):
                rejects.append((rows.records[i], item))
            if item is None or isinstance(item, Reject):
                gone.add(i)
                continue
            one = rows.found[i]
            one["lead_at"], one["lead_size"] = place(item.lead_id)
            if isinstance(item, LeadEvent) and item.verdict is None and _is_simple(item.values):
                one["id_at"], one["id_size"] = place(item.message_id)
                one["digest"] = xxh3_64_intdigest(item.message_id.encode()) >> 16
                one["at"], one["sent"], one["known"] = item.at, NEVER, item.known
                number = self._numbers.get((item.name, item.values))
                if number is None:
                    number = self._numbers[item.name, item.values] = self._number(item.name, item.values)
                rows.kinds[i] = number
                if (extras := Extras(item.traits, item.touch, item.public)) != NO_EXTRAS:
                    rows.extras[i] = extras
            else:
                rows.alone[i] = item
        rows.text = Text(bytes(text))
        return gone

    def _columns(self, rows: _Rows) -> ColumnBatch:
        records, text, found, kinds, known_kinds = rows.records, rows.text, rows.found, rows.kinds, self._kinds
        extras = rows.extras
        arrivals = np.array([record.timestamp for record in records], np.int64).clip(FIRST_MS, LAST_MS)
        stated, sent = found["at"], found["sent"]
        ats = np.minimum(np.where(sent == NEVER, stated, arrivals - (sent - stated)), arrivals).clip(0)

        def events(indexes: Sequence[int]) -> Iterator[LeadEvent]:  # without a reference cycle, which would live long
            names = ("lead_at", "lead_size", "id_at", "id_size", "known")
            columns = [column[indexes].tolist() for column in (kinds, ats, arrivals, *(found[name] for name in names))]
            for i, kind, at, arrival, lead_at, lead_size, id_at, id_size, known in zip(indexes, *columns, strict=True):
                lead_id = text.bytes[lead_at : lead_at + lead_size].decode()
                message_id = text.bytes[id_at : id_at + id_size].decode()
                (name, values), more = known_kinds[kind], extras.get(i, NO_EXTRAS)
                parts = more.traits, more.touch, records[i].value or b"", more.public, bool(known)
                yield LeadEvent(lead_id, name, values, message_id, at, arrival, *parts)

        return ColumnBatch(
            text,
            found["lead_at"],
            found["lead_size"],
            kinds,
            known_kinds,
            found["digest"],
            arrivals,
            ats,
            found["known"],
            _offsets(records),
            events,
            alone=rows.alone,
            extras=dict(zip(extras, events(list(extras)), strict=True)),
        )


def _offsets(records: Sequence[Any]) -> Column:
    """The offsets of records, which usually have no gaps."""
    if records and records[-1].offset - records[0].offset == len(records) - 1:
        return np.arange(records[0].offset, records[0].offset + len(records))
    return np.array([record.offset for record in records], np.int64)


_TRAITS: Final = ("traits",), ("context", "traits")
NO_EXTRAS: Final = Extras()


def _is_simple(values: Values) -> bool:
    return all(type(value) in SIMPLE for value in values)


def _scanned(path: tuple[str, ...]) -> tuple[str, ...]:
    """The path that the compiled scan reads: all traits for one of them, as it leaves events with traits to Codec."""
    return next((whole for whole in _TRAITS if path[: len(whole)] == whole), path)
