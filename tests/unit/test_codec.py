"""Records in: whatever comes is an event or a Reject, never an error."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.events.calls import TYPES, traits_of
from streams.events.codec import Codec
from streams.events.controls import decode_control, encode_control, kind_of
from streams.events.rejects import REASONS, Reject
from streams.events.times import FIRST_MS, LAST_MS, event_time, parse_ms
from streams.scoring.event import ANONYMOUS, USER, Arrived, Control, Erase, Identity, Join, LeadEvent, Retract
from streams.scoring.lead import Lead
from streams.scoring.stored import encode
from tests.support.implementations import in_use

NOW_MS = 1_767_657_600_000
PATHS = ("context.campaign.source", "context.page.url", "properties.amount", "properties.url")


@dataclass
class Arriving:
    """A record of a topic."""

    value: bytes | None
    key: bytes | None = b"u-1"
    timestamp: int = NOW_MS
    headers: Iterable[tuple[str, bytes]] = ()
    offset: int = 0


def read(value: bytes | None, paths: tuple[str, ...] = PATHS) -> LeadEvent | Reject:
    found = Codec(paths).decode_event(Arriving(value))
    assert not isinstance(found, Retract)
    return found


def page(**changes: Any) -> bytes:
    return json.dumps({"type": "page", "userId": "u-1", "messageId": "m-1"} | changes).encode()


def reason(value: bytes | None) -> str:
    outcome = read(value)
    if isinstance(outcome, Reject):
        assert outcome.sentence == REASONS[outcome.reason]
        return outcome.reason
    check_sane(outcome)
    return "event"


def check_sane(event: LeadEvent) -> None:
    """An event that scoring and its records can take."""
    assert event.name
    assert event.at <= event.arrival
    assert 0 < len(event.lead_id) <= 512
    event.lead_id.encode()
    event.message_id.encode()
    assert len(event.values) == len(PATHS)
    for value in (event.traits or {}).values():
        for each in value if isinstance(value, list) else [value]:
            assert each is None or isinstance(each, str | int | float | bool)
        msgspec.json.encode(value)
        msgspec.msgpack.encode(value)


POISON: list[tuple[str, bytes | None, str]] = [
    ("a tombstone", None, "empty"),
    ("no bytes", b"", "empty"),
    ("bad JSON", b'{"type":"page",', "not_json"),
    ("bad UTF-8", page().replace(b"u-1", b"\xff\xfe"), "not_json"),
    ("UTF-16", page().decode().encode("utf-16"), "not_json"),
    ("a BOM", b"\xef\xbb\xbf" + page(), "not_json"),
    ("a NUL byte in a string", page().replace(b"u-1", b"u\x00"), "not_json"),
    ("a NUL escape in an id", page(userId="u\0"), "bad_id"),
    ("a NUL escape in a value", page(properties={"url": "\0"}), "event"),
    ("a lone surrogate in an id", page(userId="\ud800"), "not_json"),
    ("a lone surrogate in a value", page(properties={"url": "\udc00x"}), "not_json"),
    ("a lone surrogate in a name", page(type="track", event="\ud83d"), "not_json"),
    ("NaN", page(properties={"amount": float("nan")}), "not_json"),
    ("Infinity", page(properties={"amount": float("inf")}), "not_json"),
    ("1e999", page(properties={"amount": 1}).replace(b"1}", b"1e999}"), "not_json"),
    ("a 5000-digit integer", page(properties={"amount": 7}).replace(b"7}", b"7" * 5000 + b"}"), "not_json"),
    (
        "depth 10,000",
        b'{"type":"page","userId":"u","properties":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        "not_json",
    ),
    (
        "depth 10,000 in objects",
        page()[:-1] + b',"properties":' + b'{"url":' * 10_000 + b"1" + b"}" * 10_001,
        "not_json",
    ),
    ("depth 10,000, unread", page()[:-1] + b',"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "not_json"),
    ("a 1 MB string", page(properties={"url": "x" * 2**20}), "event"),
    ("a 1 MB id", page(userId="x" * 2**20), "bad_id"),
    ("a 1 MB message id", page(messageId="x" * 2**20), "event"),
    ("a 1 MB trait", page(type="identify", traits={"title": "x" * 2**20}), "event"),
    ("duplicate keys", b'{"type":"page","userId":"a","userId":"u-2","messageId":"m"}', "event"),
    ("an array", b"[1]", "not_an_object"),
    ("a string", b'"page"', "not_an_object"),
    ("null", b"null", "not_an_object"),
    ("an empty object", b"{}", "unknown_type"),
    ("no type", b'{"userId":"u"}', "unknown_type"),
    ("an unknown type", page(type="purchase"), "unknown_type"),
    ("a type that is a list", page(type=["page"]), "unknown_type"),
    ("a track call without a name", page(type="track"), "no_event"),
    ("a track call with an empty name", page(type="track", event=""), "no_event"),
    ("a track call with a number for a name", page(type="track", event=7), "no_event"),
    ("no id at all", b'{"type":"page"}', "no_lead"),
    ("an empty id", page(userId=""), "no_lead"),
    ("a null id", page(userId=None), "no_lead"),
    ("an object for an id", page(userId={}), "bad_id"),
    ("a list for an id", page(userId=["u"]), "bad_id"),
    ("a boolean for an id", page(userId=True), "no_lead"),
    ("a float for an id", page(userId=1.5), "event"),
    ("a placeholder for an id", page(userId="Undefined"), "no_lead"),
    ("a number for an id", page(userId=42), "event"),
    ("an object for an anonymous id", page(anonymousId={}), "event"),
    ("a line break in an id", page(userId="u\n1"), "bad_id"),
    ("a line break in an anonymous id", page(anonymousId="a\n1"), "event"),
    ("a long id", page(userId="u" * 513), "bad_id"),
    ("an empty email", page(userId=None, traits={"email": ""}), "no_lead"),
    ("an email of another type", page(userId=None, traits={"email": 7}), "no_lead"),
    (
        "wrong types everywhere",
        page(messageId=1, timestamp=2, sentAt=[], properties=3, context=4, traits=5),
        "event",
    ),
    ("a list for properties", page(properties=[1, 2]), "event"),
    ("null properties and context", page(properties=None, context=None, traits=None), "event"),
    ("an object of 24 keys for a time", page(timestamp={str(i): i for i in range(24)}), "event"),
    ("a list of 24 for a time", page(timestamp=["Z"] * 24), "event"),
    (
        "an object of 24 keys for sentAt",
        page(timestamp="2026-01-01", sentAt={str(i): i for i in range(24)}),
        "event",
    ),
    ("a time beyond the calendar", page(timestamp="9999-12-31T23:59:59.999-23:59"), "event"),
    ("a time before it", page(timestamp="0001-01-01T00:00:00.000+23:59"), "event"),
    ("huge numbers in traits", page(type="identify", traits={"n": 2**63, "m": -(2**70)}), "event"),
    ("deep traits", page(type="identify", traits={"a": {"b": {"c": {"d": 1}}}}), "event"),
]


@pytest.mark.parametrize(("value", "expected"), [p[1:] for p in POISON], ids=[p[0] for p in POISON])
def test_poison_is_rejected_with_a_reason_or_read_sanely(value: bytes | None, expected: str) -> None:
    assert reason(value) == expected


def test_a_lead_with_an_email_only_is_known_by_its_hash() -> None:
    event = read(page(userId=None, traits={"email": " Ana@ACME.example "}))
    assert isinstance(event, LeadEvent)
    assert event.lead_id == sha256(b"ana@acme.example").hexdigest()


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_codec_raise(value: bytes) -> None:
    assert reason(value) in {*REASONS, "event"}


words = st.sampled_from(("", "x", "u-1", "page", "a@b.example", "2026-01-05T10:00:00.000Z", "2026-01-05T11:00:00Z"))
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | words | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from(("url", "amount", "email", "a", "q'\"")), values, max_size=4)
calls = st.fixed_dictionaries(
    {"type": st.sampled_from((*sorted(TYPES), "track", "page", "other"))},
    optional={
        "event": st.sampled_from(("Asked", "page", "group", "track", "")) | scalars,
        "userId": words | scalars,
        "anonymousId": words | scalars,
        "messageId": words | scalars,
        "timestamp": words | scalars,
        "originalTimestamp": words | scalars,
        "sentAt": words | scalars,
        "properties": objects | values,
        "traits": st.none() | objects | values,
        "context": st.fixed_dictionaries(
            {}, optional={"campaign": objects | values, "page": objects, "traits": st.none() | objects}
        ) | values,
    },
)  # fmt: skip


@settings(max_examples=100)
@given(values | calls)
def test_no_json_makes_the_codec_raise(sent: Any) -> None:
    assert reason(json.dumps(sent).encode()) in {*REASONS, "event"}


steps = st.sampled_from(("url", "amount", "traits", "campaign", "page", "source", "a", "q'\"", "größe", "userId", ""))
paths = st.lists(steps, min_size=1, max_size=3).flatmap(
    lambda tail: st.sampled_from(("properties", "context", "traits", "event", "type", "userId", "timestamp", "x")).map(
        lambda head: ".".join((head, *tail[: len(tail) - 1]))
    )
)


def sound(sent: Any) -> bool:
    """Whether every value is one that JSON can carry (what is unread is not looked at where many are read)."""
    if isinstance(sent, dict):
        return all(map(sound, sent.values())) and all(map(sound, sent))
    if isinstance(sent, list):
        return all(map(sound, sent))
    if isinstance(sent, str):
        return not any("\ud800" <= char <= "\udfff" for char in sent)
    return not isinstance(sent, float) or abs(sent) < float("inf")


@settings(max_examples=210)
@given(calls.filter(sound), st.lists(paths, max_size=4, unique=True), st.none() | st.just("given"))
@example({"type": "track", "event": "page", "userId": "u", "messageId": "m"}, [], None)
@example({"type": "page", "userId": "u", "anonymousId": "a\n", "messageId": "m"}, [], None)
@example(
    {"type": "page", "userId": "u", "messageId": "m", "originalTimestamp": "2026-01-05T10:00:00.000Z"},
    [],
    None,
)
@example(
    {
        "type": "page",
        "userId": "u",
        "messageId": "m",
        "sentAt": "2026-01-05T11:00:00.000Z",
        "originalTimestamp": "2026-01-05",
    },
    [],
    None,
)
@example(
    {"type": "page", "userId": "u", "messageId": "m", "timestamp": "", "originalTimestamp": "2026-01-05"},
    [],
    None,
)
@example({"type": "page", "userId": "u", "messageId": "m"}, ["traits.title", "event.x"], None)
@example({"type": "page", "userId": "u", "messageId": "m", "context": {"a": 1}}, ["context", "context.a"], None)
@example({"type": "page", "userId": "u", "messageId": "m", "properties": {"a": 1}}, ['properties.q"\\'], None)
@pytest.mark.usefixtures("implementation")
def test_the_batch_reader_agrees_with_the_single_reader_for_any_scorecards(
    sent: Any, asked: list[str], lead_id: str | None
) -> None:
    wanted, record = tuple(sorted(asked)), Arriving(json.dumps(sent).encode())
    expected = Codec(wanted).decode_event(record, lead_id)
    read = in_use().codec(wanted, set(asked[::2])).decode_batch([record], [lead_id or ""])
    if isinstance(expected, Reject):
        assert read.rejects == [(record, expected)]
    else:
        assert read.batch.input(0) == expected


def test_values_come_in_the_order_of_the_scorecards_with_the_campaign() -> None:
    context = {"campaign": {"source": "google", "medium": "cpc"}, "page": {"url": "u"}}
    event = read(page(properties={"url": "/x", "amount": 2}, context=context))
    assert isinstance(event, LeadEvent)
    assert event.values == ("google", "u", 2, "/x")
    assert event.touch == ("google", "cpc", "")


def test_the_senders_clock_is_corrected_by_sent_at() -> None:
    hour = timedelta(hours=1)
    now = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    ahead = {"timestamp": (now + 5 * hour).isoformat(), "sentAt": (now + 6 * hour).isoformat()}
    assert event_time(ahead, NOW_MS) == NOW_MS - 3_600_000
    assert event_time({"timestamp": (now + hour).isoformat()}, NOW_MS) == NOW_MS
    assert event_time({"timestamp": "nonsense"}, NOW_MS) == NOW_MS
    assert event_time({}, NOW_MS) == NOW_MS
    assert event_time({"originalTimestamp": (now - hour).isoformat()}, NOW_MS) == NOW_MS - 3_600_000
    before_said = {"timestamp": now.isoformat(), "sentAt": (now - hour).isoformat()}
    assert event_time(before_said, NOW_MS) == NOW_MS


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - the zone comes next
    st.sampled_from(("Z", "", "+00:00", "+05:30", "-23:59")),
    st.sampled_from(("seconds", "milliseconds", "microseconds")),
)
def test_times_are_read_as_datetime_reads_them(moment: datetime, zone: str, precision: str) -> None:
    text = moment.isoformat(timespec=precision) + zone
    expected = datetime.fromisoformat(text)
    expected = expected if expected.tzinfo else expected.replace(tzinfo=UTC)
    at_ms = (expected - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert parse_ms(text) == at_ms
    assert parse_ms(text) == at_ms


@pytest.mark.parametrize(
    "tail", ["99.456Z", " 3.456Z", "+3.456Z", "1_.456Z", "03.4 6Z", "٠٣.456Z", "60.000Z", "03.-45Z"]
)
def test_an_earlier_record_does_not_change_whether_a_time_is_bad(tail: str) -> None:
    text = f"2027-03-04T05:06:{tail}"
    fresh = parse_ms(text)
    assert parse_ms("2027-03-04T05:06:07.890Z") == 1_804_136_767_890
    assert fresh is None
    assert parse_ms(text) is None


def test_lists_are_traits_and_null_takes_one_back() -> None:
    traits = {
        "tags": ["vip", 1, True, None, {"a": 1}, ["b"], 2.5],
        "long": ["é" * 600, *range(80)],
        "none": [],
        "odd": [{"a": 1}],
        "gone": None,
        "company": {"name": None},
    }
    found = traits_of({"type": "identify", "traits": traits})
    assert found is not None
    assert found.pop("long") == ["é" * 512, *range(63)]
    assert found == {"tags": ["vip", 1, True, 2.5], "none": [], "gone": None, "company.name": None}


def test_traits_come_from_three_places() -> None:
    sent = {
        "type": "group",
        "traits": {"name": "Acme", "size": {"employees": 7}},
        "context": {"traits": {"title": "CTO"}},
    }
    assert traits_of(sent) == {"group.name": "Acme", "group.size.employees": 7, "title": "CTO"}
    assert traits_of({"type": "page"}) is None


@pytest.mark.parametrize(
    "control",
    [
        Join(Identity(ANONYMOUS, "a"), Identity(USER, "u"), NOW_MS, True),
        Retract("u", "m", NOW_MS, ((7, NOW_MS, "m", 2.5, 2**63),)),
        Arrived("u", "a", encode(Lead(NOW_MS)), NOW_MS),
        Arrived("u", "a", b"", NOW_MS),
        Erase("u", NOW_MS),
    ],
)
def test_a_control_record_survives_the_way_through_kafka(control: Control) -> None:
    assert decode_control(kind_of(control), encode_control(control), None, 0) == control


def test_a_tombstone_asks_to_erase_its_key() -> None:
    assert decode_control("", None, b"u-1", NOW_MS) == Erase("u-1", NOW_MS)


@pytest.mark.parametrize("kind", ["join", "arrived", "erase", "unknown"])
@pytest.mark.parametrize(
    "value",
    [b"", b"\xc1", b"{}", b"\x81\xa1x" + b"\x91" * 100_000 + b"\xc0", b"\x80"],
    ids=["empty", "invalid", "json", "deep", "no fields"],
)
def test_a_bad_control_record_is_rejected(kind: str, value: bytes) -> None:
    assert decode_control(kind, value, b"u", NOW_MS) == Reject("bad_control", REASONS["bad_control"])


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_a_tombstone_without_a_lead_is_rejected(key: bytes | None) -> None:
    assert isinstance(decode_control("", None, key, NOW_MS), Reject)


@given(st.sampled_from(("join", "arrived", "erase")), st.binary(max_size=60))
def test_no_control_bytes_make_the_codec_raise(kind: str, value: bytes) -> None:
    assert decode_control(kind, value, b"u", NOW_MS) is not None


@pytest.mark.parametrize("blob", [b"\x00\xff", b"nonsense", b"\x91\x63"])
def test_a_forged_state_is_rejected_not_raised(blob: bytes) -> None:
    read = decode_control("arrived", encode_control(Arrived("u", "a", blob, NOW_MS)), b"u", NOW_MS)
    assert isinstance(read, Reject)


def test_a_join_in_the_wrong_direction_is_rejected() -> None:
    forged = Join(Identity(USER, "u"), Identity(ANONYMOUS, "a"), NOW_MS)
    assert isinstance(decode_control("join", encode_control(forged), b"u", NOW_MS), Reject)


def test_a_clock_far_ahead_puts_an_event_no_earlier_than_1970() -> None:
    sent = {"timestamp": "2026-01-01T00:00:00Z", "sentAt": "9999-12-31T23:59:59Z"}
    assert event_time(sent, NOW_MS) == 0


@pytest.mark.parametrize("timestamp", [-1, 2**62])
@pytest.mark.parametrize("traits", [None, {"title": "CTO"}])
def test_a_record_of_an_impossible_time_is_read_as_of_a_possible_one(timestamp: int, traits: Any) -> None:
    sent = {"type": "page", "messageId": "m", "userId": "u", "timestamp": "1969-12-31T00:00:00.000Z"}
    value = json.dumps(sent | ({"traits": traits} if traits else {})).encode()
    event = Codec(PATHS).decode_event(Arriving(value, timestamp=timestamp))
    assert isinstance(event, LeadEvent)
    assert (event.at, event.arrival) == (0, min(max(timestamp, FIRST_MS), LAST_MS))


def test_a_visitor_called_none_is_no_known_user() -> None:
    sent = {"type": "identify", "messageId": "m", "anonymousId": "None"}
    event = Codec(PATHS).decode_event(Arriving(json.dumps(sent).encode()), "None")
    assert isinstance(event, LeadEvent)
    assert not event.known


def test_an_empty_id_is_no_lead() -> None:
    event = read(json.dumps({"type": "page", "messageId": "m", "anonymousId": ""}).encode())
    assert event == Reject("no_lead", REASONS["no_lead"])


def test_a_trait_of_a_very_long_name_is_left_out() -> None:
    traits = {"n" * 300: 1, "title": "CTO", "company": {"x" * 300: 1}}
    event = read(json.dumps({"type": "identify", "messageId": "m", "userId": "u", "traits": traits}).encode())
    assert isinstance(event, LeadEvent)
    assert event.traits == {"title": "CTO"}
