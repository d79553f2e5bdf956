"""Takes the records of a fetch from aiokafka's parser, whole batches at a time.

aiokafka takes one record at a time through a generator and converts it to a ``ConsumerRecord``. Both take longer than
parsing.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.structs import TopicPartition


class _Batch:
    """A record batch that looks to aiokafka like a batch of one record, its last."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch
        self.offset = batch.next_offset - 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[_Batch]:
        yield self

    def records(self, first: int) -> list[Any]:
        """The records from an offset on."""
        records = list(self._batch)
        if records and records[0].offset < first:
            return [record for record in records if record.offset >= first]
        return records


class _Batches:
    """The batches of a fetch."""

    def __init__(self, records: Any) -> None:
        self.has_next = records.has_next
        self._next = records.next_batch

    def next_batch(self) -> Any:
        batch = self._next()
        return _Batch(batch) if isinstance(batch, DefaultRecordBatch) and not batch.is_control_batch else batch


class Parsed(PartitionRecords):  # type: ignore[misc]
    """The records of a partition from one fetch, as returned by aiokafka's parser."""

    def __init__(self, records: PartitionRecords) -> None:
        """Take over records from an object of which no record has been read yet."""
        super().__init__(
            records._tp,
            _Batches(records._records),
            records._aborted_transactions,
            records.next_fetch_offset,
            None,
            None,
            records._check_crcs,
            records._isolation_level,
        )
        records._records_iterator = None  # breaks a reference cycle that would keep the fetched records in memory
        self._rest = list[Any]()
        """Records that were read but not taken yet."""

    def take(self, most: int) -> list[Any]:
        """Take the next records; fewer than ``most`` at the end."""
        taken = self._rest
        while len(taken) < most and self._records_iterator is not None:
            taken += next(self, [])
        taken, self._rest = taken[:most], taken[most:]
        if self._rest:
            self.next_fetch_offset = self._rest[0].offset
        elif taken:
            self.next_fetch_offset = max(self.next_fetch_offset, taken[-1].offset + 1)
        return taken

    def _consumer_record(self, tp: TopicPartition, record: _Batch | Any) -> list[Any]:
        return record.records(self.next_fetch_offset) if isinstance(record, _Batch) else [record]


def read_whole_batches(consumer: AIOKafkaConsumer) -> None:
    """Make the finished fetches of a consumer return the records of their batches as parsed."""
    for fetched in consumer._fetcher._records.values():
        if isinstance(fetched, FetchResult) and type(fetched._partition_records) is PartitionRecords:
            fetched._partition_records = Parsed(fetched._partition_records)
            fetched.getall = partial(_take, weakref.proxy(fetched))  # no reference cycle, which would keep the records


def _take(fetched: FetchResult, most: int) -> list[Any]:
    """Do what ``FetchResult.getall`` does."""
    if not fetched.has_more() or not fetched.check_assignment(fetched._topic_partition):
        return []
    taken: list[Any] = fetched._partition_records.take(most)
    fetched._update_position()
    if len(taken) < most:
        fetched._partition_records = None
    return taken
