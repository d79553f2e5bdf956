"""Many records read at once say what each says alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.batch_codec import BatchCodec, Owner
from streams.codec import Codec
from streams.parsed_times import parse_times
from streams.rejects import Reject
from streams.scoring.columns import NEVER
from streams.scoring.event import Erase, LeadEvent
from streams.scoring.lead import id_hash
from streams.times import parse_ms
from tests.unit.test_codec import NOW_MS, POISON, page

PATHS = ("properties.amount", "properties.automated", "properties.url")
CODEC = BatchCodec(PATHS, {"properties.amount"})


@dataclass
class Fetched:
    value: bytes | None
    offset: int
    key: bytes | None = b"u-1"
    timestamp: int = NOW_MS
    headers: Iterable[tuple[str, bytes]] = ()


USUAL = {"timestamp": "2026-01-05T10:00:00.123Z"}
CALLS: list[bytes | None] = [
    *(value for _, value, _ in POISON),
    page(**USUAL),
    page(**USUAL, properties={"url": "/x", "automated": True, "amount": 2}),
    page(**USUAL, properties={"url": 7, "automated": 1, "amount": True}),
    page(**USUAL, properties={"url": ["/x"], "amount": "2.5"}),
    page(**USUAL, userId=None, anonymousId="a"),
    page(**USUAL, userId="u\n"),
    page(**USUAL, userId=None),
    page(**USUAL, context={"campaign": {"source": "google"}}),
    page(**USUAL, traits={"title": "CTO"}),
    page(**USUAL, type="track", event="Bought"),
    page(**USUAL, type="track", event="page"),
    page(**USUAL, type="track"),
    page(**USUAL, event="page"),
    page(**USUAL, sentAt="2026-01-05T10:00:01.000Z"),
    page(**USUAL, sentAt="2026-01-05T11:00:01+01:00"),
    page(**USUAL, sentAt="soon"),
    page(timestamp="2026-01-05T10:00:00+00:00"),
    page(timestamp="2026-02-30T10:00:00.000Z"),
    page(timestamp="2026-01-05T10:00:00.000+"),
    page(timestamp="2036-01-05T10:00:00.000Z"),
    page(timestamp="1936-01-05T10:00:00.000Z"),
    page(timestamp="٢٠٢٦-01-05T10:00:00.000Z"),
    page(originalTimestamp="2026-01-05T10:00:00.123Z"),
]


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1).map(Random))
def test_a_batch_says_what_its_records_say_alone(chance: Random) -> None:
    values = chance.choices(CALLS, k=chance.randint(1, 30))
    records = [
        Fetched(value, 5 + i, timestamp=NOW_MS + chance.choice((0, -1, 2**50))) for i, value in enumerate(values)
    ]
    erased = Erase("e", NOW_MS)
    owners: list[Owner] = [chance.choice(("", "", "owner", None, erased)) for _ in records]
    read = CODEC.batch(records, owners)

    alone = Codec(PATHS)
    expected = [
        (record, owner if not isinstance(owner, str) else alone.event(record, owner or None))
        for record, owner in zip(records, owners, strict=True)
    ]
    kept = [(r, item) for r, item in expected if item is not None and not isinstance(item, Reject)]
    assert read.rejects == [(r, item) for r, item in expected if isinstance(item, Reject)]
    assert read.batch.offsets == [record.offset for record, _ in kept]
    assert [read.batch.input(i) for i in range(len(kept))] == [item for _, item in kept]
    for i, (_, item) in enumerate(kept):
        assert read.batch.lead_ids[i] == item.lead_id
        if isinstance(item, LeadEvent) and i not in read.batch.alone:
            assert int(read.batch.digests[i]).to_bytes(6, "big") == id_hash(item.message_id)
            assert (read.batch.ats[i], read.batch.arrivals[i], read.batch.known[i]) == (
                item.at,
                item.arrival,
                item.known,
            )


def test_usual_events_need_no_object_of_their_own() -> None:
    usual = [
        page(**USUAL),
        page(**USUAL, properties={"url": "/x", "amount": 2}),
        page(timestamp="2026-01-05T10:00:00Z"),
    ]
    read = CODEC.batch([Fetched(value, i) for i, value in enumerate(usual)], [""] * 3)
    assert read.batch.alone == {}


def test_paths_that_no_structure_can_hold_are_read_one_by_one() -> None:
    paths = ("context", "context.a", "traits.title")
    record = Fetched(page(**USUAL, context={"a": "b"}), 0)
    read = BatchCodec(paths, ()).batch([record], [""])
    assert read.batch.input(0) == Codec(paths).event(record)


def parsed(text: str) -> int:
    times = np.zeros(1, np.int64)
    parse_times(np.frombuffer(text.encode(), np.uint8), times)
    return int(times[0])


@settings(max_examples=300, deadline=None)
@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - the zone comes next
def test_compiled_times_are_those_of_datetime(moment: datetime) -> None:
    text = moment.isoformat(timespec="milliseconds") + "Z"
    exact = moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
    assert parsed(text) == (exact - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) == parse_ms(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T00:00:00.000Z", "2026-13-01T00:00:00.000Z", "2026-00-01T00:00:00.000Z", "2026-01-00T00:00:00.000Z",
        "2026-04-31T00:00:00.000Z", "2026-01-01T24:00:00.000Z", "2026-01-01T00:60:00.000Z", "2026-01-01T00:00:60.000Z",
        "2026-01-01 00:00:00.000Z", "2026-01-01T00:00:00.000z", "2026-01-01T00:00:00,000Z", "+026-01-01T00:00:00.000Z",
        "0000-01-01T00:00:00.000Z", "2026-01-01T00:00:-1.000Z",
    ],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    assert parsed(text) == NEVER
