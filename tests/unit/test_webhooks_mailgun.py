"""Mailgun: 406 where a retry is of no use, and one request a token."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from app.collector.inbound import Refusal
from app.collector.webhooks.accepted_requests import AcceptedRequests
from tests.support.mail_services import (
    CAPTURES,
    NOW_MS,
    NOW_S,
    brief,
    form,
    later,
    mailgun,
    mailgun_signature,
    only_call,
    post,
    read,
    refusal,
)

RIGHT = mailgun_signature("token-1")

EVENT = {
    "event": "opened",
    "id": "id-1",
    "timestamp": NOW_S - 60.25,
    "recipient": "jane@acme.example",
    "message": {"headers": {"message-id": "m-1"}},
}


def captured() -> Any:
    return replace(post(json.dumps(CAPTURES["mailgun"]["body"]).encode()), received_ms=1_795_310_100_000)


def test_the_captured_request_is_read_as_an_open_by_apple() -> None:
    assert only_call(read("mailgun", captured(), user_field="lead_id")) == {
        "type": "track",
        "event": "Email Opened",
        "messageId": "mailgun:Ase7i2zsRYeDXztHGENqRA",
        "timestamp": "2026-11-22T01:13:20.090Z",
        "userId": "user_42",
        "context": {"ip": "203.0.113.9", "userAgent": "Mozilla/5.0", "traits": {"email": "jane@acme.example"}},
        "properties": {
            "service": "mailgun",
            "message_id": "20180812213139.1.BC6694A917BB7E6A@example.org",
            "campaign_id": "newsletter",
            "automated": True,
            "automated_reason": "apple_mpp",
        },
    }


@pytest.mark.parametrize(
    ("sent", "event", "properties"),
    [
        ({"event": "delivered"}, "Email Delivered", {}),
        ({"event": "opened"}, "Email Opened", {}),
        ({"event": "clicked", "url": "https://a.example/"}, "Email Link Clicked", {"url": "https://a.example/"}),
        ({"event": "failed", "severity": "permanent", "reason": "bounce"}, "Email Bounced", {"kind": "hard"}),
        ({"event": "failed", "severity": "permanent", "reason": "old"}, "Email Bounced", {"kind": "soft"}),
        ({"event": "failed", "severity": "permanent", "reason": "espblock"}, "Email Bounced", {"kind": "soft"}),
        ({"event": "failed", "delivery-status": {"bounce-type": "soft"}}, "Email Bounced", {"kind": "soft"}),
        ({"event": "complained"}, "Email Marked as Spam", {}),
        ({"event": "unsubscribed"}, "Unsubscribed", {"kind": "all"}),
    ],
)
def test_every_kind_of_event_has_its_name(sent: dict[str, Any], event: str, properties: dict[str, Any]) -> None:
    assert brief(read("mailgun", mailgun(EVENT | sent))) == (event, properties)


@pytest.mark.parametrize("kind", ["opened", "clicked"])
@pytest.mark.parametrize(
    ("bot", "reason"),
    [("apple", "apple_mpp"), ("gmail", "image_proxy"), ("generic", "provider"), ("new", "provider"), ("", "")],
)
def test_bots_are_named_on_opens_and_clicks(kind: str, bot: str, reason: str) -> None:
    _, properties = brief(read("mailgun", mailgun(EVENT | {"event": kind, "client-info": {"bot": bot}})))
    assert properties == ({"automated": True, "automated_reason": reason} if reason else {})


@pytest.mark.parametrize(
    "sent",
    [{"event": "accepted"}, {"event": "failed", "severity": "temporary", "reason": "generic"}, {"event": "stored"}],
)
def test_an_event_that_is_not_about_a_lead_is_ignored(sent: dict[str, Any]) -> None:
    delivery = read("mailgun", mailgun(EVENT | sent))
    assert (delivery.calls, delivery.bad) == ([], [])


def test_a_message_that_was_never_sent_did_not_bounce() -> None:
    suppressed = {"event": "failed", "severity": "permanent", "reason": "suppress-unsubscribe"}
    assert read("mailgun", mailgun(EVENT | suppressed)).calls == []


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"event": "danced"}, "unknown_type"),
        (None, "unknown_type"),
        (7, "unknown_type"),
        ({"event": "opened"}, "no_lead"),
    ],
)
def test_a_signed_event_that_cannot_be_used_is_rejected_and_taken(event: Any, reason: str) -> None:
    delivery = read("mailgun", mailgun(event))
    assert (delivery.calls, [bad.reason for bad in delivery.bad]) == ([], [reason])


def test_user_variables_give_user_and_campaign() -> None:
    call = only_call(
        read("mailgun", mailgun(EVENT | {"user-variables": {"user_id": "u-1", "campaign_id": "c-1"}, "tags": ["t"]}))
    )
    assert (call["userId"], call["properties"]["campaign_id"]) == ("u-1", "c-1")


@pytest.mark.parametrize(
    ("block", "taken"),
    [
        ({"signature": "00", "parent-signature": RIGHT}, True),
        ({"signature": RIGHT, "parent-signature": "00"}, True),
        ({"signature": "00", "parent-signature": "00"}, False),
        ({"parent-signature": None}, False),
        ({"signature": "", "parent-signature": ""}, False),
    ],
)
def test_the_signature_of_the_account_or_of_its_parent_is_enough(block: dict[str, Any], taken: bool) -> None:
    body = {"signature": {"timestamp": str(NOW_S), "token": "token-1"} | block, "event-data": EVENT}
    inbound = post(json.dumps(body).encode())
    if taken:
        assert read("mailgun", inbound).calls
    else:
        assert refusal("mailgun", inbound) == (406, "bad_signature")


LEGACY = {
    "event": "clicked",
    "recipient": "jane@acme.example",
    "Message-Id": "<m-1@acme.example>",
    "url": "https://acme.example/pricing",
    "ip": "203.0.113.9",
    "user-agent": "Mozilla/5.0 (X11)",
    "tag": "newsletter",
    "user_id": "u-1",
    "timestamp": str(NOW_S),
    "token": "token-1",
    "signature": RIGHT,
}


def multipart(fields: dict[str, str]) -> bytes:
    parts = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
    return "".join(parts).encode() + b"--x--\r\n"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form(LEGACY), "application/x-www-form-urlencoded"),
        (multipart(LEGACY), "multipart/form-data; boundary=x"),
        (b"token=mine&timestamp=0&signature=x&" + form(LEGACY) + b"&event=mine&url=mine", ""),
    ],
)
def test_a_legacy_webhook_is_read_from_its_form(body: bytes, content_type: str) -> None:
    assert only_call(read("mailgun", post(body, {"content-type": content_type}))) == {
        "type": "track",
        "event": "Email Link Clicked",
        "messageId": "mailgun:token-1",
        "timestamp": "2026-11-22T01:20:00.000Z",
        "userId": "u-1",
        "context": {
            "ip": "203.0.113.9",
            "userAgent": "Mozilla/5.0 (X11)",
            "traits": {"email": "jane@acme.example"},
        },
        "properties": {
            "service": "mailgun",
            "message_id": "m-1@acme.example",
            "campaign_id": "newsletter",
            "url": "https://acme.example/pricing",
        },
    }


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"event": "delivered", "url": ""}, ("Email Delivered", {})),
        ({"event": "opened", "url": ""}, ("Email Opened", {})),
        ({"event": "bounced", "url": "", "code": "550"}, ("Email Bounced", {"kind": "hard"})),
        ({"event": "dropped", "url": "", "code": "499", "reason": "old"}, ("Email Bounced", {"kind": "soft"})),
        ({"event": "dropped", "url": "", "code": "605", "reason": "hardfail"}, None),
        ({"event": "complained", "url": ""}, ("Email Marked as Spam", {})),
        ({"event": "unsubscribed", "url": ""}, ("Unsubscribed", {"kind": "all"})),
    ],
)
def test_legacy_events_have_the_names_of_todays(sent: dict[str, str], expected: Any) -> None:
    delivery = read("mailgun", post(form(LEGACY | sent)))
    assert (brief(delivery) if expected else [*delivery.calls, *delivery.bad]) == (expected or [])


def test_a_legacy_webhook_of_another_key_is_refused_for_good() -> None:
    assert refusal("mailgun", post(form(LEGACY)), signing_key="other") == (406, "bad_signature")


def test_a_request_of_another_key_is_refused_for_good() -> None:
    assert refusal("mailgun", mailgun(EVENT), signing_key="other") == (406, "bad_signature")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"{}",
        b'{"signature":7}',
        b'{"signature":{"timestamp":"1795310400","token":"t","signature":"\xc3\xa9"}}',
        b'{"signature":{"timestamp":[],"token":{},"signature":null}}',
        b"[" * 100_000,
        b'{"signature":' * 100_000,
    ],
)
def test_garbage_is_a_wrong_signature(body: bytes) -> None:
    assert refusal("mailgun", post(body)) == (406, "bad_signature")


def test_a_signature_is_good_while_mailgun_retries_because_retries_carry_the_first_one() -> None:
    inbound = mailgun(EVENT)
    assert read("mailgun", later(inbound, 8.5 * 3600)).calls
    assert refusal("mailgun", later(inbound, 9 * 3600 + 1)) == (406, "stale_signature")
    assert refusal("mailgun", later(inbound, -301)) == (406, "stale_signature")


def test_a_token_is_worth_one_request_that_was_kept() -> None:
    accepted = AcceptedRequests(0)
    first = read("mailgun", mailgun(EVENT), accepted)
    assert read("mailgun", mailgun(EVENT), accepted).calls == first.calls
    accepted.remember(first.request_id, NOW_MS)
    forged = mailgun(EVENT | {"id": "id-2", "event": "clicked"})
    assert read("mailgun", forged, accepted).calls == []
    assert read("mailgun", later(forged, 9 * 3600), accepted).calls == []
    assert read("mailgun", mailgun(EVENT, token="token-2"), accepted).calls


def test_a_token_that_was_signed_before_the_memory_began_must_be_fresh() -> None:
    signed = mailgun(EVENT)
    assert read("mailgun", later(signed, 300), AcceptedRequests(NOW_MS + 1)).calls
    assert read("mailgun", later(signed, 301), AcceptedRequests(NOW_MS)).calls
    with pytest.raises(Refusal) as caught:
        read("mailgun", later(signed, 301), AcceptedRequests(NOW_MS + 1))
    assert (caught.value.status, caught.value.code) == (406, "stale_signature")


def test_a_signed_request_without_a_token_is_refused_because_it_could_come_again() -> None:
    assert refusal("mailgun", mailgun(EVENT, token="")) == (406, "bad_signature")
