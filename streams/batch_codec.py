"""Many records at once -> a Batch: what ``Codec`` does, column by column, as a step in Python for each is dear."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from operator import eq
from typing import Any, Final

import numpy as np
from xxhash import xxh3_64_intdigest

from streams.codec import NOT_PLAIN, RARER, Codec
from streams.parsed_times import TIME_CHARS, parse_times
from streams.rejects import Reject
from streams.scoring.batch import Batch, Column
from streams.scoring.columns import NEVER
from streams.scoring.event import Control, LeadEvent
from streams.scoring.rules import SIMPLE
from streams.times import LAST_MS

Owner = str | Control | Reject | None
"""The lead of an event where intake has determined it, else empty; or what a record is that holds no event."""
_STAND_IN: Final = b'{"type":"page","messageId":"-","userId":"-","timestamp":"1970-01-01T00:00:00.000Z"}'


@dataclass(slots=True)
class Read:
    """What records say."""

    batch: Batch
    rejects: list[tuple[Any, Reject]]


@dataclass(slots=True)
class _Rows:
    """Records, the calls in them, and what was known of them before."""

    records: Sequence[Any]
    sents: list[Any]
    owners: Sequence[Owner]
    single: dict[int, LeadEvent | Control] = field(default_factory=dict)
    """What was read one by one, by its place."""

    def without(self, gone: set[int]) -> _Rows:
        """The same without some."""
        kept = [i for i in range(len(self.records)) if i not in gone]
        places = {i: new for new, i in enumerate(kept)}
        return _Rows(
            [self.records[i] for i in kept],
            [self.sents[i] for i in kept],
            [self.owners[i] for i in kept],
            {places[i]: item for i, item in self.single.items() if i not in gone},
        )


class BatchCodec(Codec):
    """Reads the records of ``lead-events`` for one set of scorecards, many at once."""

    def __init__(self, paths: tuple[str, ...], numeric: Collection[str]) -> None:
        super().__init__(paths, numeric)
        try:
            self._stand_in = self._fast(_STAND_IN)
        except LookupError:  # these scorecards read paths that no structure can hold: each event is read by itself
            self._stand_in = Codec(())._fast(_STAND_IN)

    def batch(self, records: Sequence[Any], owners: Sequence[Owner]) -> Read:
        """Read records in order. Of the owners, None is left out, and what is no string stands for its record."""
        rows = _Rows(records, self._sents(records), owners)
        rejects: list[tuple[Any, Reject]] = []
        times = _times([None if sent is None else sent.timestamp for sent in rows.sents])
        if odd := self._odd(rows, times):
            rows = self._apart(rows, odd, rejects)
            times = _times([sent.timestamp for sent in rows.sents])
        return Read(self._columns(rows, times), rejects)

    def _columns(self, rows: _Rows, times: Column) -> Batch:
        records, sents = rows.records, rows.sents
        arrivals = np.array([record.timestamp for record in records], np.int64).clip(0, LAST_MS)
        ats = np.minimum(_corrected(sents, times, arrivals), arrivals).clip(0)
        names = [sent.event if sent.type == "track" else sent.type for sent in sents]
        users = [sent.userId for sent in sents]
        lead_ids: list[Any] = [
            owner or sent.userId or sent.anonymousId for owner, sent in zip(rows.owners, sents, strict=True)
        ]
        values = list(map(self._values, sents))
        message_ids = [sent.messageId for sent in sents]
        alone: dict[int, LeadEvent | Control] = {}
        for i, item in rows.single.items():
            lead_ids[i] = item.lead_id
            if not (isinstance(item, LeadEvent) and _is_plain(item)):
                alone[i] = item
                continue
            names[i], values[i], message_ids[i], ats[i] = item.name, item.values, item.message_id, item.at
            users[i] = item.lead_id if item.known else None
        digests = np.array([xxh3_64_intdigest(message_id.encode()) for message_id in message_ids], np.uint64)

        def event(i: int) -> LeadEvent:
            plain = (lead_ids[i], names[i], values[i], message_ids[i], int(ats[i]), int(arrivals[i]))
            return LeadEvent(*plain, None, None, records[i].value or b"", False, users[i] == lead_ids[i])

        return Batch(
            [record.offset for record in records],
            lead_ids,
            names,
            values,
            digests >> np.uint64(16),
            arrivals,
            ats,
            np.fromiter(map(eq, users, lead_ids), np.uint8, len(users)),
            event,
            alone=alone,
        )

    def _sents(self, records: Sequence[Any]) -> list[Any]:
        """The calls of plain events; None for any other."""
        values = [record.value for record in records]
        try:
            return list(map(self._fast, values))
        except RARER:
            return list(map(self._sent, values))

    def _sent(self, raw: Any) -> Any:
        try:
            return self._fast(raw)
        except RARER:
            return None

    def _odd(self, rows: _Rows, times: Column) -> set[int]:
        """The places of what is to be read one by one; the usual case, that there is none, is found out soon."""
        sents, stand_in = rows.sents, self._stand_in
        odd = {i for i, sent in enumerate(sents) if sent is None}
        for i in odd:
            sents[i] = stand_in
        odd.update(i for i, owner in enumerate(rows.owners) if type(owner) is not str)
        odd.update(np.flatnonzero(times == NEVER).tolist())
        odd.update(_unusual([sent.sentAt for sent in sents]))
        odd.update(_present(list(map(self._campaign, sents))))
        if not NOT_PLAIN.isdisjoint({sent.event if sent.type == "track" else "-" for sent in sents}):
            odd.update(i for i, sent in enumerate(sents) if sent.type == "track" and sent.event in NOT_PLAIN)
        said = [
            "-" if owner else sent.userId or sent.anonymousId or "\n"
            for owner, sent in zip(rows.owners, sents, strict=True)
        ]
        if not all(map(str.isprintable, said)):
            odd.update(i for i, lead_id in enumerate(said) if not lead_id.isprintable())
        return odd

    def _apart(self, rows: _Rows, odd: set[int], rejects: list[tuple[Any, Reject]]) -> _Rows:
        """Read what is not plain one by one, and leave out what cannot be read."""
        gone = set()
        for i in sorted(odd):
            record, owner = rows.records[i], rows.owners[i]
            item = self.event(record, owner) if isinstance(owner, str) else owner
            rows.sents[i] = self._stand_in
            if isinstance(item, Reject):
                rejects.append((record, item))
            if item is None or isinstance(item, Reject):
                gone.add(i)
            else:
                rows.single[i] = item
        return rows.without(gone) if gone else rows


def _present(values: list[Any]) -> list[int]:
    """The places where there is something."""
    if values.count(None) == len(values):
        return []
    return [i for i, value in enumerate(values) if value is not None]


def _unusual(texts: list[str | None]) -> list[int]:
    """The places of times of another form."""
    if texts.count(None) == len(texts):
        return []
    return [i for i in np.flatnonzero(_times(texts) == NEVER).tolist() if texts[i] is not None]


def _times(texts: Sequence[str | None]) -> Column:
    """Times as ms since the epoch, NEVER for what is missing or of another form."""
    times = np.empty(len(texts), np.int64)
    try:
        joined = "".join(texts).encode("ascii")  # type: ignore[arg-type]
        usual = len(joined) == TIME_CHARS * len(texts) and list(map(len, texts)).count(TIME_CHARS) == len(texts)  # type: ignore[arg-type]
    except (TypeError, UnicodeEncodeError):
        usual = False
    if not usual:
        form = ["" if text is None else text for text in texts]
        joined = b"".join(
            text.encode() if len(text) == TIME_CHARS and text.isascii() else b" " * TIME_CHARS for text in form
        )
    parse_times(np.frombuffer(joined, np.uint8), times)
    return times


def _corrected(sents: Sequence[Any], times: Column, arrivals: Column) -> Column:
    """When it happened, by the clock of the broker: see ``times.event_time``."""
    texts = [sent.sentAt for sent in sents]
    if texts.count(None) == len(texts):
        return times
    sent_ats = _times(texts)
    return np.where(sent_ats == NEVER, times, arrivals - (sent_ats - times))


def _is_plain(event: LeadEvent) -> bool:
    """Whether an event needs no object of its own after all."""
    return event.traits is None and event.touch is None and all(type(value) in SIMPLE for value in event.values)
