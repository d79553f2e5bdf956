"""Decoding many records at once gives the same events as decoding them one by one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import combinations
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.accelerator.batch import ColumnBatch
from streams.accelerator.codec import AcceleratedCodec
from streams.accelerator.kernels.times import time_at
from streams.accelerator.layout import NEVER
from streams.accelerator.pointers import Text
from streams.accelerator.scorer import AcceleratedScorer
from streams.events.codec import Codec, Decoded, Owner
from streams.events.rejects import Reject
from streams.events.times import parse_ms
from streams.scoring.event import Erase, LeadEvent
from streams.scoring.lead import id_hash
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal
from tests.unit.test_codec import NOW_MS, POISON, page

PATHS = ("properties.amount", "properties.automated", "properties.url")


@cache
def usual_codec() -> AcceleratedCodec:
    """A codec that remembers kinds of events from earlier batches."""
    return AcceleratedCodec(PATHS, {"properties.amount"})


@dataclass
class Fetched:
    value: bytes | None
    offset: int
    key: bytes | None = b"u-1"
    timestamp: int = NOW_MS
    headers: Iterable[tuple[str, bytes]] = ()


USUAL = {"timestamp": "2026-01-05T10:00:00.123Z"}
USUAL_CALL = {"type": "page", "messageId": "m-1", "userId": "u-1", **USUAL}
WHOLE = [
    page(**USUAL, properties={"url": "/x", "automated": True, "amount": 2}),
    page(timestamp="2026-01-05T10:00:00Z", sentAt="2026-01-05T10:00:01Z"),
    page(
        **USUAL, type="track", event="Bought", properties={"url": "https://a.example/\u00e9", "list": [1, {"a": None}]}
    ),
    page(**USUAL, type="screen", sentAt="2026-01-05T10:00:01.000Z", context={"page": {"title": '\\ " /'}, "ip": "::1"}),
    page(**USUAL, userId=None, anonymousId="a", context={"campaign": {"name": "x"}, "traits": None}),
]
ODD_IDS = (
    *("undefined", "Null", "nil", "u-1 ", " u-1", "0", "00", "0a", "-", "-1", "{{id}}", "x%%id%%", "anonymous"),
    *("anonymou5", "\u200bu-1", "u-1\u00a0", "\x7f", "u\x7f", "é", "owner ", "eigentümer", "eigentümer "),
)
SENT = "2026-01-05T10:00:01.000Z"
FOUR_TIMES = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
CALLS: list[bytes | None] = [
    *WHOLE,
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
    page(**USUAL, type="track", event="Opportunity Won", properties={"amount": 7}, context={"by": "ana"}),
    page(**USUAL, type="track", event="Lead Contacted"),
    page(**USUAL, type="track", event="Lead Contacted", leadglow={"public": True}),
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
    *(page(**USUAL, userId=each, anonymousId="a") for each in ODD_IDS),
    *(page(**USUAL, userId=None, anonymousId=each) for each in ODD_IDS),
    *(page(**USUAL, **dict.fromkeys(names, SENT)) for n in range(4) for names in combinations(FOUR_TIMES[1:], n)),
    page(**USUAL, **dict.fromkeys(FOUR_TIMES[1:], SENT) | {"receivedAt": ""}),
    page(**USUAL, **dict.fromkeys(FOUR_TIMES[1:], SENT) | {"originalTimestamp": "\n"}),
    page(**USUAL, **dict.fromkeys(FOUR_TIMES[1:], SENT) | {"receivedAt": 1_767_607_200}),
    page(timestamp=1_767_607_200),
    page(timestamp="2026-01-05t10:00:00.123z"),
]


def decode_and_compare(values: list[bytes | None], chance: Random) -> Decoded[ColumnBatch]:
    """Require that a batch decodes these records exactly like ``Codec``."""
    records = [
        Fetched(value, 5 + i, timestamp=NOW_MS + chance.choice((0, -1, 2**50))) for i, value in enumerate(values)
    ]
    erased = Erase("e", NOW_MS)
    owners: list[Owner] = [chance.choice(("", "", "owner", "eigentümer", "u-1", None, erased)) for _ in records]
    read = usual_codec().decode_batch(records, owners)

    alone = Codec(PATHS)
    expected = [
        (record, owner if not isinstance(owner, str) else alone.decode_event(record, owner or None))
        for record, owner in zip(records, owners, strict=True)
    ]
    kept = [(r, item) for r, item in expected if item is not None and not isinstance(item, Reject)]
    assert read.rejects == [(r, item) for r, item in expected if isinstance(item, Reject)]
    assert [read.batch.offset(i) for i in range(len(kept))] == [record.offset for record, _ in kept]
    assert [read.batch.input(i) for i in range(len(kept))] == [item for _, item in kept]
    for i, (_, item) in enumerate(kept):
        assert read.batch.lead_id(i) == item.lead_id
        if isinstance(item, LeadEvent) and i not in read.batch.alone:
            assert list(map(type, next(read.batch.events([i])).values)) == list(map(type, item.values))
            assert int(read.batch.digests[i]).to_bytes(6, "big") == id_hash(item.message_id)
            assert (read.batch.ats[i], read.batch.arrivals[i], read.batch.known[i]) == (
                item.at,
                item.arrival,
                item.known,
            )
    return read


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1).map(Random))
def test_a_batch_decodes_like_its_records_one_by_one(chance: Random) -> None:
    decode_and_compare(chance.choices(CALLS, k=chance.randint(1, 30)), chance)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(("/x", "1", "true")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    "type", "messageId", "userId", "anonymousId", "event", "timestamp", "sentAt", "traits", "context", "properties",
    "extra",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=3), min_size=1, max_size=8),
    st.lists(JSON_VALUES, min_size=3, max_size=3),
    st.booleans(),
    st.integers(0, 2**32 - 1).map(Random),
)
def test_fields_with_any_value_decode_alike(
    changes: list[dict[str, Any]], inner: list[Any], ascii_only: bool, chance: Random
) -> None:
    values: list[bytes | None] = []
    for change in changes:
        sent = {**USUAL_CALL, "properties": dict(zip(("url", "amount", "automated"), inner, strict=True)), **change}
        text = json.dumps(sent, ensure_ascii=ascii_only, separators=chance.choice((None, (",", ":"), (" ,\n", "\t: "))))
        values.append(text.encode(errors="surrogatepass"))
    decode_and_compare(values, chance)


PIECES = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"\x00", b"\x7f", b"\xc3\xa9", b"\xff",
    b"\xed\xa0\x80", b"\\u00e9", b"\\ud83d\\ude00", b"\\ud83d", b"\\/", b"\\x", b"null", b"true", b"false", b"0",
    b"01", b"-1.5e3", b"1e999", b"12345678901234567890", b'"a":1,', b'"type":"page",', b'"properties":{"url":"/y"},',
    b'"traits":null,', b"[[[[",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1).map(Random))
def test_damaged_records_decode_alike(chance: Random) -> None:
    values: list[bytes | None] = []
    for _ in range(20):
        raw = bytearray(chance.choice(WHOLE))
        for _ in range(chance.choice((1, 1, 2, 3))):
            at, width = chance.randrange(len(raw) + 1), chance.choice((0, 0, 1, 2, 9))
            raw[at : at + width] = chance.choice(PIECES)
        values.append(bytes(raw))
    decode_and_compare(values, chance)


@pytest.mark.parametrize("size", [*range(1, 260), 400, 513])
def test_ids_of_any_length(size: int) -> None:
    for key in ("messageId", "userId"):
        read = decode_and_compare([page(**{**USUAL, key: "x" * size})], Random(3))
        assert len(read.rejects) <= (size > 512)


@pytest.mark.parametrize("path", ["traits.plan", "context.traits.plan", "traits.a.b"])
def test_events_without_traits_are_decoded_without_objects_if_a_scorecard_reads_a_trait(path: str) -> None:
    calls: tuple[dict[str, Any], ...] = (
        {}, {"traits": None}, {"context": {"ip": "x"}}, {"context": {"traits": None}},
    )  # fmt: skip
    records = [Fetched(page(**USUAL, **fields), i) for i, fields in enumerate(calls)]
    codec = AcceleratedCodec((path, "properties.url"))
    with patch.object(codec, "decode_event", wraps=codec.decode_event) as decode_event:
        read = codec.decode_batch(records, [""] * 4)
    assert decode_event.call_count == 1  # to learn the kind
    assert [read.batch.input(i) for i in range(4)] == list(map(Codec((path, "properties.url")).decode_event, records))


@pytest.mark.parametrize("path", ["traits", "context.traits", "traits.plan", "context.traits.plan"])
def test_events_with_traits_that_a_scorecard_reads(path: str) -> None:
    records = [
        Fetched(page(**USUAL, traits=traits, context={"traits": traits}), i)
        for i, traits in enumerate(({"plan": "pro"}, {"plan": "free"}))
    ]
    read = AcceleratedCodec((path,)).decode_batch(records, ["", ""])
    assert [read.batch.input(i) for i in range(2)] == [Codec((path,)).decode_event(record) for record in records]


def test_usual_events_are_decoded_without_objects() -> None:
    usual = [
        page(**USUAL),
        page(**USUAL, properties={"url": "/x", "amount": 2}),
        page(timestamp="2026-01-05T10:00:00Z"),
    ]
    read = usual_codec().decode_batch([Fetched(value, i) for i, value in enumerate(usual)], [""] * 3)
    assert read.batch.alone == {}


@pytest.mark.parametrize("timestamp", [0, -1])
def test_a_record_without_a_timestamp_counts(timestamp: int) -> None:
    rules = Rules(Model((Signal("visit", ("page",)),), (Scorecard("card", {"visit": Points(1.0)}),)))
    scorer = AcceleratedScorer(rules)
    batch = (
        AcceleratedCodec(rules.paths, rules.numeric).decode_batch([Fetched(page(), 0, timestamp=timestamp)], [""]).batch
    )
    for lead_id in scorer.missing(batch):
        scorer.put_lead(lead_id, None)
    scorer.apply_batch(batch)
    assert scorer.finish().fired == {"visit": 1}


def test_paths_through_the_value_of_another_path_are_decoded_one_by_one() -> None:
    paths = ("context", "context.a", "traits.title")
    record = Fetched(page(**USUAL, context={"a": "b"}), 0)
    read = AcceleratedCodec(paths, ()).decode_batch([record], [""])
    assert read.batch.input(0) == Codec(paths).decode_event(record)


def parsed(text: str) -> int:
    kept = Text(text.encode())
    return int(time_at(kept.address, 0, len(text.encode())))


@settings(max_examples=300, deadline=None)
@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - the zone comes next
def test_compiled_times_equal_those_of_datetime(moment: datetime) -> None:
    text = moment.isoformat(timespec="milliseconds") + "Z"
    exact = moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
    assert parsed(text) == (exact - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) == parse_ms(text)
    short = moment.isoformat(timespec="seconds") + "Z"
    assert parsed(short) == parse_ms(short)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T00:00:00.000Z", "2026-13-01T00:00:00.000Z", "2026-00-01T00:00:00.000Z", "2026-01-00T00:00:00.000Z",
        "2026-04-31T00:00:00.000Z", "2026-01-01T24:00:00.000Z", "2026-01-01T00:60:00.000Z", "2026-01-01T00:00:60.000Z",
        "2026-01-01 00:00:00.000Z", "2026-01-01T00:00:00.000z", "2026-01-01T00:00:00,000Z", "+026-01-01T00:00:00.000Z",
        "0000-01-01T00:00:00.000Z", "2026-01-01T00:00:-1.000Z", "2026-01-01T00:00:00z", "2026-01-01T00:00:00.0Z",
        "2026-01-01T00:00:60Z", "2026-01-01T00:00Z", "",
    ],
)  # fmt: skip
def test_an_invalid_time_is_rejected(text: str) -> None:
    assert parsed(text) == NEVER
