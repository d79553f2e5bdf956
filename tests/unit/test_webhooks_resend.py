"""Resend: Standard Webhooks, each attempt signed anew."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from app.collector.webhooks.accepted_requests import AcceptedRequests
from tests.support.mail_services import CAPTURES, NOW_MS, NOW_S, brief, later, only_call, post, read, refusal, resend

DATA = {"email_id": "m-1", "to": ["Jane <jane@acme.example>"], "created_at": "2026-11-22T00:00:00Z"}
CONTACT = {"id": "c-1", "audience_id": "a-1", "email": "jane@acme.example", "first_name": "Jane"}


def event(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "created_at": "2026-11-22T01:00:00.123Z", "data": DATA | data}


def test_the_captured_request_is_read_as_a_click() -> None:
    sample = CAPTURES["resend_svix"]
    inbound = post(sample["raw_body"].encode(), sample["headers"])
    assert only_call(read("resend", inbound, secret=sample["secret"])) == {
        "type": "track",
        "event": "Email Link Clicked",
        "messageId": "resend:msg_1",
        "timestamp": "2026-11-22T01:00:00.000Z",
        "context": {"ip": "203.0.113.9", "userAgent": "Mozilla/5.0", "traits": {"email": "jane@acme.example"}},
        "properties": {
            "service": "resend",
            "message_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "url": "https://acme.example/pricing",
        },
    }


@pytest.mark.parametrize(
    ("sent", "name", "properties"),
    [
        (event("email.delivered"), "Email Delivered", {}),
        (event("email.opened"), "Email Opened", {}),
        (
            event("email.clicked", click={"link": "https://a.example/"}),
            "Email Link Clicked",
            {"url": "https://a.example/"},
        ),
        (event("email.bounced"), "Email Bounced", {"kind": "hard"}),
        (event("email.bounced", bounce={"type": "Permanent"}), "Email Bounced", {"kind": "hard"}),
        (event("email.bounced", bounce={"type": "Transient"}), "Email Bounced", {"kind": "soft"}),
        (event("email.bounced", bounce={"type": "Undetermined"}), "Email Bounced", {"kind": "soft"}),
        (event("email.complained"), "Email Marked as Spam", {}),
        (
            {"type": "contact.updated", "data": CONTACT | {"unsubscribed": True}},
            "Unsubscribed",
            {"kind": "all", "list_id": "a-1"},
        ),
    ],
)
def test_every_kind_of_event_has_its_name(sent: dict[str, Any], name: str, properties: dict[str, Any]) -> None:
    delivery = read("resend", resend(sent))
    assert brief(delivery) == (name, properties)
    assert only_call(delivery)["context"]["traits"] == {"email": "jane@acme.example"}


@pytest.mark.parametrize(
    "sent",
    [
        *(
            event(f"email.{kind}")
            for kind in ("sent", "scheduled", "delivery_delayed", "failed", "suppressed", "received")
        ),
        {"type": "contact.updated", "data": CONTACT | {"unsubscribed": False}},
        {"type": "contact.created", "data": CONTACT},
        {"type": "contact.deleted", "data": CONTACT},
        {"type": "domain.updated", "data": {}},
    ],
)
def test_an_event_that_is_not_about_a_lead_is_ignored(sent: dict[str, Any]) -> None:
    delivery = read("resend", resend(sent))
    assert (delivery.calls, delivery.bad) == ([], [])


@pytest.mark.parametrize("tags", [{"user_id": "u-1"}, [{"name": "user_id", "value": "u-1"}, 7, {}]])
def test_tags_of_either_shape_give_the_user(tags: Any) -> None:
    call = only_call(read("resend", resend(event("email.opened", tags=tags, broadcast_id="b-1"))))
    assert (call["userId"], call["properties"]["campaign_id"]) == ("u-1", "b-1")


def test_the_time_is_that_of_the_click_not_of_the_mail() -> None:
    clicked = event("email.clicked", click={"link": "x", "timestamp": "2026-11-22T01:00:01Z"})
    assert only_call(read("resend", resend(clicked)))["timestamp"] == "2026-11-22T01:00:01.000Z"
    assert only_call(read("resend", resend(event("email.opened"))))["timestamp"] == "2026-11-22T01:00:00.123Z"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"{", "not_json"),
        (b"[]", "not_an_object"),
        (b"{}", "unknown_type"),
        (b'{"type":"email.opened"}', "no_lead"),
    ],
)
def test_an_unusable_event_is_rejected_and_acknowledged(body: bytes, reason: str) -> None:
    delivery = read("resend", resend(body))
    assert (delivery.calls, [(bad.raw, bad.reason) for bad in delivery.bad]) == ([], [(body, reason)])


def test_the_headers_of_the_standard_are_taken_like_those_of_svix() -> None:
    assert read("resend", resend(event("email.opened"), prefix="webhook")).calls


def test_a_request_of_another_key_is_refused() -> None:
    other = "whsec_MTExMTExMTExMTExMTExMTExMTExMTEx"
    assert refusal("resend", resend(event("email.opened")), secret=other) == (401, "bad_signature")


@pytest.mark.parametrize("header", ["id", "timestamp", "signature"])
@pytest.mark.parametrize(
    "value", ["", "garbage", "v1", "v1,", "v1,!", "v2,AAAA", ",,,", "é", "\ud800", "-1", "1.5", "9" * 12]
)
def test_garbage_in_a_header_is_a_wrong_signature(header: str, value: str) -> None:
    inbound = resend(event("email.opened"))
    changed = replace(inbound, headers=dict(inbound.headers) | {f"svix-{header}": value})
    assert refusal("resend", changed) == (401, "bad_signature")


def test_a_body_that_is_no_text_is_a_wrong_signature() -> None:
    assert refusal("resend", replace(resend(event("email.opened")), body=b"\xff")) == (401, "bad_signature")


@pytest.mark.parametrize(("age_s", "taken"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_five_minutes_are_the_window(age_s: int, taken: bool) -> None:
    inbound = later(resend(event("email.opened")), age_s)
    if taken:
        assert read("resend", inbound).calls
    else:
        assert refusal("resend", inbound) == (401, "stale_signature")


def test_an_id_is_taken_until_it_was_kept_however_often_it_is_signed() -> None:
    accepted, sent = AcceptedRequests(0), event("email.opened")
    first = read("resend", resend(sent), accepted)
    retry = later(resend(sent, at_s=NOW_S + 600), 600)
    assert read("resend", retry, accepted).calls == first.calls
    accepted.remember(first.request_id, NOW_MS)
    assert read("resend", retry, accepted).calls == []
    assert read("resend", resend(sent, webhook_id="msg_2"), accepted).calls


def test_a_signed_request_without_an_id_is_refused_because_it_could_come_again() -> None:
    assert refusal("resend", resend(event("email.opened"), webhook_id="")) == (401, "bad_signature")
