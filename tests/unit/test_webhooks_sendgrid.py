"""SendGrid: what is signed is taken, and becomes the calls that the scorecards know."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from sendgrid.helpers.eventwebhook import EventWebhook  # type: ignore[import-untyped]

from app.collector.inbound import Inbound
from app.collector.webhooks.accepted_requests import AcceptedRequests
from app.collector.webhooks.sendgrid import SIGNATURE, TIMESTAMP
from tests.support.mail_services import (
    CAPTURES,
    NOW_MS,
    NOW_S,
    brief,
    only_call,
    post,
    public_key,
    read,
    refusal,
    sendgrid,
)

EVENT = {
    "email": "jane@acme.example",
    "timestamp": NOW_S - 60,
    "event": "open",
    "sg_event_id": "e1",
    "sg_message_id": "m1",
}


def captured() -> tuple[Inbound, str]:
    sample = CAPTURES["sendgrid"]
    headers = {name.lower(): value for name, value in sample["headers"].items()}
    return post(sample["raw_body"].encode(), headers), sample["public_key_base64_der"]


def test_the_captured_request_is_read_as_an_automated_open_a_click_and_an_unsubscription() -> None:
    inbound, key = captured()
    delivery = read("sendgrid", replace(inbound, received_ms=1_795_310_100_000), public_key=key, user_field="lead_id")
    assert delivery.bad == []
    assert delivery.calls == [
        {
            "type": "track",
            "event": "Email Opened",
            "messageId": "sendgrid:ZyjAM5rnQmuI1KFInHQ3Nw==",
            "timestamp": "2026-11-22T01:13:20.000Z",
            "userId": "user_42",
            "context": {"ip": "203.0.113.9", "userAgent": "Mozilla/5.0", "traits": {"email": "jane@acme.example"}},
            "properties": {
                "service": "sendgrid",
                "message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
                "campaign_id": "newsletter",
                "automated": True,
                "automated_reason": "apple_mpp",
            },
        },
        {
            "type": "track",
            "event": "Email Link Clicked",
            "messageId": "sendgrid:b",
            "timestamp": "2026-11-22T01:14:20.000Z",
            "context": {
                "ip": "203.0.113.9",
                "userAgent": "Mozilla/5.0 (X11)",
                "traits": {"email": "jane@acme.example"},
            },
            "properties": {"service": "sendgrid", "message_id": "m", "url": "https://acme.example/pricing"},
        },
        {
            "type": "track",
            "event": "Unsubscribed",
            "messageId": "sendgrid:c",
            "timestamp": "2026-11-22T01:14:50.000Z",
            "context": {"ip": "203.0.113.9", "userAgent": "Mozilla/5.0", "traits": {"email": "jane@acme.example"}},
            "properties": {"service": "sendgrid", "message_id": "m", "kind": "group", "list_id": "10"},
        },
    ]


@pytest.mark.parametrize(
    ("sent", "event", "properties"),
    [
        ({"event": "delivered"}, "Email Delivered", {}),
        ({"event": "open"}, "Email Opened", {}),
        ({"event": "open", "sg_machine_open": False}, "Email Opened", {}),
        (
            {"event": "open", "sg_machine_open": True},
            "Email Opened",
            {"automated": True, "automated_reason": "apple_mpp"},
        ),
        ({"event": "click", "url": "https://a.example/"}, "Email Link Clicked", {"url": "https://a.example/"}),
        ({"event": "bounce", "type": "bounce"}, "Email Bounced", {"kind": "hard"}),
        ({"event": "bounce", "type": "blocked"}, "Email Bounced", {"kind": "soft"}),
        ({"event": "spamreport"}, "Email Marked as Spam", {}),
        ({"event": "unsubscribe"}, "Unsubscribed", {"kind": "all"}),
        ({"event": "group_unsubscribe", "asm_group_id": 10}, "Unsubscribed", {"kind": "group", "list_id": "10"}),
        ({"event": "group_resubscribe", "asm_group_id": 10}, "Subscribed", {"kind": "group", "list_id": "10"}),
    ],
)
def test_every_kind_of_event_has_its_name(sent: dict[str, Any], event: str, properties: dict[str, Any]) -> None:
    assert brief(read("sendgrid", sendgrid([EVENT | sent]))) == (event, properties)


@pytest.mark.parametrize("kind", ["processed", "deferred", "dropped", "account_status_change"])
def test_an_event_that_is_not_about_a_lead_is_ignored(kind: str) -> None:
    delivery = read("sendgrid", sendgrid([EVENT | {"event": kind}]))
    assert (delivery.calls, delivery.bad) == ([], [])


def test_bad_events_in_a_batch_are_kept_apart_with_their_bytes() -> None:
    body = b'[{"event":"dance", "email":"j@a.example"}, 7, {"event":"open"}, {"event":"open","email":"j@a.example"}]'
    delivery = read("sendgrid", sendgrid(body))
    assert [call["event"] for call in delivery.calls] == ["Email Opened"]
    assert [(bad.raw, bad.reason) for bad in delivery.bad] == [
        (b'{"event":"dance", "email":"j@a.example"}', "unknown_type"),
        (b"7", "not_an_object"),
        (b'{"event":"open"}', "no_lead"),
    ]


def test_a_signed_body_that_is_no_json_is_a_bad_event_because_a_retry_would_not_help() -> None:
    delivery = read("sendgrid", sendgrid(b"[{"))
    assert (delivery.calls, [bad.reason for bad in delivery.bad]) == ([], ["not_json"])


@pytest.mark.parametrize(
    ("custom", "expected"),
    [
        ({"user_id": "u-1"}, ("u-1", None)),
        ({"userId": 7}, ("7", None)),
        ({"user_id": "u\n1"}, (None, None)),
        ({"campaign_id": "c-1", "category": ["x"]}, (None, "c-1")),
        ({"singlesend_id": "s-1", "category": ["x"]}, (None, "s-1")),
        ({"category": "x"}, (None, "x")),
        ({"category": []}, (None, None)),
    ],
)
def test_custom_arguments_give_user_and_campaign(
    custom: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    call = only_call(read("sendgrid", sendgrid([EVENT | custom])))
    assert (call.get("userId"), call["properties"].get("campaign_id")) == expected


def test_an_event_without_an_id_gets_the_same_one_each_time() -> None:
    nameless = [{key: value for key, value in EVENT.items() if key != "sg_event_id"}]
    first, second = (only_call(read("sendgrid", sendgrid(nameless)))["messageId"] for _ in range(2))
    assert first == second


def test_an_event_with_an_impossible_time_has_none() -> None:
    assert "timestamp" not in only_call(read("sendgrid", sendgrid([EVENT | {"timestamp": 10**24}])))


def test_a_request_of_another_key_is_refused() -> None:
    assert refusal("sendgrid", sendgrid([EVENT]), public_key=captured()[1]) == (403, "bad_signature")


@pytest.mark.parametrize("header", [SIGNATURE, TIMESTAMP])
@pytest.mark.parametrize("value", ["", "garbage", "!", "é", "\ud800", "AAAA", "-1", "1e9", "9" * 400, "MAYCAQACAQA="])
def test_garbage_in_a_header_is_a_wrong_signature(header: str, value: str) -> None:
    inbound = sendgrid([EVENT])
    changed = replace(inbound, headers=dict(inbound.headers) | {header: value})
    assert refusal("sendgrid", changed) == (403, "bad_signature")


@pytest.mark.parametrize(("age_s", "taken"), [(299, True), (300, True), (301, False), (-300, True), (-301, False)])
def test_five_minutes_are_the_window(age_s: int, taken: bool) -> None:
    inbound = sendgrid([EVENT], at_s=NOW_S - age_s)
    if taken:
        assert read("sendgrid", inbound).calls
    else:
        assert refusal("sendgrid", inbound) == (403, "stale_signature")


def test_a_request_is_read_again_until_it_was_kept_and_does_nothing_then() -> None:
    accepted, inbound = AcceptedRequests(0), sendgrid([EVENT])
    first, after_503 = read("sendgrid", inbound, accepted), read("sendgrid", inbound, accepted)
    assert first == after_503
    assert len(first.calls) == 1
    accepted.remember(first.request_id, NOW_MS)
    assert read("sendgrid", inbound, accepted).calls == []
    assert read("sendgrid", sendgrid([EVENT | {"sg_event_id": "e2"}]), accepted).calls


def test_only_post_is_taken() -> None:
    assert refusal("sendgrid", replace(sendgrid([EVENT]), method="GET")) == (405, "method_not_allowed")


@pytest.mark.parametrize("body", [b'[{"event":"open"}]\r\n', '["Zoë"]'.encode(), b"[]"])
def test_the_services_own_library_agrees_about_signatures(body: bytes) -> None:
    oracle = EventWebhook(public_key())
    inbound = sendgrid(body)
    said = inbound.header(SIGNATURE), inbound.header(TIMESTAMP)
    assert oracle.verify_signature(body.decode(), *said)
    assert not oracle.verify_signature(body.decode() + " ", *said)
    read("sendgrid", inbound)
    assert refusal("sendgrid", replace(inbound, body=body + b" ")) == (403, "bad_signature")
