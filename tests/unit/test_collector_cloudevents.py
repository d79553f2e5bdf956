"""CloudEvents in: every way of sending them becomes calls that the engine takes, or is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.collector import cloudevents
from app.collector.inbound import Call, Delivery
from tests.support.payloads import (
    NOW_MS,
    check_safe,
    check_sound,
    event_of,
    inbounds,
    objects,
    post,
    refusal,
    scalars,
    values,
)

PATH = "/v1/cloudevents"
CASE = Path(__file__).parent.parent / "data" / "doors" / "cloudevents.json"
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
ASKED = {
    "specversion": "1.0",
    "id": "c-1",
    "source": "/crm",
    "type": "Demo Requested",
    "subject": "u-1",
    "time": "2026-11-22T01:02:03.456Z",
    "datacontenttype": "application/json",
    "data": {"form": "demo"},
}
CALL = {
    "type": "track",
    "event": "Demo Requested",
    "messageId": "/crm c-1",
    "timestamp": "2026-11-22T01:02:03.456Z",
    "userId": "u-1",
    "properties": {"form": "demo"},
    "context": {"cloudevent": {"specversion": "1.0", "source": "/crm", "subject": "u-1"}},
}
HEADERS = {
    **{f"ce-{name}": value for name, value in ASKED.items() if isinstance(value, str) and name != "datacontenttype"},
    "content-type": "application/json",
}


def read(body: Any, headers: dict[str, str]) -> Delivery:
    delivery = cloudevents.read_cloudevents(post(PATH, body, headers))
    check_sound(delivery)
    return delivery


def one(**changes: Any) -> Call:
    event = {name: value for name, value in (ASKED | changes).items() if value is not None}
    (call,) = read(event, STRUCTURED).calls
    return call


def test_all_three_modes_of_an_event_give_the_same_call() -> None:
    assert read(ASKED, STRUCTURED).calls == [CALL]
    assert read([ASKED, ASKED], BATCH).calls == [CALL, CALL]
    assert read(ASKED["data"], HEADERS).calls == [CALL]


def test_a_body_that_is_a_list_is_read_as_a_batch() -> None:
    assert read([ASKED], STRUCTURED).calls == read(ASKED, {}).calls == [CALL]


def test_header_values_are_unescaped() -> None:
    call = read({}, {**HEADERS, "ce-type": "Caf%C3%A9%20Visited"}).calls[0]
    assert call["event"] == "Café Visited"


def test_the_headers_of_a_cloudevent_are_unquoted_and_decoded() -> None:
    case = json.loads(CASE.read_text())
    (call,) = cloudevents.read_cloudevents(post(PATH, {}, case["headers"])).calls
    assert {name: call[name] for name in case["call"]} == case["call"]
    assert refusal(lambda: cloudevents.read_cloudevents(post(PATH, {}, case["headers"] | case["refused"]))) == (
        400,
        "bad_header",
    )


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        ('"ana"', "ana"),
        (r'"a\"n\\a"', r'a"n\a'),
        ('"Jos%C3%A9"', "José"),
        ("José", "José"),
        ("a%22b", 'a"b'),
        ('an"a"', 'an"a"'),
        ('"ana', '"ana'),
        ('""ana', '""ana'),
    ],
)
def test_a_quoted_header_value_is_unescaped_first(value: str, subject: str) -> None:
    assert read({}, {**HEADERS, "ce-subject": value}).calls[0]["userId"] == subject


@pytest.mark.parametrize("value", ["%C0%A0", "a%ff", "%ED%A0%80", "\udcff"])
@pytest.mark.parametrize("name", ["ce-subject", "ce-id", "ce-anything"])
def test_a_header_value_that_is_no_utf_8_is_refused(name: str, value: str) -> None:
    assert refusal(lambda: read({}, {**HEADERS, name: value})) == (400, "bad_header")


def test_a_missing_id_number_or_time_gets_a_default() -> None:
    call = one(id=None, time=None)
    assert call["messageId"] == one(id=None, time=None)["messageId"]
    assert event_of(call).at == NOW_MS


@pytest.mark.parametrize(
    ("changes", "user", "anonymous", "email"),
    [
        ({}, "u-1", None, None),
        ({"subject": "ana@acme.example"}, None, None, "ana@acme.example"),
        ({"data": {"userId": "u-2"}}, "u-2", None, None),
        ({"data": {"anonymousId": "a-1"}}, None, "a-1", None),
        ({"userid": "u-3", "anonymousid": "a-3"}, "u-3", "a-3", None),
        ({"data": {"traits": {"email": "bo@acme.example"}}, "subject": None}, None, None, "bo@acme.example"),
        ({"data": {"traits": {"email": "bo@acme.example"}}}, "u-1", None, "bo@acme.example"),
    ],
)
def test_the_subject_is_the_user_unless_the_event_names_one(
    changes: dict[str, Any], user: str | None, anonymous: str | None, email: str | None
) -> None:
    call = one(**changes)
    assert (call.get("userId"), call.get("anonymousId")) == (user, anonymous)
    assert call["context"].get("traits", {}).get("email") == email


@pytest.mark.parametrize(
    ("changes", "properties"),
    [
        ({"data": None}, {}),
        ({"data": [1]}, {"data": [1]}),
        ({"data": "text"}, {"data": "text"}),
        ({"data": None, "data_base64": base64.b64encode(b'{"form":"demo"}').decode()}, {"form": "demo"}),
        ({"data": None, "data_base64": base64.b64encode(b"a\xff").decode()}, {"data": "a\N{REPLACEMENT CHARACTER}"}),
        ({"data": None, "data_base64": "!!"}, {"data": "!!"}),
    ],
)
def test_data_are_the_properties(changes: dict[str, Any], properties: dict[str, Any]) -> None:
    assert one(**changes)["properties"] == properties


def test_binary_data_of_any_kind_are_the_properties() -> None:
    plain = {**HEADERS, "content-type": "text/plain"}
    assert read(b"hello", plain).calls[0]["properties"] == {"data": "hello"}
    assert read(b"", plain).calls[0]["properties"] == {}
    assert read(b'{"a":"Caf\xe9"}', HEADERS).calls[0]["properties"] == {"a": "Café"}
    assert refusal(lambda: read(b"{", HEADERS)) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("changes", "message_id"),
    [
        ({"source": "/shop"}, "/shop c-1"),
        ({"source": "/a b", "id": "c"}, "/a%20b c"),
        ({"source": "/a", "id": "b c"}, "/a b c"),
        ({"id": 7}, "/crm 7"),
        ({"source": None}, "c-1"),
        ({"source": 7}, "c-1"),
    ],
)
def test_the_message_id_is_source_and_id_which_are_unique_together(changes: dict[str, Any], message_id: str) -> None:
    assert one(**changes)["messageId"] == message_id


def test_values_outside_json_become_json_values() -> None:
    for body, headers in (
        (json.dumps(ASKED | {"data": {"n": float("nan")}}).encode(), STRUCTURED),
        (b'{"n":NaN}', HEADERS),
    ):
        assert read(body, headers).calls[0]["properties"] == {"n": None}


def test_extension_attributes_are_put_in_the_context() -> None:
    assert one(traceparent="00-1", dataschema="urn:x")["context"]["cloudevent"] == {
        **CALL["context"]["cloudevent"],  # type: ignore[index]
        "traceparent": "00-1",
        "dataschema": "urn:x",
    }


def test_data_that_are_a_call_of_the_segment_spec_are_that_call() -> None:
    sent = {"type": "identify", "userId": "u-9", "traits": {"email": "ana@acme.example"}}
    assert one(data=sent) == {**sent, "messageId": "/crm c-1", "timestamp": ASKED["time"]}
    own = {**sent, "messageId": "m-1", "originalTimestamp": "2026-11-22T00:00:00Z"}
    assert one(data=own) == own


def test_data_with_a_type_of_their_own_and_no_id_are_properties() -> None:
    assert one(data={"type": "page", "size": 3})["properties"] == {"type": "page", "size": 3}


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (7, "not_an_object"),
        ({**ASKED, "type": ""}, "no_event"),
        ({**ASKED, "type": 7}, "no_event"),
        ({**ASKED, "subject": None}, "no_lead"),
        ({**ASKED, "subject": "u\n1"}, "bad_id"),
        ({**ASKED, "data": {"type": "track", "userId": "u-1"}}, "no_event"),
    ],
)
def test_an_unusable_event_is_rejected_and_the_rest_counts(event: Any, reason: str) -> None:
    delivery = read([event, ASKED], BATCH)
    assert [bad.reason for bad in delivery.bad] == [reason]
    assert reason == "not_an_object" or json.loads(delivery.bad[0].raw)["id"] == ASKED["id"]
    assert delivery.calls == [CALL]
    assert refusal(lambda: read([event], BATCH)) == (400, reason)


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "invalid_json"), (b"{", "invalid_json"), (b"7", "not_an_object"), (b'"x"', "not_an_object")],
)
def test_a_body_without_events_is_refused(body: bytes, code: str) -> None:
    assert refusal(lambda: read(body, STRUCTURED)) == (400, code)


def test_the_write_key_comes_from_the_header_else_the_query() -> None:
    assert read(ASKED, {**STRUCTURED, "authorization": "Bearer WK"}).write_key == "WK"
    assert cloudevents.read_cloudevents(post(PATH, ASKED, STRUCTURED, [("writeKey", "Q")])).write_key == "Q"


ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time", "data", "data_base64", "userid", "anonymousid")
events = objects(scalars | values, *ATTRIBUTES).map(lambda event: ASKED | event)
requests = inbounds(
    events | st.lists(events, max_size=3), (PATH,), [f"ce-{name}" for name in ATTRIBUTES], ("writeKey",)
)


@given(requests)
def test_any_request_is_accepted_by_the_engine_or_refused(inbound: Any) -> None:
    check_safe(cloudevents.read_cloudevents, inbound)


@given(st.dictionaries(st.sampled_from([f"ce-{name}" for name in ATTRIBUTES]), st.text(max_size=9)), st.binary())
def test_any_headers_are_accepted_by_the_engine_or_refused(headers: dict[str, str], body: bytes) -> None:
    check_safe(cloudevents.read_cloudevents, post(PATH, body, {"ce-type": "Asked", "ce-subject": "u-1"} | headers))


def test_an_event_that_is_nested_too_deeply_is_rejected() -> None:
    bomb = json.dumps(ASKED)[:-1].encode() + b',"data":' + b"[" * 300 + b"]" * 300 + b"}"
    assert refusal(lambda: read(bomb, STRUCTURED)) == (400, "too_large")
