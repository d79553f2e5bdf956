"""Mailchimp: a secret in the address, forms in the body."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.mail_services import brief, form, mailchimp, only_call, post, read, refusal

EVENT = {
    "type": "unsubscribe",
    "fired_at": "2026-11-22 01:00:00",
    "data[id]": "8a25ff1d98",
    "data[list_id]": "a6b5da1054",
    "data[email]": "jane@acme.example",
    "data[reason]": "manual",
    "data[campaign_id]": "cb398d21d2",
    "data[ip_opt]": "203.0.113.9",
    "data[merges][USER_ID]": "u-1",
}


def test_an_unsubscription_carries_everything() -> None:
    call = only_call(read("mailchimp", mailchimp(EVENT)))
    assert call.pop("messageId").startswith("mailchimp:")
    assert call == {
        "type": "track",
        "event": "Unsubscribed",
        "timestamp": "2026-11-22T01:00:00.000Z",
        "userId": "u-1",
        "context": {"ip": "203.0.113.9", "traits": {"email": "jane@acme.example"}},
        "properties": {
            "service": "mailchimp",
            "campaign_id": "cb398d21d2",
            "kind": "list",
            "list_id": "a6b5da1054",
        },
    }


@pytest.mark.parametrize(
    ("sent", "event", "kind"),
    [
        ({"type": "subscribe"}, "Subscribed", None),
        ({"type": "unsubscribe"}, "Unsubscribed", "list"),
        ({"type": "unsubscribe", "data[reason]": "abuse"}, "Email Marked as Spam", None),
        ({"type": "cleaned", "data[reason]": "hard"}, "Email Bounced", "hard"),
        ({"type": "cleaned", "data[reason]": "abuse"}, "Email Marked as Spam", None),
    ],
)
def test_every_kind_of_event_has_its_name(sent: dict[str, str], event: str, kind: str | None) -> None:
    name, properties = brief(read("mailchimp", mailchimp(EVENT | sent)))
    assert (name, properties.get("kind")) == (event, kind)


@pytest.mark.parametrize("kind", ["profile", "upemail", "campaign", "pending"])
def test_an_event_that_is_not_about_a_lead_is_ignored(kind: str) -> None:
    delivery = read("mailchimp", mailchimp(EVENT | {"type": kind}))
    assert (delivery.calls, delivery.bad) == ([], [])


def test_a_repeated_event_has_the_same_id_and_another_one_has_another() -> None:
    changes = [{}, {}, {"fired_at": "2026-11-22 01:00:01"}, {"type": "cleaned"}, {"data[list_id]": "b"}]
    ids = [only_call(read("mailchimp", mailchimp(EVENT | change)))["messageId"] for change in changes]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "unknown_type"),
        (b"\xff", "unknown_type"),
        (b"type=%FF", "unknown_type"),
        (b"type=dance", "unknown_type"),
        (b"type=cleaned", "no_lead"),
        (form(EVENT | {"data[email]": "jane", "data[merges][USER_ID]": ""}), "no_lead"),
    ],
)
def test_an_unusable_event_is_rejected_and_acknowledged(body: bytes, reason: str) -> None:
    delivery = read("mailchimp", post(body, query="secret=chimp"))
    assert (delivery.calls, [(bad.raw, bad.reason) for bad in delivery.bad]) == ([], [(body, reason)])


@pytest.mark.parametrize(
    "query", ["", "secret=", "secret=chim", "secret=chimp2", "Secret=chimp", "secret=é", "secret=\ud800"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wrong_secret_is_refused(query: str, method: str) -> None:
    inbound = replace(post(form(EVENT), query=query), method=method)
    assert refusal("mailchimp", inbound) == (403, "bad_credentials")


def test_set_up_asks_with_get() -> None:
    assert read("mailchimp", replace(mailchimp(EVENT), method="GET")).calls == []
