"""Brevo: a shared secret, events one by one or in batches, opens by proxies."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from app.collector.machines import MachineDetector
from tests.support.mail_services import NOW_MS, NOW_S, brevo, brief, only_call, read, refusal

EVENT = {"event": "opened", "email": "jane@acme.example", "message-id": "<m-1@relay>", "ts_epoch": NOW_S * 1000}
PROXY = {"automated": True, "automated_reason": "image_proxy"}


@pytest.mark.parametrize(
    ("sent", "event", "properties"),
    [
        ({"event": "delivered"}, "Email Delivered", {}),
        ({"event": "opened"}, "Email Opened", {}),
        ({"event": "unique_opened"}, "Email Opened", {}),
        ({"event": "proxy_open"}, "Email Opened", PROXY),
        ({"event": "unique_proxy_open"}, "Email Opened", PROXY),
        ({"event": "click", "link": "https://a.example/"}, "Email Link Clicked", {"url": "https://a.example/"}),
        ({"event": "hard_bounce"}, "Email Bounced", {"kind": "hard"}),
        ({"event": "invalid_email"}, "Email Bounced", {"kind": "hard"}),
        ({"event": "soft_bounce"}, "Email Bounced", {"kind": "soft"}),
        ({"event": "spam"}, "Email Marked as Spam", {}),
        ({"event": "complaint"}, "Email Marked as Spam", {}),
        ({"event": "unsubscribe", "list_id": [3, 4]}, "Unsubscribed", {"kind": "all", "list_id": ["3", "4"]}),
        ({"event": "unsubscribed"}, "Unsubscribed", {"kind": "all"}),
        ({"event": "list_addition", "email": ["jane@acme.example"], "list_id": 3}, "Subscribed", {"list_id": "3"}),
    ],
)
def test_every_kind_of_event_has_its_name(sent: dict[str, Any], event: str, properties: dict[str, Any]) -> None:
    delivery = read("brevo", brevo(EVENT | sent))
    assert brief(delivery) == (event, properties)
    assert only_call(delivery)["context"]["traits"] == {"email": "jane@acme.example"}


@pytest.mark.parametrize(
    "kind", ["request", "sent", "deferred", "blocked", "error", "contact_updated", "contact_deleted"]
)
def test_an_event_that_is_not_about_a_lead_is_ignored(kind: str) -> None:
    delivery = read("brevo", brevo(EVENT | {"event": kind}))
    assert (delivery.calls, delivery.bad) == ([], [])


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"ts_epoch": 1_795_310_400_123, "ts_event": 1, "ts": 2}, "2026-11-22T01:20:00.123Z"),
        ({"ts_epoch": 1_795_310_400}, "2026-11-22T01:20:00.000Z"),
        ({"ts_epoch": None, "ts_event": 1_795_310_400, "ts": 2}, "2026-11-22T01:20:00.000Z"),
        ({"ts_epoch": "x", "ts": 1_795_310_400}, "2026-11-22T01:20:00.000Z"),
        ({"ts_epoch": True, "date": "2026-11-22 02:20:00"}, None),
    ],
)
def test_only_times_in_utc_are_believed(times: dict[str, Any], expected: str | None) -> None:
    assert only_call(read("brevo", brevo(EVENT | times))).get("timestamp") == expected


def test_the_custom_header_gives_user_and_campaign() -> None:
    custom = {"X-Mailin-custom": '{"user_id": "u-1"}', "camp_id": 12, "tags": ["t"]}
    call = only_call(read("brevo", brevo(EVENT | custom)))
    assert (call["userId"], call["properties"]["campaign_id"]) == ("u-1", "12")
    assert "userId" not in only_call(read("brevo", brevo(EVENT | {"X-Mailin-custom": "user_id:1|x:2"})))


def test_three_links_of_a_campaign_in_one_second_are_a_link_scanner() -> None:
    detector = MachineDetector()
    click = {"event": "click", "email": "jane@acme.example", "camp_id": 960, "ts_event": NOW_S}
    calls = [only_call(read("brevo", brevo(click | {"URL": f"https://a.example/{i}"}))) for i in range(3)]
    retracted = [detector.judge_call(call, NOW_MS) for call in calls]
    assert calls[2]["properties"]["automated_reason"] == "link_scanner"
    assert [call["properties"]["messageId"] for call in retracted[2]] == [call["messageId"] for call in calls[:2]]


def test_a_batch_is_read_event_by_event() -> None:
    delivery = read("brevo", brevo([EVENT, {"event": "dance"}, EVENT | {"event": "click"}]))
    assert [call["event"] for call in delivery.calls] == ["Email Opened", "Email Link Clicked"]
    assert [(bad.raw, bad.reason) for bad in delivery.bad] == [(b'{"event": "dance"}', "unknown_type")]


def test_a_repeated_event_has_the_same_id_and_another_one_has_another() -> None:
    changes: list[dict[str, Any]] = [{}, {}, {"ts_epoch": 1}, {"event": "click"}, {"link": "x"}, {"message-id": "m"}]
    ids = [only_call(read("brevo", brevo(EVENT | change)))["messageId"] for change in changes]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 5


@pytest.mark.parametrize(
    ("body", "reason"), [(b"", "empty"), (b"{", "not_json"), (b"7", "not_an_object"), (b"{}", "unknown_type")]
)
def test_an_unusable_event_is_rejected_and_acknowledged(body: bytes, reason: str) -> None:
    delivery = read("brevo", brevo(body))
    assert (delivery.calls, [(bad.raw, bad.reason) for bad in delivery.bad]) == ([], [(body, reason)])


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer x", "brevo-token ", "Basic brevo-token", "\ud800"])
def test_a_wrong_secret_is_refused(shown: str) -> None:
    assert refusal("brevo", replace(brevo(EVENT), headers={"authorization": shown})) == (401, "bad_credentials")


def test_a_password_in_the_address_will_do() -> None:
    inbound = replace(brevo(EVENT), headers={"authorization": "Basic dTpw"})
    assert read("brevo", inbound, secret="u:p").calls
