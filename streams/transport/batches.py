"""Batches of records that are already encoded in Kafka's format 2, in a form in which aiokafka sends them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from struct import Struct
from typing import Any, Final

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c, encode_varint

from streams.events.records import Headers, Row

BATCH_BYTES: Final = 512 * 1024
"""The maximum size of a batch of several records."""
_HEADER: Final = Struct(">qiibIhiqqqhii")
_AFTER_LENGTH, _CRC, _AFTER_CRC = 12, 17, 21
_FORMAT: Final = 2


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records for one partition; their offsets count from 0, their times from the first one."""

    count: int
    times: tuple[int, int]
    """The time of the first record, and the latest time."""
    records: memoryview


ConvertRecord = Callable[[str, Any, int], Mapping[int, Sequence[Row]]]
"""Converts one source record, given its place, the record and its arrival; returns rows by partition."""
ForwardCalls = Callable[[Mapping[str, Sequence[Any]], int, int, ConvertRecord], dict[int, list[RecordBatch]]]
"""(records by place, current time, partitions, converter of calls that are not plain) -> batches by partition."""


def encode_headers(headers: Headers) -> bytes:
    """The headers of a record, in Kafka's format."""
    encoded = bytearray()
    encode_varint(len(headers), encoded.append)
    for text in chain.from_iterable((name.encode(), value) for name, value in headers):
        encode_varint(len(text), encoded.append)
        encoded += text
    return bytes(encoded)


class PreparedBatch(BatchBuilder):  # type: ignore[misc]
    """A batch to be sent by aiokafka, which adds the state of its producer."""

    def __init__(self, batch: RecordBatch) -> None:
        """Nothing can be appended."""
        self._batch = batch
        self._relative_offset = batch.count
        self._closed = True
        self._buffer: bytearray | None = None
        self._producer_state = -1, -1, 0

    def size(self) -> int:
        """The size in bytes."""
        return _HEADER.size + len(self._batch.records)

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._producer_state = producer_id, producer_epoch, base_sequence

    def _build(self) -> bytearray:
        if self._buffer is None:
            length, count, times = self.size() - _AFTER_LENGTH, self._batch.count, self._batch.times
            header = _HEADER.pack(0, length, -1, _FORMAT, 0, 0, count - 1, *times, *self._producer_state, count)
            self._buffer = bytearray(header)
            self._buffer += self._batch.records
            crc = calc_crc32c(memoryview(self._buffer)[_AFTER_CRC:])
            self._buffer[_CRC:_AFTER_CRC] = crc.to_bytes(4, "big")
        return self._buffer
