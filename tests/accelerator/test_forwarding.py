"""Calls forwarded many at once become the same records as calls forwarded one by one."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.accelerator.forwarding import forward_calls
from streams.events.records import Row
from streams.intake import adapt
from streams.intake.adapt import Intake, Output
from streams.transport.batches import BATCH_BYTES, PreparedBatch
from streams.transport.topics import Partitioner, Topics
from tests.accelerator.test_codec import CALLS, PIECES, USUAL, WHOLE, Fetched
from tests.unit.test_codec import NOW_MS, page

TOPICS, PARTITIONER = Topics(), Partitioner(3)
JOINING = [
    page(**USUAL, type="identify", anonymousId="a"),
    page(**USUAL, type="identify", anonymousId="a", traits={"email": "ana@acme.example"}),
    page(**USUAL, type="alias", previousId="older"),
]
STAMPS = (NOW_MS, NOW_MS - 5, NOW_MS + 9, 0, -1)


def forwarded(fetched: dict[str, list[Any]]) -> Output:
    """Convert records by compiled code, and require what the reference makes of them."""
    expected = Intake(TOPICS, PARTITIONER).adapt_records(fetched, NOW_MS)
    output = Intake(TOPICS, PARTITIONER, forward_calls).adapt_records(fetched, NOW_MS)
    assert (output.rows, output.rejects, output.reasons) == ({}, expected.rejects, expected.reasons)
    read = {p: [row for each in part for row in rows_of(PreparedBatch(each))] for p, part in output.batches.items()}
    assert read == expected.rows
    return output


def rows_of(batch: PreparedBatch) -> list[Row]:
    """Read a batch as a consumer does."""
    read = DefaultRecordBatch(bytes(batch._build()))
    assert read.validate_crc()
    rows = [(record.timestamp, record.key or b"", record.value, record.headers) for record in read]
    assert (len(rows), read.max_timestamp) == (batch.record_count(), max(row[0] for row in rows))
    return rows


def fetched_from(values: list[bytes | None], chance: Random) -> dict[str, list[Any]]:
    """Records of up to three partitions of sources."""
    first, places = chance.choice((0, 7, 10**6, 2**62)), ["web-events:0", "web-events:11", "crm-events:0"]
    fetched: dict[str, list[Any]] = {}
    for i, value in enumerate(values):
        record = Fetched(value, first + 5 * i, timestamp=chance.choice(STAMPS))
        fetched.setdefault(places[chance.randrange(3)], []).append(record)
    return fetched


@pytest.fixture(autouse=True)
def _convert_few_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt, "MANY", 1)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1).map(Random))
def test_calls_forwarded_together_and_one_by_one_become_the_same_records(chance: Random) -> None:
    forwarded(fetched_from(chance.choices([*CALLS, *JOINING, *WHOLE * 9], k=chance.randint(1, 30)), chance))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1).map(Random))
def test_damaged_calls_are_forwarded_or_rejected_alike(chance: Random) -> None:
    values: list[bytes | None] = []
    for _ in range(20):
        raw = bytearray(chance.choice([*WHOLE, *JOINING]))
        for _ in range(chance.choice((0, 1, 1, 2))):
            at, width = chance.randrange(len(raw) + 1), chance.choice((0, 0, 1, 2, 9))
            raw[at : at + width] = chance.choice(PIECES)
        values.append(bytes(raw))
    forwarded(fetched_from(values, chance))


def test_a_batch_has_the_bytes_that_aiokafka_writes() -> None:
    calls = [Fetched(page(**USUAL, userId=f"u-{i}"), i, timestamp=NOW_MS - i % 3) for i in range(200)]
    output = Intake(TOPICS, Partitioner(1), forward_calls).adapt_records({"web-events:0": calls}, NOW_MS)
    ((batch,),) = output.batches.values()
    expected, prepared = BatchBuilder(BATCH_BYTES, 0), PreparedBatch(batch)
    for timestamp, key, value, headers in rows_of(PreparedBatch(batch)):
        expected.append(timestamp=timestamp, key=key, value=value, headers=headers)
    for each in (expected, prepared):
        each._set_producer_state(7, 1, 300)
    assert prepared._build() == expected._build()
    assert prepared.size() == len(prepared._build())


def test_batches_are_split_at_their_maximum_size() -> None:
    calls = [page(**USUAL, name="x" * size) for size in (10, 200_000, 300_000, 20, 800_000, 30, 950_000)]
    output = forwarded({"web-events:0": [Fetched(value, i) for i, value in enumerate(calls)]})
    (batches,) = output.batches.values()
    assert [batch.count for batch in batches] == [4, 1, 1]
    assert output.reasons == ["too_large"]


def test_usual_calls_are_forwarded_without_objects() -> None:
    calls = [value for value in WHOLE * 30 if value]
    assert forward_calls({"web-events:0": [Fetched(v, i) for i, v in enumerate(calls)]}, NOW_MS, 3, no_rare)  # type: ignore[arg-type]


def no_rare(*call: object) -> None:
    raise AssertionError(call)
