"""Ids and addresses as people and programs really send them, at every door."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.collector import cloudevents, links, segment, snowplow
from app.collector.inbound import Call
from app.collector.webhooks import mail
from app.collector.webhooks.accepted_requests import AcceptedRequests
from app.collector.webhooks.hook import WebhookRequest
from app.lead_lookup import find_by_id_or_email
from streams.events.controls import decode_control
from streams.events.identities import (
    MAX_EMAIL_CHARS,
    clean_address,
    clean_id,
    email_id,
    identities,
    owner_of,
    plain_owner,
    previous_identity,
    record_key,
)
from streams.events.rejects import MAX_ID_CHARS, Refused
from streams.intake.adapt import Intake
from streams.scoring.event import ANONYMOUS, USER, Identity, Join
from streams.scoring.lead import Lead
from streams.scoring.stored import encode
from streams.store.base import Commit
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner, Topics
from tests.support.payloads import NOW_MS, Arriving, get, post

DATA = Path(__file__).parent.parent / "data" / "doors"
CASES: dict[str, dict[str, Any]] = {file.stem: json.loads(file.read_text()) for file in DATA.glob("*.json")}
ADDRESS = "jane@acme.example"
HASH = sha256(ADDRESS.encode()).hexdigest()
NO_IDS = [
    *("undefined", "Undefined", "null", "NULL", "none", "None", "nil", "NaN", "true", "false", "[object Object]", "0"),
    *("anonymous", "guest", "Guest", "n/a", "N/A", "-", "-1", "000000", "00000000-0000-0000-0000-000000000000"),
    *("{{user_id}}", "{{ contact.id | default: '' }}", "*|EMAIL|*", "%%emailaddr%%", "${user.id}", "<%= user.id %>"),
    *("user-{{id}}", "%%id%%@site", " undefined ", "\ufeffnull\u200b", "", " ", "\u200b"),
    *(
        '"undefined"',
        "'null'",
        '"Null"',
        "`nil`",
        "(null)",
        "(not set)",
        "not set",
        "<nil>",
        "<null>",
        '""',
        "(0)",
        '"0000"',
    ),
    *("%recipient.id%", "%SUBSCRIBERID%", "*|UNIQID|*", "{{contact.id}}", "[[ID]]", '[[data:id:""]]', "u-[[ID]]"),
    *("[% member:id %]", "{!Contact.Id}", "{$id}", "#{user.id}", "$[UD:ID]$", "#recipient:id#", "@CONTACTID@"),
    *(0, 0.0, -1, True, False, None, [], ["u"], {}, {"id": "u"}),
]
IDS = [
    ("山田\u3000太郎", "山田\u3000太郎"),
    ("José\u00a0García", "José\u00a0García"),
    ("👩\u200d💻", "👩\u200d💻"),
    ("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", None),
    ("soft\u00adhyphen", None),
    ("\U0001ccfa", None),
    ("ana\n", "ana"),
    ("\ufeff\u00a0ana\u200b\u2028", "ana"),
    ("\u202aana\u202c", "ana"),
    (12345, "12345"),
    (12345.0, "12345"),
    (1.5, "1.5"),
    (2**53, "9007199254740992"),
    ("00", ""),
    ("007", None),
    ("undefined-1", None),
    ("nullable", None),
    ("-2", None),
    ("{not a tag}", None),
    ("100%", None),
    ("%E5%B1%B1%E7%94%B0", None),
    ("50%-off%", None),
    ('"u-1"', None),
    ("(ana)", None),
    ("[ana]", None),
    ("{6F9619FF-8B86-D011-B42D-00C04FC964FF}", None),
    ("@ana", None),
    ("#42", None),
    ("$5", None),
    ("not settled", None),
    ("a" * MAX_ID_CHARS, None),
    (" " + "a" * MAX_ID_CHARS, "a" * MAX_ID_CHARS),
    ("a" * (MAX_ID_CHARS + 1), ""),
    ("a\0b", ""),
    ("a\nb", ""),
    ("a\x7fb", ""),
    ("a\x85b", ""),
    ("\ud800", ""),
]


def leads(calls: list[Call]) -> list[str]:
    """The leads that intake gives these calls to; joins are left out."""
    records = [Arriving(orjson.dumps(call), offset=i) for i, call in enumerate(calls)]
    output = Intake(Topics(), Partitioner(1)).adapt_records({"web-events:0": records}, NOW_MS)
    assert output.reasons == []
    return [key.decode() for _, key, _, headers in output.rows[0] if len(headers) == 1]


def joins(call: Call) -> list[Join]:
    output = Intake(Topics(), Partitioner(1)).adapt_records({"web-events:0": [Arriving(orjson.dumps(call))]}, NOW_MS)
    controls = [decode_control("join", row[2], row[1], NOW_MS) for row in output.rows[0] if len(row[3]) == 2]
    return [control for control in controls if isinstance(control, Join)]


# The public cases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ids", "placeholders"])
def test_a_batch_is_of_these_leads_by_http_and_by_kafka(name: str) -> None:
    case = CASES[name]
    delivery = segment.read_segment(post("/v1/batch", {"batch": case["batch"]}))
    assert delivery.bad == []
    assert leads(delivery.calls) == leads(case["batch"]) == case["leads"]


def test_strangers_are_joined_to_their_own_addresses_only() -> None:
    for call in CASES["placeholders"]["batch"]:
        (control,) = joins(call)
        assert {control.lesser.id, control.greater.id} == {call["anonymousId"], email_id(call["traits"]["email"])}


# Ids -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", NO_IDS)
def test_a_placeholder_is_no_id_anywhere(value: Any) -> None:
    sent = {"userId": value, "anonymousId": "a-1", "previousId": value}
    assert clean_id(value) == ""
    assert owner_of(sent) == Identity(ANONYMOUS, "a-1")
    assert owner_of({"userId": "u", "anonymousId": value}) == Identity(USER, "u")
    assert previous_identity(sent) is None
    with pytest.raises(Refused, match="bad_id" if isinstance(value, list | dict) else "no_lead"):
        owner_of({"userId": value, "anonymousId": value})


@pytest.mark.parametrize(("value", "expected"), IDS)
def test_an_id_is_any_text_without_control_characters(value: Any, expected: str | None) -> None:
    expected = value if expected is None else expected
    assert clean_id(value) == expected
    assert plain_owner(value, "a-1") == expected or "a-1"
    assert owner_of({"userId": value, "anonymousId": "a-1"}).id == (expected or "a-1")
    assert owner_of({"userId": value, "traits": {"email": ADDRESS}}).id == (expected or HASH)


@pytest.mark.parametrize("value", ["a\0b", "a" * 513, ["u"], {"id": 1}])
def test_an_id_that_is_not_valid_is_the_reason_only_if_nothing_else_names_the_lead(value: Any) -> None:
    with pytest.raises(Refused, match="bad_id"):
        identities({"userId": value, "anonymousId": "undefined"})


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none())
@example("\u00a0\ud800")
@example("0\x1f")
@example("{{a}}")
def test_an_accepted_id_is_trimmed_without_controls_and_stays_as_it_is(value: Any) -> None:
    found = clean_id(value)
    assert found == found.strip() == clean_id(found)
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in found)
    assert len(found.encode()) <= 4 * MAX_ID_CHARS


@given(st.text(st.characters(categories=("L", "M", "N", "P", "S", "Zs", "Cn"), include_characters="\u200c\u200d")))
def test_whatever_people_write_is_an_id(text: str) -> None:
    assert clean_id(f"x{text}y"[:MAX_ID_CHARS].strip()) == f"x{text}y"[:MAX_ID_CHARS].strip()


@pytest.mark.parametrize("around", ["", " ", "\u200b", "\u00a0", "\ufeff", "\u200e"])
def test_an_address_is_found_with_anything_around_it(around: str) -> None:
    written = f"{around}Jane@ACME.example{around}"
    assert mail.address_of(written) == mail.address_of(f"Jane <{written}>") == "Jane@ACME.example"
    for place in ({"traits": {"email": written}}, {"context": {"traits": {"email": written}}}):
        assert owner_of(place).id == HASH
    assert email_id(written) == HASH


@pytest.mark.parametrize(
    "written",
    [
        *(
            "Jane <jane@acme.example>",
            "<jane@acme.example>",
            '"Doe, Jane" < jane@acme.example >',
            "Jane<Jane@Acme.example>",
        ),
        *(
            "mailto:jane@acme.example",
            "MAILTO: jane@acme.example?subject=Hi%20there",
            "Jane <mailto:jane@acme.example>",
        ),
    ],
)
def test_an_address_is_found_with_a_name_or_as_a_link(written: str) -> None:
    assert clean_address(written).lower() == ADDRESS
    assert clean_address(clean_address(written)) == clean_address(written)
    for place in ({"traits": {"email": written}}, {"context": {"traits": {"email": written}}}):
        assert owner_of(place).id == HASH
        assert record_key(place) == ADDRESS.encode()
    call = by_cloudevent_subject(written)
    assert owner_of(call).id == HASH


@pytest.mark.parametrize(
    "value",
    [
        "jane",
        "",
        None,
        7,
        "a@b\0",
        "Jane <jane>",
        "mailto:",
        "mailto:?to=a@b",
        "a@b <>",
        "A <a@x.y>, B <b@x.y>",
        "{{email}}@x.example",
        "@" * (MAX_EMAIL_CHARS + 1),
    ],
)
def test_what_is_no_address_names_nobody(value: Any) -> None:
    assert clean_address(value) == ""
    with pytest.raises(Refused, match="no_lead"):
        owner_of({"traits": {"email": value}})


# Doors -----------------------------------------------------------------------------------------------------------


def by_snowplow(user_id: str) -> list[Call]:
    return snowplow.read_snowplow(get("/i", [("e", "pv"), ("uid", user_id), ("duid", "a-1")])).calls


def by_pixel(user_id: str) -> list[Call]:
    return links.read_pixel(get(links.PIXEL_PATH, [("userId", user_id), ("anonymousId", "a-1")])).calls


def by_link(user_id: str) -> list[Call]:
    signed = links.sign_link("https://acme.example/", b"secret", userId=user_id, anonymousId="a-1")
    return links.read_click(get(links.LINK_PATH, parse_qsl(signed)), b"secret", NOW_MS)[0].calls


def by_cloudevent(user_id: str) -> list[Call]:
    event = {"type": "Asked", "id": "1", "source": "/", "data": {"userId": user_id, "anonymousId": "a-1"}}
    return cloudevents.read_cloudevents(
        post("/v1/cloudevents", event, {"content-type": "application/cloudevents+json"})
    ).calls


def by_cloudevent_subject(subject: str) -> Call:
    event = {"type": "Asked", "id": "1", "source": "/", "subject": subject}
    headers = {"content-type": "application/cloudevents+json"}
    (call,) = cloudevents.read_cloudevents(post("/v1/cloudevents", event, headers)).calls
    return call


def by_header(user_id: str) -> list[Call]:
    """RudderStack's header gives an id to a call whose own is a placeholder."""
    call = {"type": "page", "anonymousId": user_id}
    return segment.read_segment(post("/v1/page", call, {"anonymousid": "YS0x"})).calls


@pytest.mark.parametrize("door", [by_snowplow, by_pixel, by_link, by_cloudevent, by_header])
@pytest.mark.parametrize("user_id", ["undefined", "null", "*|EMAIL|*", "0", "\u200b"])
def test_a_placeholder_leaves_the_event_to_the_visitor(door: Callable[[str], list[Call]], user_id: str) -> None:
    calls = door(user_id)
    assert leads(calls) == ["a-1"]
    assert [join for call in calls for join in joins(call)] == []


@pytest.mark.parametrize("user_id", ["undefined", "null", "{{user_id}}", "\u00a0", True, 0])
def test_a_placeholder_in_the_custom_arguments_of_a_mail_identifies_no_lead(user_id: Any) -> None:
    hook = WebhookRequest("news", {}, post("/webhooks/news", {}), AcceptedRequests(NOW_MS))
    assert mail.user_id_of(hook, {"user_id": user_id}) == ""
    assert mail.user_id_of(hook, {"user_id": user_id, "userId": " u-1\n"}) == "u-1"
    assert mail.user_id_of(hook, {"user_id": [7.0]}) == "7"


def test_an_attribute_that_is_no_id_gives_way_to_the_next() -> None:
    event = {"type": "Asked", "id": "1", "source": "/", "userid": "null", "subject": "u-1"}
    structured = {"content-type": "application/cloudevents+json"}
    for data, lead in (({}, "u-1"), ({"userId": "undefined", "anonymousId": ["a"]}, "u-1"), ({"userId": "u"}, "u")):
        calls = cloudevents.read_cloudevents(post("/v1/cloudevents", event | {"data": data}, structured)).calls
        assert leads(calls) == [lead]


@pytest.mark.parametrize("lead_id", ["0", "undefined", "{{user_id}}", " ana "])
async def test_a_lead_that_was_stored_before_is_found_by_its_id(lead_id: str) -> None:
    store = MemoryStore()
    await store.commit(0, Commit(0, "", "s", {"ckpt": b"1"}, leads={lead_id: encode(Lead(NOW_MS))}))
    found_id, state = await find_by_id_or_email(store, 1, lead_id)
    assert found_id == lead_id
    assert isinstance(state, Lead)
