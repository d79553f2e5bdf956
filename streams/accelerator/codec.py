"""Decode many records at once into a ColumnBatch, with compiled code for plain events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from xxhash import xxh3_64_intdigest

from streams.accelerator.batch import ColumnBatch
from streams.accelerator.hashing import SEED
from streams.accelerator.id_index import NOWHERE
from streams.accelerator.kernels.events import FOUND, places, scan
from streams.accelerator.layout import NEVER, Column
from streams.accelerator.pointers import Text
from streams.events.calls import flat_traits
from streams.events.codec import Codec, Decoded, Owner, touch_of
from streams.events.rejects import Reject
from streams.events.times import FIRST_MS, LAST_MS
from streams.scoring.event import Control, LeadEvent
from streams.scoring.rules import MEMORY, SIMPLE, Values

NOT_PLAIN: Final = -2
"""Kind of an event that is not plain."""


class _Context(msgspec.Struct, gc=False):
    traits: dict[str, Any] | None = None
    campaign: dict[str, Any] | None = None


class _Call(msgspec.Struct, gc=False):
    """The fields of a call that the compiled scan does not read."""

    traits: dict[str, Any] | None = None
    context: _Context | None = None
    leadglow: Any = None


class Extras(NamedTuple):
    """The parts of an event that are not in columns."""

    traits: dict[str, Any] | None
    touch: tuple[str, str, str] | None
    public: bool


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

    def without(self, gone: set[int]) -> _Rows:
        """A copy without the records at the indexes ``gone``."""
        kept = [i for i in range(len(self.records)) if i not in gone]
        new = {i: at for at, i in enumerate(kept)}
        alone = {new[i]: item for i, item in self.alone.items()}
        extras = {new[i]: found for i, found in self.extras.items()}
        records, owners = [self.records[i] for i in kept], [self.owners[i] for i in kept]
        return _Rows(records, owners, self.text, self.found[kept], self.kinds[kept], alone, extras)


class AcceleratedCodec(Codec):
    """Decodes the records of ``lead-events`` for one set of scorecards, many at once."""

    def __init__(self, paths: tuple[str, ...], numeric: Collection[str] = ()) -> None:
        super().__init__(paths, numeric)
        self._places = places([_scanned(keys) for keys in self._keys], {tuple(path.split(".")) for path in numeric})
        self._forget_kinds()

    def _forget_kinds(self) -> None:
        self._kinds: list[tuple[str, Values]] = []
        self._numbers: dict[tuple[str, Values], int] = {}
        self._hashes, self._numbers_of = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        """Sorted hashes of the kinds that compiled code has read, and their numbers, or NOT_PLAIN."""

    def decode_batch(self, records: Sequence[Any], owners: Sequence[Owner]) -> Decoded[ColumnBatch]:
        """Decode records in order. An owner that is None skips the record; one that is not a string replaces it."""
        if len(self._hashes) + len(self._numbers) >= MEMORY:
            self._forget_kinds()
        rows = self._scan(records, owners)
        before = self._unreadable_times
        rejects: list[tuple[Any, Reject]] = []
        if len(not_plain := np.flatnonzero(rows.kinds == NOT_PLAIN)):
            rows = self._decode_one_by_one(rows, not_plain.tolist(), rejects)
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
            rows.kinds = np.where(rows.found["plain"] == 1, self._number_kinds(rows), NOT_PLAIN)
            for i in np.flatnonzero((rows.found["extras"] == 1) & (rows.kinds != NOT_PLAIN)).tolist():
                try:
                    found = _extras(values[i])
                except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
                    rows.kinds[i] = NOT_PLAIN
                    continue
                if found.traits is not None or found.touch is not None:
                    rows.extras[i] = found
        return rows

    def _number_kinds(self, rows: _Rows) -> Column:
        """The kind numbers of plain events; unknown kinds get a new number."""
        hashes, plain = rows.found["kind"], rows.found["plain"] == 1
        kinds = self._find_numbers(hashes)
        new = np.flatnonzero(plain & (kinds == NOWHERE))
        if len(new):
            self._learn({int(hashes[i]): rows.records[i] for i in new.tolist()})
            kinds[new] = self._find_numbers(hashes[new])
        return kinds

    def _find_numbers(self, hashes: Column) -> Column:
        """The numbers of kinds by hash; NOWHERE for unknown ones."""
        if not len(self._hashes):
            return np.full(len(hashes), NOWHERE)
        at = np.searchsorted(self._hashes, hashes).clip(0, len(self._hashes) - 1)
        return np.where(self._hashes[at] == hashes, self._numbers_of[at], NOWHERE)

    def _learn(self, new: dict[int, Any]) -> None:
        """Give numbers to new kinds, given a record of each."""
        items = (self.decode_event(record, "anyone") for record in new.values())
        read = [(i.name, i.values) if isinstance(i, LeadEvent) else None for i in items]
        hashes = np.array(list(new), np.uint64)
        numbers = np.array([NOT_PLAIN if kind is None else self._number(*kind) for kind in read])
        order = np.argsort(hashes)
        places_of = np.searchsorted(self._hashes, hashes[order])
        self._hashes = np.insert(self._hashes, places_of, hashes[order])
        self._numbers_of = np.insert(self._numbers_of, places_of, numbers[order])

    def _number(self, name: str, values: Values) -> int:
        """Give a new kind of events its number."""
        self._kinds.append((name, values))
        return len(self._kinds) - 1

    def _decode_one_by_one(self, rows: _Rows, not_plain: list[int], rejects: list[tuple[Any, Reject]]) -> _Rows:
        """Decode events that are not plain one by one; leave rejected ones out."""
        gone, pieces, size = set[int](), [rows.text.bytes], len(rows.text.bytes)
        for i in not_plain:
            owner = rows.owners[i]
            item = self.decode_event(rows.records[i], owner) if isinstance(owner, str) else owner
            if isinstance(item, Reject):
                rejects.append((rows.records[i], item))
            if item is None or isinstance(item, Reject):
                gone.add(i)
                continue
            one, lead_id = rows.found[i], item.lead_id.encode()
            one["lead_at"], one["lead_size"] = size, len(lead_id)
            pieces.append(lead_id)
            size += len(lead_id)
            if isinstance(item, LeadEvent) and _is_plain(item):
                message_id = item.message_id.encode()
                one["id_at"], one["id_size"] = size, len(message_id)
                pieces.append(message_id)
                size += len(message_id)
                one["digest"] = xxh3_64_intdigest(message_id) >> 16
                one["at"], one["sent"], one["known"] = item.at, NEVER, item.known
                number = self._numbers.get((item.name, item.values))
                if number is None:
                    number = self._numbers[item.name, item.values] = self._number(item.name, item.values)
                rows.kinds[i] = number
                if item.traits is not None or item.touch is not None:
                    rows.extras[i] = Extras(item.traits, item.touch, item.public)
            else:
                rows.alone[i] = item
        rows.text = Text(b"".join(pieces))
        return rows.without(gone) if gone else rows

    def _columns(self, rows: _Rows) -> ColumnBatch:
        records, text, found, kinds, known_kinds = rows.records, rows.text, rows.found, rows.kinds, self._kinds
        extras = rows.extras
        arrivals = np.array([record.timestamp for record in records], np.int64).clip(FIRST_MS, LAST_MS)
        stated, sent = found["at"], found["sent"]
        ats = np.minimum(np.where(sent == NEVER, stated, arrivals - (sent - stated)), arrivals).clip(0)

        def event(i: int) -> LeadEvent:  # without a reference to the batch: a reference cycle would keep both alive
            lead_at, lead_size, id_at, id_size, *_, known, _, _ = found[i].item()
            lead_id = text.bytes[lead_at : lead_at + lead_size].decode()
            message_id = text.bytes[id_at : id_at + id_size].decode()
            (name, values), raw = known_kinds[kinds[i]], records[i].value or b""
            plain, more = (lead_id, name, values, message_id, int(ats[i]), int(arrivals[i])), extras.get(i, _NO_EXTRAS)
            return LeadEvent(*plain, more.traits, more.touch, raw, more.public, bool(known))

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
            lambda i: int(records[i].offset),
            event,
            alone=rows.alone,
            extras={i: event(i) for i in extras},
        )


_TRAITS: Final = ("traits",), ("context", "traits")
_NO_EXTRAS: Final = Extras(None, None, False)
_decode_call = msgspec.json.Decoder(_Call).decode


def _extras(value: bytes) -> Extras:
    """Decode the extras of an event.

    Raises:
        msgspec.MsgspecError, UnicodeError, RecursionError, ValueError: it is not valid JSON after all.
    """
    call = _decode_call(value)
    inner, campaign = (call.context.traits, call.context.campaign) if call.context else (None, None)
    traits = flat_traits(inner, call.traits)
    stamp = call.leadglow if traits is not None else None
    return Extras(traits, touch_of(campaign), isinstance(stamp, dict) and stamp.get("public") is True)


def _scanned(path: tuple[str, ...]) -> tuple[str, ...]:
    """The path that the compiled scan reads: all traits for one of them, as it leaves events with traits to Codec."""
    return next((whole for whole in _TRAITS if path[: len(whole)] == whole), path)


def _is_plain(event: LeadEvent) -> bool:
    """Whether an event can be held in columns after all, but for traits and campaign."""
    return all(type(value) in SIMPLE for value in event.values)
