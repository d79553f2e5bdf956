"""Key calls by their leads for ``lead-events`` in compiled code; the records are written as Kafka stores them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from streams.accelerator.kernels.calls import COMPLETE, FIELDS, MAX_OVERHEAD, ROW, find_leads, write_records
from streams.accelerator.layout import Column
from streams.accelerator.pointers import Output, Text
from streams.events.records import SOURCE_HEADER, Row
from streams.transport.batches import BATCH_BYTES, ConvertRecord, RecordBatch, encode_headers


def forward_calls(
    fetched: Mapping[str, Sequence[Any]], now_ms: int, partitions: int, convert_rare: ConvertRecord
) -> dict[int, list[RecordBatch]]:
    """Do what ``Intake`` does for records by place, and return the batches for each partition."""
    records, places, arrivals = _merge(fetched, now_ms)
    text, rows = _read_calls(records, list(fetched), places)
    rows["arrival"] = arrivals
    first, entries, keys = FIELDS
    find_leads(text.address, text.octets, first, entries, keys.address, partitions, rows)
    rare = np.flatnonzero(rows["key_size"] == 0).tolist()
    if rare:
        names = list(fetched)
        converted = [(i, convert_rare(names[places[i]], records[i], int(arrivals[i]))) for i in rare]
        made = [(i, partition, row) for i, found in converted for partition, part in found.items() for row in part]
        more, added = _rows_of(made)
        for name in ("key_at", "value_at", "headers_at"):
            added[name] += more.address - text.address
        kept = np.flatnonzero(rows["key_size"])
        order = np.concatenate([kept, np.array([i for i, _, _ in made], np.int64)]).argsort(kind="stable")
        rows = np.concatenate([rows[kept], added])[order]
    used, of = np.unique(rows["partition"]), rows["partition"]
    return {int(partition): list(_write_batches(text, rows[of == partition])) for partition in used}


def _merge(fetched: Mapping[str, Sequence[Any]], now_ms: int) -> tuple[list[Any], Column, Column]:
    """Merge records by arrival, as ``Intake`` does; returns them, the numbers of their places, and their arrivals."""
    records = list(chain.from_iterable(fetched.values()))
    places = np.repeat(np.arange(len(fetched)), list(map(len, fetched.values())))
    stamps = np.array([record.timestamp for record in records], np.int64)
    if len(fetched) > 1:
        latest = [np.maximum.accumulate(stamps[places == place]) for place in range(len(fetched))]
        order = np.argsort(np.maximum(np.concatenate(latest), 0), kind="stable")
        records, places, stamps = [records[i] for i in order.tolist()], places[order], stamps[order]
    return records, places, np.where(stamps < 0, now_ms, np.minimum(stamps, now_ms))


def _read_calls(records: Sequence[Any], names: Sequence[str], places: Column) -> tuple[Text, Column]:
    """Join the values of records; also return rows with everything but the leads."""
    pieces = [record.value or b"" for record in records]
    pieces += [encode_headers([(SOURCE_HEADER, b"")])[:-1], *(f"{name}:".encode() for name in names)]
    text, starts, sizes = _join(pieces)
    rows, count = np.zeros(len(records), ROW), len(records)
    rows["offset"] = [record.offset for record in records]
    rows["value_at"], rows["value_size"] = starts[:count], sizes[:count]
    rows["headers_at"], rows["headers_size"] = starts[count], sizes[count]
    rows["place_at"], rows["place_size"] = starts[count + 1 :][places], sizes[count + 1 :][places]
    return text, rows


def _join(pieces: Sequence[bytes]) -> tuple[Text, Column, Column]:
    """Join texts; also return where each one starts, and their sizes."""
    sizes = np.fromiter(map(len, pieces), np.int64, len(pieces))
    return Text(b"".join(pieces)), sizes.cumsum() - sizes, sizes


def _rows_of(made: Sequence[tuple[int, int, Row]]) -> tuple[Text, Column]:
    """Rows for records that are not plain, given an index, the partition and the record of each."""
    parts = ((key, value or b"", encode_headers(headers)) for _, _, (_, key, value, headers) in made)
    text, starts, sizes = _join(list(chain.from_iterable(parts)))
    rows = np.zeros(len(made), ROW)
    rows["offset"] = COMPLETE
    rows["partition"], rows["arrival"] = [p for _, p, _ in made], [row[0] for _, _, row in made]
    for i, name in enumerate(("key", "value", "headers")):
        rows[f"{name}_at"], rows[f"{name}_size"] = starts[i::3], sizes[i::3]
    return text, rows


def _write_batches(text: Text, rows: Column) -> Iterator[RecordBatch]:
    """Write the records of one partition."""
    sizes = [rows[f"{name}_size"] + MAX_OVERHEAD // 4 for name in ("key", "value", "headers", "place")]
    ends, first = np.sum(sizes, axis=0).cumsum(), 0
    while first < len(rows):
        begin = int(ends[first - 1]) if first else 0
        stop = max(int(np.searchsorted(ends, begin + BATCH_BYTES, side="right")), first + 1)
        part, out = rows[first:stop], Output(int(ends[stop - 1]) - begin)
        written = out.written(write_records(text.address, part, out.address))
        yield RecordBatch(len(part), (int(part["arrival"][0]), int(part["arrival"].max())), written)
        first = stop
