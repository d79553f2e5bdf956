"""Mandrill: forms, signed with the webhook's own address."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.mail_services import (
    CAPTURES,
    MANDRILL_URL,
    NOW_S,
    brief,
    form,
    mandrill,
    only_call,
    post,
    read,
    refusal,
)

EVENT = {"event": "open", "_id": "m-1", "ts": NOW_S - 60, "msg": {"email": "jane@acme.example", "_id": "m-1"}}


def test_the_captured_request_is_read_as_a_click() -> None:
    sample = CAPTURES["mandrill"]
    headers = {name.lower(): value for name, value in sample["headers"].items()}
    inbound = post(sample["raw_body"].encode(), headers)
    call = only_call(read("mandrill", inbound, key=sample["key"], url=sample["webhook_url"], user_field="lead_id"))
    assert call.pop("messageId").startswith("mandrill:")
    assert call == {
        "type": "track",
        "event": "Email Link Clicked",
        "timestamp": "2026-11-22T01:13:20.000Z",
        "userId": "user_42",
        "context": {"ip": "203.0.113.9", "userAgent": "Mozilla/5.0", "traits": {"email": "jane@acme.example"}},
        "properties": {
            "service": "mandrill",
            "message_id": "abc",
            "url": "https://acme.example/pricing",
            "campaign_id": "newsletter",
        },
    }


@pytest.mark.parametrize(
    ("sent", "event", "properties"),
    [
        ({"event": "delivered"}, "Email Delivered", {}),
        ({"event": "open"}, "Email Opened", {}),
        ({"event": "click", "url": "https://a.example/"}, "Email Link Clicked", {"url": "https://a.example/"}),
        ({"event": "hard_bounce"}, "Email Bounced", {"kind": "hard"}),
        ({"event": "soft_bounce"}, "Email Bounced", {"kind": "soft"}),
        ({"event": "spam"}, "Email Marked as Spam", {}),
        ({"event": "unsub"}, "Unsubscribed", {"kind": "all"}),
    ],
)
def test_every_kind_of_event_has_its_name(sent: dict[str, Any], event: str, properties: dict[str, Any]) -> None:
    assert brief(read("mandrill", mandrill([EVENT | sent]))) == (event, properties)


@pytest.mark.parametrize(
    "sent",
    [*({"event": kind} for kind in ("send", "deferral", "reject", "inbound")), {"event": None, "type": "blacklist"}],
)
def test_an_event_that_is_not_about_a_lead_is_ignored(sent: dict[str, Any]) -> None:
    delivery = read("mandrill", mandrill([EVENT | sent]))
    assert (delivery.calls, delivery.bad) == ([], [])


def test_opens_of_one_mail_have_their_own_ids_and_repetitions_the_same() -> None:
    events = [
        EVENT,
        EVENT | {"ts": NOW_S},
        EVENT | {"event": "click", "url": "a"},
        EVENT | {"event": "click", "url": "b"},
    ]
    first, second = (read("mandrill", mandrill(events)).calls for _ in range(2))
    assert first == second
    assert len({call["messageId"] for call in first}) == 4


def test_metadata_gives_user_and_campaign() -> None:
    msg = {"email": "jane@acme.example", "metadata": {"user_id": 7, "campaign_id": "c-1"}, "tags": ["t"]}
    call = only_call(read("mandrill", mandrill([EVENT | {"msg": msg}])))
    assert (call["userId"], call["properties"]["campaign_id"]) == ("7", "c-1")


def test_bad_events_in_a_batch_are_kept_apart() -> None:
    delivery = read("mandrill", mandrill([EVENT, {"event": "dance"}, {"event": "open"}, 7]))
    assert len(delivery.calls) == 1
    assert [bad.reason for bad in delivery.bad] == ["unknown_type", "no_lead", "not_an_object"]


def test_signed_garbage_is_rejected_and_taken() -> None:
    assert [bad.reason for bad in read("mandrill", mandrill("[{")).bad] == ["not_json"]


@pytest.mark.parametrize("changed", [{"key": "other"}, {"url": "https://c.acme.example/webhooks/news/"}])
def test_another_key_or_address_is_a_wrong_signature(changed: dict[str, str]) -> None:
    assert refusal("mandrill", mandrill([EVENT]), **changed) == (403, "bad_signature")


@pytest.mark.parametrize("signature", ["", "garbage", "é", "\ud800", "AAAA"])
def test_garbage_in_the_header_is_a_wrong_signature(signature: str) -> None:
    inbound = replace(mandrill([EVENT]), headers={"x-mandrill-signature": signature})
    assert refusal("mandrill", inbound) == (403, "bad_signature")


@pytest.mark.parametrize("body", [b"", b"\xff", b"mandrill_events=%FF", b"&&&", b"=", form({"mandrill_events": "[]"})])
def test_garbage_in_the_body_is_a_wrong_signature(body: bytes) -> None:
    assert refusal("mandrill", replace(mandrill([EVENT]), body=body)) == (403, "bad_signature")


def test_set_up_asks_with_head_and_then_posts_nothing_under_a_well_known_key() -> None:
    assert read("mandrill", replace(mandrill([EVENT]), method="HEAD", body=b"", headers={})).calls == []
    assert read("mandrill", mandrill("[]", key="test-webhook")).calls == []
    assert refusal("mandrill", mandrill([EVENT], key="test-webhook")) == (403, "bad_signature")


def test_the_fields_of_a_form_are_signed_in_alphabetical_order() -> None:
    fields = {"mandrill_events": json.dumps([EVENT]), "a": "1"}
    message = f"{MANDRILL_URL}a1mandrill_events{fields['mandrill_events']}"
    signature = base64.b64encode(hmac.digest(b"mkey", message.encode(), "sha1")).decode()
    assert read("mandrill", post(form(fields), {"x-mandrill-signature": signature})).calls
