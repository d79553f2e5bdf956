"""Postmark: a shared secret, and events without ids of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.mail_services import CAPTURES, brief, only_call, post, postmark, read, refusal

EVENT = {
    "RecordType": "Open",
    "MessageID": "m-1",
    "Recipient": "jane@acme.example",
    "ReceivedAt": "2026-11-22T01:00:00.1234567Z",
}


def test_the_captured_request_is_read_as_an_open() -> None:
    sample = CAPTURES["postmark"]
    headers = {name.lower(): value for name, value in sample["headers"].items()}
    call = only_call(read("postmark", post(json.dumps(sample["body"]).encode(), headers), user_field="lead_id"))
    assert call.pop("messageId").startswith("postmark:")
    assert call == {
        "type": "track",
        "event": "Email Opened",
        "timestamp": "2026-11-22T01:00:00.000Z",
        "userId": "user_42",
        "context": {"ip": "203.0.113.9", "userAgent": "Mozilla/5.0", "traits": {"email": "jane@acme.example"}},
        "properties": {
            "service": "postmark",
            "message_id": "00000000-0000-0000-0000-000000000000",
            "campaign_id": "newsletter",
        },
    }


@pytest.mark.parametrize(
    ("sent", "event", "properties"),
    [
        ({"RecordType": "Delivery", "DeliveredAt": "2026-11-22T01:00:00Z"}, "Email Delivered", {}),
        ({"RecordType": "Open"}, "Email Opened", {}),
        (
            {"RecordType": "Click", "OriginalLink": "https://a.example/"},
            "Email Link Clicked",
            {"url": "https://a.example/"},
        ),
        ({"RecordType": "Bounce", "Type": "HardBounce"}, "Email Bounced", {"kind": "hard"}),
        ({"RecordType": "Bounce", "Type": "BadEmailAddress"}, "Email Bounced", {"kind": "hard"}),
        ({"RecordType": "Bounce", "Type": "SoftBounce"}, "Email Bounced", {"kind": "soft"}),
        ({"RecordType": "Bounce", "Type": "Blocked"}, "Email Bounced", {"kind": "soft"}),
        ({"RecordType": "Bounce", "Type": "SpamNotification"}, "Email Marked as Spam", {}),
        ({"RecordType": "Bounce", "Type": "Unsubscribe"}, "Unsubscribed", {"kind": "all"}),
        ({"RecordType": "Bounce", "Type": "Subscribe"}, "Subscribed", {}),
        ({"RecordType": "SpamComplaint", "Type": "SpamComplaint"}, "Email Marked as Spam", {}),
        (
            {"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "ManualSuppression"},
            "Unsubscribed",
            {"kind": "all"},
        ),
        ({"RecordType": "SubscriptionChange", "SuppressSending": True}, "Unsubscribed", {"kind": "all"}),
        ({"RecordType": "SubscriptionChange", "SuppressSending": False, "SuppressionReason": None}, "Subscribed", {}),
        (
            {"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "HardBounce"},
            "Email Bounced",
            {"kind": "hard"},
        ),
        (
            {"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "SpamComplaint"},
            "Email Marked as Spam",
            {},
        ),
    ],
)
def test_every_kind_of_event_has_its_name(sent: dict[str, Any], event: str, properties: dict[str, Any]) -> None:
    assert brief(read("postmark", postmark(EVENT | sent))) == (event, properties)


@pytest.mark.parametrize(
    "sent",
    [
        {"RecordType": "SMTPApiError"},
        {"RecordType": "Inbound"},
        *({"RecordType": "Bounce", "Type": kind} for kind in ("AutoResponder", "Transient", "DnsError")),
        {"RecordType": "Bounce", "Type": "ManuallyDeactivated"},
    ],
)
def test_an_event_that_is_not_about_a_lead_is_ignored(sent: dict[str, Any]) -> None:
    delivery = read("postmark", postmark(EVENT | sent))
    assert (delivery.calls, delivery.bad) == ([], [])


def test_a_hard_bounce_and_the_suppression_that_follows_are_one_event() -> None:
    bounce = {"RecordType": "Bounce", "Type": "HardBounce", "Email": "Jane@acme.example", "MessageID": "m-1"}
    change = {"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "HardBounce"}
    first = read("postmark", postmark(bounce | {"BouncedAt": "2026-11-22T01:00:00Z"}))
    second = read("postmark", postmark(EVENT | change | {"ChangedAt": "2026-11-22T01:00:05Z"}))
    assert only_call(first)["messageId"] == only_call(second)["messageId"]


def test_a_repeated_event_has_the_same_id_and_another_one_has_another() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {},
        {"ReceivedAt": "2026-11-22T01:00:01Z"},
        {"MessageID": "m-2"},
        {"RecordType": "Delivery"},
    ]
    ids = [only_call(read("postmark", postmark(EVENT | change)))["messageId"] for change in changes]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


def test_metadata_gives_user_and_campaign() -> None:
    custom = {"Metadata": {"user_id": "u-1", "campaign": "c-1"}, "Tag": "t"}
    call = only_call(read("postmark", postmark(EVENT | custom)))
    assert (call["userId"], call["properties"]["campaign_id"]) == ("u-1", "c-1")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"{", "not_json"),
        (b"[]", "not_an_object"),
        (b"{}", "unknown_type"),
        (b'{"RecordType":"Open"}', "no_lead"),
    ],
)
def test_an_unusable_event_is_rejected_and_acknowledged(body: bytes, reason: str) -> None:
    delivery = read("postmark", postmark(body))
    assert (delivery.calls, [(bad.raw, bad.reason) for bad in delivery.bad]) == ([], [(body, reason)])


@pytest.mark.parametrize(
    "shown", ["", "Basic", "Basic !", "Basic dTp4", "Bearer u", "dTpw", "é", "\ud800", "Basic dTpw "]
)
def test_a_wrong_secret_is_refused_for_good(shown: str) -> None:
    inbound = replace(postmark(EVENT), headers={"authorization": shown})
    assert refusal("postmark", inbound) == (403, "bad_credentials")


def test_a_header_of_ones_own_may_hold_the_secret() -> None:
    inbound = replace(postmark(EVENT), headers={"x-secret": "s3"})
    assert read("postmark", inbound, secret="s3", header="X-Secret").calls
    assert refusal("postmark", inbound, secret="s3") == (403, "bad_credentials")


def test_a_webhook_without_a_secret_refuses_every_request() -> None:
    for shown in ("", "Basic ", "Bearer ", "Basic Og=="):
        inbound = replace(postmark(EVENT), headers={"authorization": shown})
        assert refusal("postmark", inbound, secret="") == (403, "bad_credentials")


@pytest.mark.parametrize("said_at", ["0001-01-01T00:00:00Z", "yesterday", "", None])
def test_an_impossible_time_is_left_out(said_at: str | None) -> None:
    assert "timestamp" not in only_call(read("postmark", postmark(EVENT | {"ReceivedAt": said_at})))
