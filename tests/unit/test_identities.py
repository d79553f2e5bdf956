"""Whose event it is, for intake, the collector and the codec alike."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.collector.machines import MachineDetector
from app.collector.vocabulary import CLICKED
from streams.events.identities import (
    LeadIds,
    email_id,
    identities,
    lead_ids,
    name_lead,
    owner_of,
    plain_owner,
    previous_identity,
    record_key,
)
from streams.events.rejects import Refused
from streams.intake.adapt import Intake
from streams.scoring.event import ANONYMOUS, EMAIL, USER, Identity
from streams.transport.topics import Partitioner, Topics
from tests.support.payloads import NOW_MS, Arriving

IDS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.sampled_from(["", "u", " u\u200b", "a", "\n", "\0", "undefined", "é", "{{id}}", "x" * 512, "x" * 513])
)
PLACES = st.none() | st.fixed_dictionaries({}, optional={"email": st.sampled_from(["", "ana", "Ana@a.example", 7])})
CALLS = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "page", "identify"]), "event": st.just("Demo Requested")},
    optional={
        "userId": IDS,
        "anonymousId": IDS,
        "traits": PLACES,
        "properties": PLACES,
        "context": st.none() | st.fixed_dictionaries({"traits": PLACES}),
    },
)


def test_identities_are_ranked() -> None:
    sent = {"userId": 7, "anonymousId": "a", "traits": {"email": "A@b.example"}}

    assert [identity.kind for identity in identities(sent)] == [USER, ANONYMOUS, EMAIL]
    assert owner_of(sent) == Identity(USER, "7")


@pytest.mark.parametrize(
    ("call", "key"),
    [
        ({"userId": "u", "anonymousId": "a"}, b"u"),
        ({"userId": "", "anonymousId": "a"}, b"a"),
        ({"userId": 0, "anonymousId": "a"}, b"a"),
        ({"userId": "\n", "anonymousId": " a\u00a0"}, b"a"),
        ({"userId": "a\nb", "anonymousId": "a"}, b"a"),
        ({"traits": {"email": " Ana@Acme.Example"}}, b"ana@acme.example"),
        ({"context": {"traits": {"email": "ana@acme.example"}}}, b"ana@acme.example"),
        ({"traits": {"email": "none"}, "context": {"traits": {"email": "ana@acme.example"}}}, b"ana@acme.example"),
        ({"context": 1, "traits": [], "properties": {"email": 7}}, b""),
        ({"userId": "\ud800"}, b""),
        ({"traits": {"email": "\ud800@acme.example"}}, b""),
        ({}, b""),
    ],
)
def test_the_key_of_a_record_is_its_owner(call: dict[str, Any], key: bytes) -> None:
    assert record_key(call) == key


@given(CALLS)
def test_intake_the_record_key_and_the_quick_way_agree_on_the_owner(call: dict[str, Any]) -> None:
    output = Intake(Topics(), Partitioner(1)).adapt_records({"web-events:0": [Arriving(orjson.dumps(call))]}, NOW_MS)
    if output.reasons:
        with pytest.raises(Refused, match=output.reasons[0]):
            owner_of(call)
        assert plain_owner(call.get("userId"), call.get("anonymousId")) == ""
        assert record_key(call) == b""
        return
    owner = owner_of(call)
    assert output.rows[0][0][1] == owner.id.encode()
    assert plain_owner(call.get("userId"), call.get("anonymousId")) in ("", owner.id)
    key = record_key(call).decode()
    assert owner.id == (email_id(key) if owner.kind == EMAIL else key)


@given(st.builds(LeadIds, *(st.sampled_from(["", each]) for each in ("u", "a", "Ana@a.example"))))
def test_a_call_names_whom_it_was_given(ids: LeadIds) -> None:
    call: dict[str, Any] = {}

    name_lead(call, *ids)

    assert lead_ids(call) == ids


def test_an_address_that_a_call_has_already_stays() -> None:
    call: dict[str, Any] = {"context": {"traits": {"email": "ana@a.example"}}}

    name_lead(call, email="bob@a.example")

    assert lead_ids(call).email == "ana@a.example"


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ({}, None),
        ({"previousId": "a", "anonymousId": "a"}, Identity(ANONYMOUS, "a")),
        ({"previousId": 7, "anonymousId": "a"}, Identity(USER, "7")),
    ],
)
def test_an_alias_names_a_former_identity(call: dict[str, Any], found: Identity | None) -> None:
    assert previous_identity(call) == found


@pytest.mark.parametrize(
    "named", [{"userId": 42}, {"anonymousId": "a"}, {"properties": {"email": "ana@a.example"}, "userId": None}]
)
def test_a_retraction_has_the_owner_of_its_event(named: dict[str, Any]) -> None:
    machines = MachineDetector()
    clicks = [
        {"type": "track", "event": CLICKED, "messageId": str(i), **named}
        | {"properties": {"message_id": "m", "url": str(i), **named.get("properties", {})}}
        for i in range(3)
    ]

    retractions = [retraction for click in clicks for retraction in machines.judge_call(click, NOW_MS)]

    assert [owner_of(each) for each in retractions] == [owner_of(clicks[0])] * 2
