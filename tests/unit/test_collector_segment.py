"""Segment, RudderStack and plain JSON in: every shape becomes calls that the engine takes, or is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.collector import segment
from app.collector.calls import MAX_CALLS, MAX_ODD_BYTES
from app.collector.inbound import Call, Delivery
from streams.events.rejects import MAX_EVENT_BYTES, REASONS
from tests.support.payloads import check_safe, check_sound, event_of, inbounds, objects, post, refusal, scalars, values

BASIC = "Basic " + base64.b64encode(b"WK:").decode()
PAGE = {"type": "page", "userId": "u-1", "messageId": "m-1"}


def read(path: str, body: Any, **headers: str) -> Delivery:
    delivery = segment.read_segment(post(path, body, headers))
    check_sound(delivery)
    return delivery


def one(path: str, body: Any, **headers: str) -> Call:
    (call,) = read(path, body, **headers).calls
    return call


# Paths and types ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "kind"),
    [(("t", "track"), "track"), (("p", "page"), "page"), (("i", "identify"), "identify"), (("g", "group"), "group"),
     (("a", "alias"), "alias"), (("s", "screen"), "screen")],
)  # fmt: skip
def test_a_path_gives_its_type_to_a_call_without_one(names: tuple[str, str], kind: str) -> None:
    for name in names:
        assert f"/v1/{name}" in segment.PATHS
        for path in (f"/v1/{name}", f"/v1/{name}/"):
            assert one(path, {"userId": "u-1", "event": "Asked"})["type"] == kind


@pytest.mark.parametrize(
    ("said", "kind"), [("page", "page"), ("demo", "track"), (7, "track"), (["page"], "track"), (None, "track")]
)
def test_a_known_type_in_the_body_wins_over_the_path_and_an_unknown_one_does_not(said: Any, kind: str) -> None:
    assert one("/v1/t", {"type": said, "event": "Asked", "userId": "u-1"})["type"] == kind


@pytest.mark.parametrize("path", ["/v1/b", "/v1/batch", "/v1/import"])
@pytest.mark.parametrize("body", [{"batch": [PAGE]}, [PAGE], PAGE], ids=["batch", "array", "object"])
def test_batch_paths_accept_a_batch_an_array_and_an_object(path: str, body: Any) -> None:
    assert read(path, body).calls == [PAGE]


def test_an_array_at_the_path_of_a_type_holds_calls_of_that_type() -> None:
    assert [call["type"] for call in read("/v1/p", [{"userId": "a"}, {"userId": "b"}]).calls] == ["page", "page"]


def test_a_field_named_batch_of_a_single_call_is_a_field() -> None:
    assert one("/v1/t", {"event": "Brewed", "userId": "u-1", "batch": [1]})["batch"] == [1]


def test_an_empty_batch_is_accepted() -> None:
    delivery = read("/v1/batch", {"batch": [], "writeKey": "WK"})
    assert (delivery.calls, delivery.bad, delivery.write_key) == ([], [], "WK")


def test_unknown_fields_are_kept() -> None:
    call = {**PAGE, "shoe_size": 42, "context": {"consent": {"ads": False}}, "integrations": {"All": True}}
    assert one("/v1/p", call) == call


# Batches --------------------------------------------------------------------------------------------------------


def test_fields_of_a_batch_fill_those_that_its_calls_lack() -> None:
    batch = {
        "context": {"ip": "203.0.113.9", "app": {"name": "shop"}},
        "sentAt": "2026-11-22T01:00:02Z",
        "timestamp": "2026-11-22T01:00:01Z",
        "batch": [PAGE, {**PAGE, "context": {"ip": "198.51.100.7"}, "sentAt": "S", "timestamp": "T"}],
    }
    bare, own = read("/v1/batch", batch).calls
    assert bare["context"] == batch["context"]
    assert (bare["sentAt"], bare["timestamp"]) == (batch["sentAt"], batch["timestamp"])
    assert own["context"] == {"ip": "198.51.100.7", "app": {"name": "shop"}}
    assert (own["sentAt"], own["timestamp"]) == ("S", "T")


def test_calls_do_not_share_the_context_of_their_batch() -> None:
    first, second = read("/v1/batch", {"context": {"traits": {"plan": "pro"}}, "batch": [PAGE, PAGE]}).calls
    first["context"]["traits"]["plan"] = "free"
    assert second["context"] == {"traits": {"plan": "pro"}}


def test_the_time_of_a_batch_does_not_hide_the_original_time_of_a_call() -> None:
    call = {**PAGE, "originalTimestamp": "2026-11-22T01:00:00Z"}
    (read_call,) = read("/v1/batch", {"batch": [call], "timestamp": "2026-11-22T01:00:09Z"}).calls
    assert "timestamp" not in read_call


def test_the_original_time_of_a_batch_is_used_if_no_other_time_is_given() -> None:
    (call,) = read("/v1/batch", {"batch": [PAGE], "originalTimestamp": "2026-11-22T01:00:09Z"}).calls
    assert call["originalTimestamp"] == "2026-11-22T01:00:09Z"


@pytest.mark.parametrize("context", [None, [], "x", {}])
def test_a_batch_context_that_is_no_object_is_left_out(context: Any) -> None:
    assert read("/v1/batch", {"context": context, "batch": [PAGE]}).calls == [PAGE]


def test_a_batch_gives_its_calls_a_time_that_can_be_read() -> None:
    body = {"timestamp": "28/07/2022", "originalTimestamp": 1_659_044_615, "batch": [{"type": "page", "userId": "u"}]}
    (call,) = read("/v1/batch", body).calls
    assert event_of(call).at == 1_659_044_615_000


def test_a_context_that_would_be_repeated_too_often_is_refused() -> None:
    body = {"context": {"x": "x" * 30_000}, "batch": [PAGE] * 1_000}
    assert refusal(lambda: read("/v1/batch", body)) == (413, "too_large")


def test_bad_events_are_rejected_and_the_rest_counts() -> None:
    events: list[Any] = [
        PAGE,
        7,
        {"type": "bow", "userId": "u-1"},
        {"type": "track", "userId": "u-1"},
        {"type": "page"},
        {"type": "page", "userId": True},
        {"type": "page", "userId": "u\n1"},
        {"type": "alias", "userId": ["u-1"], "previousId": "a"},
        {"type": "track", "event": "Event Retracted", "userId": "u-1", "properties": {"messageId": ""}},
        {**PAGE, "x": "x" * MAX_EVENT_BYTES},
    ]
    delivery = read("/v1/batch", {"batch": events})
    assert delivery.calls == [PAGE]
    reasons = [
        *("not_an_object", "unknown_type", "no_event", "no_lead", "no_lead", "bad_id", "bad_id", "no_target"),
        "too_large",
    ]
    assert [bad.reason for bad in delivery.bad] == reasons
    assert [bad.sentence for bad in delivery.bad] == [REASONS[reason] for reason in reasons]
    assert [json.loads(bad.raw) for bad in delivery.bad] == events[1:]


@pytest.mark.parametrize("opening", [b'{"a":', b"["])
def test_an_event_that_is_nested_too_deeply_is_rejected_and_the_rest_counts(opening: bytes) -> None:
    closing = b"}" if opening.startswith(b"{") else b"]"
    bomb = b'{"type":"page","userId":"u-1","x":' + opening * 600 + b"1" + closing * 600 + b"}"
    delivery = read("/v1/batch", b'{"batch":[' + bomb + b"," + json.dumps(PAGE).encode() + b"]}")
    assert delivery.calls == [PAGE]
    assert [(bad.reason, bad.sentence) for bad in delivery.bad] == [
        ("too_large", "the event is nested more than 254 levels deep")
    ]
    assert json.loads(delivery.bad[0].raw)["userId"] == "u-1"


def test_a_request_of_bad_events_only_is_refused_with_the_reason_of_the_first() -> None:
    assert refusal(lambda: read("/v1/batch", {"batch": [{"type": "page"}, 7]})) == (400, "no_lead")
    assert refusal(lambda: read("/v1/t", {"userId": "u-1"})) == (400, "no_event")


def test_a_retraction_that_names_an_event_is_accepted() -> None:
    sent = {"event": "Event Retracted", "userId": "u-1", "properties": {"messageId": "m-1"}}
    assert segment.read_segment(post("/v1/t", sent)).calls[0]["properties"] == {"messageId": "m-1"}


def test_as_many_events_are_taken_as_one_may_send_and_no_more() -> None:
    events = [{"type": "page", "userId": "u-1", "messageId": str(i)} for i in range(MAX_CALLS + 1)]
    assert len(segment.read_segment(post("/v1/batch", {"batch": events[1:]})).calls) == MAX_CALLS
    for body in (events, {"batch": events}):
        assert refusal(lambda body=body: read("/v1/batch", body)) == (413, "too_many_events")  # type: ignore[misc]


# JSON -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[NaN",
        b"[nan]",
        b"[NaN,]",
        b'{"x":\xff}',
        b'{"x":"' + b"\xff" * MAX_ODD_BYTES + b'"}',
        '{"type":"page","userId":"u"}'.encode("utf-16"),
        b"[" * 100_000,
        b"[NaN" + b",[" * 100_000,
        b"[NaN" + b" " * MAX_ODD_BYTES + b"]",
        b"{}{}",
    ],
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    assert refusal(lambda: read("/v1/t", body)) == (400, "invalid_json")


@pytest.mark.parametrize("body", [b"7", b'"x"', b"null", b"true", b"1.5"])
def test_json_that_holds_no_events_is_refused(body: bytes) -> None:
    assert refusal(lambda: read("/v1/batch", body)) == (400, "not_an_object")


ODD = [
    (b"NaN", None),
    (b"[Infinity, -Infinity, 1e999, -1e999]", [None] * 4),
    (b"9" * 400, None),
    (b'"NaN \\ud83d"', "NaN \N{REPLACEMENT CHARACTER}"),
    (b'"a\tb\nc\x00"', "a\tb\nc\x00"),
    (b'"\\udca9\\ud83d\\udca9"', "\N{REPLACEMENT CHARACTER}\N{PILE OF POO}"),
    (b'"Jos\xc3"', "JosÃ"),
    (b'"Caf\xe9, \xc3\xa9"', "Café, é"),
    (b'"\xed\xa0\xbd\xed\xb2\xa9"', "í\xa0½í²©"),
    (b'{"\\ud83d": "\\\\ud83d"}', {"\N{REPLACEMENT CHARACTER}": "\\ud83d"}),
]


@pytest.mark.parametrize(("odd", "kept"), ODD)
def test_common_deviations_from_json_lose_no_event(odd: bytes, kept: Any) -> None:
    numbers = b'[1, 1.5, -0.0, 1e3, 9007199254740993, 18446744073709551616, "\xc3\xa9"]'
    event = b'{"type":"track","event":"Asked","userId":"u","properties":{"odd":%s,"even":%s}}' % (odd, numbers)
    first, second = read("/v1/batch", b'{"batch":[%s,%s]}' % (event, json.dumps(PAGE).encode())).calls

    assert first["properties"] == {"odd": kept, "even": [1, 1.5, -0.0, 1000.0, 9007199254740993, 2.0**64, "é"]}
    assert second == PAGE


def test_ids_that_are_not_utf8_stay_apart() -> None:
    events = [b'{"type":"page","userId":"%s"}' % name.encode("cp1251") for name in ("Петр", "Иван")]
    first, second = read("/v1/batch", b"[%s,%s]" % tuple(events)).calls
    assert first["userId"] != second["userId"]


def test_a_byte_order_mark_is_accepted() -> None:
    assert one("/v1/p", b"\xef\xbb\xbf" + json.dumps(PAGE).encode()) == PAGE


def test_of_a_repeated_name_the_last_counts_and_huge_numbers_are_kept_as_floats() -> None:
    call = one("/v1/p", b'{"userId":"a","userId":"b","properties":{"n":123456789012345678901234567890}}')
    assert call["userId"] == "b"
    assert call["properties"]["n"] == pytest.approx(1.2345678901234568e29)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "image/gif", ""])
def test_the_content_type_does_not_matter(content_type: str) -> None:
    assert one("/v1/p", PAGE, **{"content-type": content_type}) == PAGE


# Keys and headers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("authorization", "said", "asked", "key"),
    [
        (BASIC, "BODY", "QUERY", "WK"),
        ("basic " + base64.b64encode(b"WK:secret").decode(), "", "", "WK"),
        ("Bearer WK", "BODY", "", "WK"),
        ("Basic !!", "BODY", "QUERY", "BODY"),
        ("Basic " + base64.b64encode(b":x").decode(), "", "QUERY", "QUERY"),
        ("Digest WK", "", "", ""),
        ("", "BODY", "QUERY", "BODY"),
        ("", 7, "QUERY", "QUERY"),
        ("Basic " + "A" * 2_000, "", "", ""),
    ],
)
def test_the_write_key_comes_from_the_header_else_the_body_else_the_query(
    authorization: str, said: Any, asked: str, key: str
) -> None:
    headers = {"authorization": authorization} if authorization else {}
    query = [("writeKey", asked)] if asked else []
    for path, body in (("/v1/p", {**PAGE, "writeKey": said}), ("/v1/b", {"batch": [PAGE], "writeKey": said})):
        assert segment.read_segment(post(path, body, headers, query)).write_key == key


def test_the_write_key_of_a_plain_array_is_that_of_its_first_call_and_is_in_no_call() -> None:
    delivery = read("/v1/batch", [{**PAGE, "writeKey": "WK"}, PAGE])
    assert (delivery.write_key, delivery.calls) == ("WK", [PAGE, PAGE])


@pytest.mark.parametrize(
    ("header", "known"), [("YW5vbi03", "anon-7"), ("!!", None), ("_w==", None), ("AA==", None), ("QUFB" * 2_000, None)]
)
def test_the_anonymous_id_header_of_rudderstack_is_base64_and_is_used_where_the_call_has_none(
    header: str, known: str | None
) -> None:
    assert one("/v1/p", PAGE, anonymousid=header).get("anonymousId") == known
    assert one("/v1/p", {**PAGE, "anonymousId": "own"}, anonymousid=header)["anonymousId"] == "own"


def test_the_sent_at_header_of_rudderstack_is_used_where_the_call_has_none() -> None:
    assert one("/v1/p", PAGE, sentat="2026-11-22T01:15:44.100Z")["sentAt"] == "2026-11-22T01:15:44.100Z"
    assert one("/v1/p", {**PAGE, "sentAt": "own"}, sentat="2026-11-22T01:15:44.100Z")["sentAt"] == "own"


def test_rudderstack_s_word_for_no_referrer_becomes_none() -> None:
    places = {"properties": {"referrer": "$direct"}, "context": {"page": {"referrer": "$direct"}}}
    call = one("/v1/page", {**PAGE, "channel": "web", **places})
    assert call["properties"] == {"referrer": ""}
    assert call["context"] == {"page": {"referrer": ""}}


@pytest.mark.parametrize("nobody", [None, ""])
def test_an_empty_user_id_leaves_the_anonymous_id(nobody: str | None) -> None:
    assert event_of(one("/v1/p", {**PAGE, "userId": nobody, "anonymousId": "a-1"})).lead_id == "a-1"


def test_an_address_alone_identifies_a_lead() -> None:
    assert one("/v1/i", {"context": {"traits": {"email": "ana@acme.example"}}})["type"] == "identify"


# Message ids ----------------------------------------------------------------------------------------------------


def ids(events: list[Any], **batch: Any) -> list[str]:
    return [call["messageId"] for call in read("/v1/batch", {"batch": events, **batch}).calls]


def test_message_ids_stay_as_they_were_sent_and_numbers_become_text() -> None:
    sent: list[Any] = ["m", "x" * 300, 17]
    assert ids([{**PAGE, "messageId": name} for name in sent]) == ["m", "x" * 300, "17"]


@pytest.mark.parametrize("name", [None, "", {}, ["m"], 1.5, True])
def test_an_invalid_message_id_is_derived_from_the_call(name: Any) -> None:
    made = ids([{**PAGE, "messageId": name}])
    assert made == ids([{"userId": "u-1", "type": "page"}])
    assert made[0].startswith("auto-")


def test_a_made_message_id_is_the_same_in_a_retry_though_the_batch_was_sent_later() -> None:
    event = {"type": "page", "userId": "u-1", "timestamp": "2026-11-22T01:00:00Z"}
    other = {**event, "userId": "u-2"}
    first, second = ids([event], sentAt="2026-11-22T01:00:01Z"), ids([other, event], sentAt="2026-11-22T01:00:09Z")
    assert second[1] == first[0] != second[0]


def test_equal_calls_of_one_request_have_different_message_ids() -> None:
    event = {"type": "page", "userId": "u-1"}
    assert len(set(ids([event, event, event]))) == 3


# Stubs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "host", "protocol"),
    [
        ("http://localhost:8080", "localhost:8080/v1", "http"),
        ("https://in.acme.example/", "in.acme.example/v1", "https"),
        ("https://acme.example/lead/", "acme.example/lead/v1", "https"),
        ("acme.example", "acme.example/v1", "https"),
        ("http://[", "[/v1", "http"),
    ],
)
def test_settings_send_the_browser_library_here(base_url: str, host: str, protocol: str) -> None:
    where = {"apiKey": "WK", "apiHost": host, "protocol": protocol}
    settings = {"integrations": {"Segment.io": where}, "metrics": {"sampleRate": 0}}
    assert segment.segment_settings("WK", base_url) == settings


def test_the_source_config_is_an_enabled_source_that_reports_nothing() -> None:
    source = segment.rudderstack_settings("WK")["source"]
    assert (source["writeKey"], source["enabled"], source["destinations"]) == ("WK", True, [])
    assert source["config"]["statsCollection"] == {"errors": {"enabled": False}, "metrics": {"enabled": False}}


# Whatever comes -------------------------------------------------------------------------------------------------

FIELDS = (
    "type", "event", "userId", "anonymousId", "previousId", "messageId", "timestamp", "originalTimestamp", "sentAt",
    "context", "properties", "traits", "channel", "writeKey",
)  # fmt: skip
calls = objects(scalars | values, *FIELDS) | st.builds(lambda call: PAGE | call, objects(scalars | values, *FIELDS))
batches = st.builds(
    lambda batch, events: {**batch, "batch": events}, objects(values, *FIELDS), st.lists(calls | values, max_size=4)
)
requests = inbounds(
    calls | batches | st.lists(calls, max_size=4),
    segment.PATHS,
    ("anonymousid", "sentat"),
    ("writeKey",),
)


@given(requests)
def test_any_request_is_accepted_by_the_engine_or_refused(inbound: Any) -> None:
    check_safe(segment.read_segment, inbound)
