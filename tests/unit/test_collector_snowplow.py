"""Snowplow trackers in: their short names and strings become calls that the engine takes, or are refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.collector import snowplow
from app.collector.inbound import Call, Delivery
from streams.events.identities import identities
from streams.intake.adapt import joins_of
from tests.support.payloads import (
    NOW_MS,
    check_safe,
    check_sound,
    event_of,
    get,
    inbounds,
    objects,
    post,
    refusal,
    scalars,
)

TP2 = "/com.snowplowanalytics.snowplow/tp2"
SNOWPLOW = "iglu:com.snowplowanalytics.snowplow"
VIEW = {"e": "pv", "eid": "e-1", "duid": "d-1"}
LEAD = "iglu:com.acme/lead/jsonschema/1-0-0"


def read(*events: Any, **headers: str) -> Delivery:
    delivery = snowplow.read_snowplow(
        post(TP2, {"schema": f"{SNOWPLOW}/payload_data/jsonschema/1-0-4", "data": events}, headers)
    )
    check_sound(delivery)
    return delivery


def one(event: Any, **headers: str) -> Call:
    (call,) = read(event, **headers).calls
    return call


def coded(value: Any, padded: bool = False) -> str:
    raw = json.dumps(value, ensure_ascii=False).encode()
    return base64.b64encode(raw).decode() if padded else base64.urlsafe_b64encode(raw).decode().rstrip("=")


def described(schema: str, data: Any) -> dict[str, Any]:
    return {"schema": f"{SNOWPLOW}/unstruct_event/jsonschema/1-0-0", "data": {"schema": schema, "data": data}}


def entities(*rows: tuple[str, Any]) -> dict[str, Any]:
    listed = [{"schema": schema, "data": data} for schema, data in rows]
    return {"schema": f"{SNOWPLOW}/contexts/jsonschema/1-0-0", "data": listed}


# Events ---------------------------------------------------------------------------------------------------------


def test_a_page_view_is_a_page() -> None:
    url = "https://acme.example/pricing?utm_source=google&utm_medium=cpc&utm_campaign=spring&q=1"
    event = {
        **VIEW, "url": url, "page": "Pricing", "refr": "https://search.example/", "dtm": "1795309805413",
        "stm": "1795309806000", "tv": "js-4.10.1", "p": "web", "lang": "en-US", "tz": "UTC", "sid": "s-1",
        "ip": "203.0.113.9", "ua": "Mozilla/5.0",
    }  # fmt: skip
    page = {
        "url": url,
        "path": "/pricing",
        "search": "?utm_source=google&utm_medium=cpc&utm_campaign=spring&q=1",
        "title": "Pricing",
        "referrer": "https://search.example/",
    }
    assert one(event) == {
        "type": "page",
        "messageId": "e-1",
        "anonymousId": "d-1",
        "timestamp": "2026-11-22T01:10:05.413Z",
        "sentAt": "2026-11-22T01:10:06.000Z",
        "properties": page,
        "context": {
            "library": {"name": "snowplow", "version": "js-4.10.1"},
            "page": page,
            "userAgent": "Mozilla/5.0",
            "ip": "203.0.113.9",
            "locale": "en-US",
            "timezone": "UTC",
            "sessionId": "s-1",
            "campaign": {"source": "google", "medium": "cpc", "name": "spring"},
        },
    }


def test_a_page_ping_is_a_track_call_with_its_offsets() -> None:
    call = one({**VIEW, "e": "pp", "url": "https://acme.example/a", "pp_miy": "0", "pp_may": "812"})
    assert (call["type"], call["event"]) == ("track", "Page Ping")
    assert (call["properties"]["path"], call["properties"]["min_y"], call["properties"]["max_y"]) == ("/a", 0, 812)


@pytest.mark.parametrize(
    ("value", "number"), [("3.5", 3.5), ("3", 3), ("1e400", None), ("nan", None), ("many", None), ("", None), (4, 4)]
)
def test_a_structured_event_is_a_track_call_named_by_its_action(value: Any, number: float | None) -> None:
    event = {**VIEW, "e": "se", "se_ca": "video", "se_ac": "play", "se_la": "intro", "se_pr": "hd", "se_va": value}
    call = one(event)
    assert (call["type"], call["event"]) == ("track", "play")
    expected: dict[str, Any] = {"category": "video", "label": "intro", "property": "hd"}
    assert call["properties"] == expected | ({} if number is None else {"value": number})


@pytest.mark.parametrize("padded", [True, False])
def test_a_self_describing_event_is_a_track_call_named_by_its_schema(padded: bool) -> None:
    said = described("iglu:com.acme/demo_requested/jsonschema/1-0-0", {"form": "démo?>"})
    for fields in ({"ue_px": coded(said, padded)}, {"ue_pr": json.dumps(said)}):
        call = one({**VIEW, "e": "ue", **fields})
        assert (call["type"], call["event"], call["properties"]) == ("track", "Demo Requested", {"form": "démo?>"})


def test_numbers_outside_json_lose_no_self_describing_event() -> None:
    said = json.dumps(described("iglu:com.acme/asked/jsonschema/1-0-0", {"budget": float("nan"), "seats": 3}))
    assert one({**VIEW, "e": "ue", "ue_pr": said})["properties"] == {"budget": None, "seats": 3}


@pytest.mark.parametrize(
    ("name", "event"),
    [("demo_requested", "Demo Requested"), ("demoRequested", "Demo Requested"), ("HTMLPageSaved", "HTML Page Saved"),
     ("link-click", "Link Click"), ("signup2", "Signup 2"), ("X", "X")],
)  # fmt: skip
def test_schema_names_become_words(name: str, event: str) -> None:
    assert snowplow.readable(name) == event


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"e": "tr"}, "unknown_type"),
        ({}, "unknown_type"),
        ({"e": ["pv"]}, "unknown_type"),
        (7, "not_an_object"),
        ({"e": "pv"}, "no_lead"),
        ({"e": "pv", "uid": "u\n1"}, "bad_id"),
        ({"e": "se", "duid": "d"}, "no_event"),
        ({"e": "ue", "duid": "d"}, "no_event"),
        ({"e": "ue", "duid": "d", "ue_px": "!!"}, "not_json"),
        ({"e": "ue", "duid": "d", "ue_px": "AAAA"}, "not_json"),
        ({"e": "ue", "duid": "d", "ue_pr": "{"}, "not_json"),
        ({"e": "ue", "duid": "d", "ue_pr": "[]"}, "no_event"),
        ({"e": "ue", "duid": "d", "ue_pr": json.dumps(described("acme", {}))}, "no_event"),
        ({"e": "ue", "duid": "d", "ue_pr": json.dumps(described("iglu:a/__/jsonschema/1-0-0", {}))}, "no_event"),
    ],
)
def test_an_unusable_event_is_rejected_and_the_rest_counts(event: Any, reason: str) -> None:
    delivery = read(event, VIEW)
    assert [bad.reason for bad in delivery.bad] == [reason]
    assert json.loads(delivery.bad[0].raw) == event
    assert [call["messageId"] for call in delivery.calls] == ["e-1"]
    assert refusal(lambda: read(event)) == (400, reason)


@pytest.mark.parametrize("body", [[], {}, {"data": {}}, {"data": None}, 7, "x"])
def test_a_body_without_events_is_refused(body: Any) -> None:
    assert refusal(lambda: snowplow.read_snowplow(post(TP2, body))) == (400, "not_an_object")


def test_a_body_that_is_not_json_is_refused() -> None:
    assert refusal(lambda: snowplow.read_snowplow(post(TP2, b"{"))) == (400, "invalid_json")


def test_a_get_request_is_one_event_of_which_the_first_parameter_of_a_name_counts() -> None:
    said = json.dumps(described("iglu:com.acme/demo_requested/jsonschema/1-0-0", {}))
    query = [("e", "ue"), ("ue_pr", said), ("duid", "d-1"), ("duid", "d-2"), ("aid", "site"), ("eid", "e-9")]
    delivery = snowplow.read_snowplow(get("/i", query))
    check_sound(delivery)
    assert delivery.write_key == "site"
    assert [(call["event"], call["anonymousId"]) for call in delivery.calls] == [("Demo Requested", "d-1")]


# Times ----------------------------------------------------------------------------------------------------------


def test_the_device_s_clock_is_corrected_by_the_time_of_sending() -> None:
    call = one({**VIEW, "dtm": "1000000000000", "stm": "1000000005000"})
    assert event_of(call).at == NOW_MS - 5_000


def test_a_true_time_needs_no_correction() -> None:
    call = one({**VIEW, "ttm": str(NOW_MS - 60_000), "dtm": "1000000000000", "stm": "1000000005000"})
    assert event_of(call).at == NOW_MS - 60_000


@pytest.mark.parametrize("time", ["", "soon", "-1", "1e3", "9" * 20, "9" * 5_000, "١٢", None, {}])
def test_an_invalid_time_is_left_out(time: Any) -> None:
    assert "timestamp" not in one({**VIEW, "dtm": time})


def test_numbers_are_read_like_the_strings_that_the_protocol_sends() -> None:
    call = one({**VIEW, "uid": None, "duid": 7, "dtm": 1795309805413})
    assert (call["anonymousId"], call["timestamp"]) == ("7", "2026-11-22T01:10:05.413Z")


# Identity -------------------------------------------------------------------------------------------------------


def test_a_user_and_a_device_on_one_event_are_joined_by_an_identify_call() -> None:
    event, identify = read({**VIEW, "uid": "u-1", "dtm": "1795309805413"}).calls
    assert event["messageId"] == "e-1"
    assert (identify["type"], identify["userId"], identify["anonymousId"]) == ("identify", "u-1", "d-1")
    assert identify["timestamp"] == event["timestamp"]
    assert len(joins_of(identify, identities(identify), NOW_MS)) == 1
    assert joins_of(event, identities(event), NOW_MS) == []


def test_a_user_and_an_address_are_joined_too() -> None:
    said = {"co": json.dumps(entities((LEAD, {"email": "ana@acme.example"})))}
    identify = read({"e": "pv", "uid": "u-1", **said}).calls[1]
    assert identify["context"]["traits"] == {"email": "ana@acme.example"}
    assert len(joins_of(identify, identities(identify), NOW_MS)) == 1


@pytest.mark.parametrize("event", [VIEW, {"e": "pv", "uid": "u-1"}])
def test_an_event_with_one_identity_has_no_identify_call(event: Any) -> None:
    assert one(event)["type"] == "page"


def test_ids_are_joined_once_per_request_with_one_message_id_per_session() -> None:
    said = {**VIEW, "uid": "u-1", "sid": "s-1"}
    first = [call["messageId"] for call in read(said, {**said, "eid": "e-2"}, {**said, "eid": "e-3"}).calls]
    assert [first[0], *first[2:]] == ["e-1", "e-2", "e-3"]
    assert read({**said, "eid": "e-4"}).calls[1]["messageId"] == first[1]
    for change in ({"sid": "s-2"}, {"duid": "d-2"}, {"uid": "u-2"}):
        assert read({**said, **change}).calls[1]["messageId"] != first[1]


@pytest.mark.parametrize("field", ["duid", "nuid", "tnuid"])
def test_the_device_is_the_domain_user_id_else_the_network_user_id(field: str) -> None:
    assert one({"e": "pv", field: "d-9"})["anonymousId"] == "d-9"


# Entities -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padded", [True, False])
def test_entities_are_put_in_the_context_by_name_and_give_the_address(padded: bool) -> None:
    both = entities((LEAD, {"email": "ana@acme.example"}), (f"{SNOWPLOW}/web_page/jsonschema/1-0-0", {"id": "w-1"}))
    for fields in ({"cx": coded(both, padded)}, {"co": json.dumps(both)}):
        context = one({**VIEW, **fields})["context"]
        assert context["entities"] == {"lead": {"email": "ana@acme.example"}, "web_page": {"id": "w-1"}}
        assert context["traits"] == {"email": "ana@acme.example"}


@pytest.mark.parametrize(
    ("schema", "field", "fields", "email"),
    [
        ("iglu:com.acme/lead/jsonschema/1-0-0", "email", None, True),
        ("iglu:com.snowplowanalytics.snowplow.ecommerce/user/jsonschema/1-0-0", "email", None, True),
        ("iglu:com.acme/friend/jsonschema/1-0-0", "email", None, False),
        ("iglu:com.acme/friend/jsonschema/1-0-0", "mail", {"com.acme/friend": "mail"}, True),
        ("iglu:com.acme/friend/jsonschema/1-0-0", "mail", {"friend": "mail"}, True),
        ("iglu:com.acme/lead/jsonschema/1-0-0", "email", {"com.acme/lead": "mail", "lead": "email"}, False),
    ],
)
def test_a_table_decides_which_entities_give_the_address(
    schema: str, field: str, fields: dict[str, str] | None, email: bool
) -> None:
    event = {**VIEW, "cx": coded(entities((schema, {field: "ana@acme.example"})))}
    inbound = post(TP2, {"data": [event]})
    delivery = snowplow.read_snowplow(inbound, fields) if fields is not None else snowplow.read_snowplow(inbound)
    assert ("traits" in delivery.calls[0]["context"]) is email


@pytest.mark.parametrize(
    "said",
    ["!!", "AAAA", coded(7), coded([]), coded({"data": 7}), coded({"data": [7, {"schema": 7}, {"schema": LEAD}]}), 7],
)
def test_entities_that_cannot_be_read_are_left_out_and_the_event_counts(said: Any) -> None:
    assert "entities" not in one({**VIEW, "cx": said})["context"]


def test_an_event_with_an_entity_that_is_nested_too_deeply_is_rejected() -> None:
    deep = '{"x":' * 400 + "1" + "}" * 400
    listed = f'{{"data":[{{"schema":"{LEAD}","data":{deep}}}]}}'
    assert [bad.reason for bad in read({**VIEW, "co": listed}, VIEW).bad] == ["too_large"]


# Keys and agents ------------------------------------------------------------------------------------------------


def test_the_write_key_comes_from_the_header_else_the_query_else_the_app_id() -> None:
    body = {"data": [{**VIEW, "aid": "APP"}]}
    basic = {"authorization": "Basic " + base64.b64encode(b"WK:").decode()}
    assert snowplow.read_snowplow(post(TP2, body, basic, [("writeKey", "Q")])).write_key == "WK"
    assert snowplow.read_snowplow(post(TP2, body, query=[("writeKey", "Q")])).write_key == "Q"
    assert snowplow.read_snowplow(post(TP2, body)).write_key == "APP"


@pytest.mark.parametrize(("platform", "agent"), [("web", "Mozilla/5.0"), ("srv", None), ("pc", None)])
def test_the_agent_of_the_request_is_used_for_browsers_but_not_for_servers(platform: str, agent: str | None) -> None:
    call = one({**VIEW, "p": platform}, **{"user-agent": "Mozilla/5.0"})
    assert call["context"].get("userAgent") == agent


@pytest.mark.parametrize("url", ["http://[", "nonsense", "https://acme.example", "//"])
def test_any_address_of_a_page_is_kept(url: str) -> None:
    assert one({**VIEW, "url": url})["properties"]["url"] == url


# Whatever comes -------------------------------------------------------------------------------------------------

NAMES = (
    "e", "eid", "uid", "duid", "nuid", "dtm", "stm", "ttm", "url", "page", "refr", "se_ac", "se_va", "ue_px", "ue_pr",
    "cx", "co", "aid", "p", "ua", "sid",
)  # fmt: skip
SAID = (
    *("pv", "pp", "se", "ue", "u-1", "1795309805413", "http://[::1", "https://acme.example/?utm_source=a"),
    *(coded(entities((LEAD, {"email": "a@b.example"}))), json.dumps(described(LEAD, {"x": [1]})), "{", "e30", "bnVsbA"),
)
KINDS = st.sampled_from(("pv", "pp", "se", "ue"))
events = st.builds(
    lambda kind, event: {"duid": "d"} | event | {"e": kind}, KINDS, objects(scalars | st.sampled_from(SAID), *NAMES)
)
requests = inbounds(
    st.lists(events | scalars, max_size=4).map(lambda data: {"data": data}), (TP2, "/i"), ("sp-anonymous",), NAMES
)


@given(requests)
def test_any_request_is_accepted_by_the_engine_or_refused(inbound: Any) -> None:
    check_safe(snowplow.read_snowplow, inbound)


@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(SAID)))
def test_any_get_request_is_accepted_by_the_engine_or_refused(said: dict[str, str]) -> None:
    check_safe(snowplow.read_snowplow, get("/i", [("e", "pv"), *said.items()]))
