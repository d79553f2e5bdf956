"""Amazon SES through SNS: envelopes of permitted topics, signed either way."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from app.collector import webhooks
from app.collector.inbound import Inbound, Refusal
from app.collector.webhooks.accepted_requests import AcceptedRequests
from app.collector.webhooks.sns import NeedsCertificate
from tests.support.mail_services import (
    CAPTURES,
    CERTIFICATE_URL,
    NOW_MS,
    NOW_S,
    TOPIC,
    brief,
    certificate,
    later,
    notification,
    only_call,
    options,
    post,
    read,
    refusal,
    ses,
)

MAIL = {"messageId": "m-1", "destination": ["jane@acme.example"], "timestamp": "2026-11-22T00:00:00.000Z"}
OPEN = {
    "eventType": "Open",
    "mail": MAIL,
    "open": {"timestamp": "2026-11-22T01:00:00.000Z", "ipAddress": "203.0.113.9"},
}
SUBSCRIBE_URL = f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc"


def confirmation(**changed: Any) -> dict[str, Any]:
    return (
        notification("You have chosen…")
        | {
            "Type": "SubscriptionConfirmation",
            "Token": "abc",
            "SubscribeURL": SUBSCRIBE_URL,
        }
        | changed
    )


def subscription(new: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, Any]:
    about = {"contactList": "news", "newTopicPreferences": new, "oldTopicPreferences": old or {}}
    return {"eventType": "Subscription", "mail": MAIL, "subscription": about}


def topics(**status: str) -> dict[str, Any]:
    listed = [{"topicName": name, "subscriptionStatus": value} for name, value in status.items()]
    return {"unsubscribeAll": False, "topicSubscriptionStatus": listed}


def test_the_captured_notification_is_read_as_a_click() -> None:
    sample = dict(CAPTURES["ses_sns"]["body"], TopicArn=TOPIC, SigningCertURL=CERTIFICATE_URL)
    assert only_call(read("ses", ses(sample), user_field="lead_id")) == {
        "type": "track",
        "event": "Email Link Clicked",
        "messageId": "ses:165545c9",
        "timestamp": "2026-11-22T01:00:00.000Z",
        "userId": "user_42",
        "context": {"ip": "203.0.113.9", "userAgent": "Mozilla/5.0", "traits": {"email": "jane@acme.example"}},
        "properties": {"service": "ses", "message_id": "7c191be45", "url": "https://acme.example/pricing"},
    }


@pytest.mark.parametrize(
    ("sent", "event", "properties"),
    [
        ({"eventType": "Delivery", "delivery": {"recipients": ["jane@acme.example"]}}, "Email Delivered", {}),
        ({"notificationType": "Delivery", "delivery": {"recipients": ["jane@acme.example"]}}, "Email Delivered", {}),
        ({"eventType": "Open", "open": {}}, "Email Opened", {}),
        (
            {"eventType": "Click", "click": {"link": "https://a.example/"}},
            "Email Link Clicked",
            {"url": "https://a.example/"},
        ),
        (
            {
                "eventType": "Bounce",
                "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "j@a.example"}]},
            },
            "Email Bounced",
            {"kind": "hard"},
        ),
        (
            {
                "eventType": "Bounce",
                "bounce": {"bounceType": "Transient", "bouncedRecipients": [{"emailAddress": "j@a.example"}]},
            },
            "Email Bounced",
            {"kind": "soft"},
        ),
        (
            {"eventType": "Complaint", "complaint": {"complainedRecipients": [{"emailAddress": "j@a.example"}]}},
            "Email Marked as Spam",
            {},
        ),
    ],
)
def test_every_kind_of_event_has_its_name(sent: dict[str, Any], event: str, properties: dict[str, Any]) -> None:
    assert brief(read("ses", ses(notification({"mail": MAIL} | sent)))) == (event, properties)


@pytest.mark.parametrize(
    ("new", "old", "event", "kind"),
    [
        ({"unsubscribeAll": True}, {}, "Unsubscribed", "all"),
        (topics(a="OptOut"), topics(a="OptIn"), "Unsubscribed", "topic"),
        (topics(a="OptOut"), {}, "Unsubscribed", "topic"),
        (topics(a="OptOut", b="OptIn"), topics(a="OptOut", b="OptOut"), "Subscribed", "topic"),
        (
            {"topicDefaultSubscriptionStatus": [{"topicName": "a", "subscriptionStatus": "OptOut"}]},
            {},
            "Unsubscribed",
            "topic",
        ),
    ],
)
def test_a_change_of_preferences_gives_or_takes(
    new: dict[str, Any], old: dict[str, Any], event: str, kind: str
) -> None:
    delivery = read("ses", ses(notification(subscription(new, old))))
    assert brief(delivery) == (event, {"kind": kind, "list_id": "news"})


@pytest.mark.parametrize("kind", ["Send", "Reject", "Rendering Failure", "DeliveryDelay"])
def test_an_event_that_is_not_about_a_lead_is_ignored(kind: str) -> None:
    delivery = read("ses", ses(notification({"eventType": kind, "mail": MAIL})))
    assert (delivery.calls, delivery.bad) == ([], [])


def test_the_greeting_of_a_new_topic_is_left_out() -> None:
    greeting = "Successfully validated SNS topic for Amazon SES event publishing."
    delivery = read("ses", ses(notification(greeting)))
    assert (delivery.calls, delivery.bad) == ([], [])


def test_each_address_that_bounced_has_its_own_event() -> None:
    recipients = [{"emailAddress": "j@a.example"}, {"emailAddress": "Kim <k@a.example>"}]
    bounce = {"eventType": "Bounce", "mail": MAIL, "bounce": {"bouncedRecipients": recipients}}
    calls = read("ses", ses(notification(bounce))).calls
    assert [(call["messageId"], call["context"]["traits"]["email"]) for call in calls] == [
        ("ses:sns-1:0", "j@a.example"),
        ("ses:sns-1:1", "k@a.example"),
    ]


def test_an_open_of_a_mail_to_several_people_counts_for_no_lead() -> None:
    many = OPEN | {"mail": MAIL | {"destination": ["j@a.example", "k@a.example"]}}
    delivery = read("ses", ses(notification(many)))
    assert (delivery.calls, [bad.reason for bad in delivery.bad]) == ([], ["no_lead"])


def test_message_tags_give_user_and_campaign() -> None:
    tagged = OPEN | {"mail": MAIL | {"tags": {"user_id": ["u-1"], "campaign": ["c-1"]}}}
    call = only_call(read("ses", ses(notification(tagged))))
    assert (call["userId"], call["properties"]["campaign_id"]) == ("u-1", "c-1")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "empty"),
        ("hello", "not_json"),
        ("[]", "not_an_object"),
        ("{}", "unknown_type"),
        ('{"eventType":"Dance"}', "unknown_type"),
        ('{"eventType":"Open"}', "no_lead"),
        ('{"eventType":"Bounce","bounce":7}', "no_lead"),
    ],
)
def test_an_unusable_event_is_rejected_and_acknowledged(message: str, reason: str) -> None:
    delivery = read("ses", ses(notification(message)))
    assert (delivery.calls, [(bad.raw, bad.reason) for bad in delivery.bad]) == ([], [(message.encode(), reason)])


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("more", [{}, {"Subject": "Amazon SES Email Event Notification"}, {"Subject": None}])
def test_both_signature_versions_are_verified_with_and_without_a_subject(version: str, more: dict[str, Any]) -> None:
    assert read("ses", ses(notification(OPEN, SignatureVersion=version, **more))).calls


def tampered(**changed: Any) -> Inbound:
    """A signed notification of which something was changed afterwards."""
    return post(json.dumps(json.loads(ses(notification(OPEN)).body) | changed).encode())


@pytest.mark.parametrize(
    "changed",
    [
        {"Message": "{}"},
        {"MessageId": "sns-2"},
        {"Subject": "x"},
        {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:other"},
        {"Timestamp": "2026-11-22T01:20:01.000Z"},
        {"Type": "SubscriptionConfirmation", "Token": "x", "SubscribeURL": SUBSCRIBE_URL},
        {"Type": "Dance"},
        {"Type": []},
        {"SignatureVersion": "1"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": 2},
        {"SignatureVersion": []},
        {"Signature": "AAAA"},
        {"Signature": "!"},
        {"Signature": "é"},
        {"Signature": None},
        {"Message": None},
        {"MessageId": 7},
        {"Timestamp": None},
    ],
)
def test_any_change_after_signing_is_a_wrong_signature(changed: dict[str, Any]) -> None:
    assert refusal("ses", tampered(**changed)) == (403, "bad_signature")


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123abcd.pem",
        "https://evil.example/SimpleNotificationService-0123abcd.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0123abcd.pem",
        "https://sns.eu-west-1.amazonaws.com:444/SimpleNotificationService-0123abcd.pem",
        "https://sns.eu-west-1.amazonaws.com/evil.pem",
        "https://sns.eu-west-1.amazonaws.com/../SimpleNotificationService-0123abcd.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem\n",
        "https://sns.evil.example/.amazonaws.com/SimpleNotificationService-0123abcd.pem",
        "https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem",
        "",
        None,
    ],
)
def test_certificates_of_other_places_are_not_asked_for(url: Any) -> None:
    assert refusal("ses", ses(notification(OPEN, SigningCertURL=url))) == (403, "bad_signature")


@pytest.mark.parametrize("body", [b"", b"\xff", b"{}", b"[]", b"7", b"[" * 100_000])
def test_garbage_is_a_wrong_signature(body: bytes) -> None:
    assert refusal("ses", post(body)) == (403, "bad_signature")


def test_only_topics_of_the_list_are_taken() -> None:
    assert refusal("ses", ses(notification(OPEN)), topics="") == (403, "unknown_topic")
    assert refusal("ses", ses(notification(OPEN)), topics=TOPIC + "x") == (403, "unknown_topic")


def test_an_unknown_certificate_is_asked_for_once_the_rest_is_in_order() -> None:
    inbound = ses(notification(OPEN))
    with pytest.raises(NeedsCertificate) as needed:
        webhooks.read_webhook("news", "ses", options("ses"), inbound, AcceptedRequests(0))
    assert needed.value.url == CERTIFICATE_URL
    fetched = {needed.value.url: certificate()}
    assert webhooks.read_webhook("news", "ses", options("ses"), inbound, AcceptedRequests(0), fetched).calls


@pytest.mark.parametrize("pem", [b"", b"garbage", certificate(-3, -1), certificate(1, 3)])
def test_a_certificate_that_is_none_or_not_of_today_signs_nothing(pem: bytes) -> None:
    inbound = ses(notification(OPEN))
    with pytest.raises(Refusal) as refused:
        webhooks.read_webhook("news", "ses", options("ses"), inbound, AcceptedRequests(0), {CERTIFICATE_URL: pem})
    assert (refused.value.status, refused.value.code) == (403, "bad_signature")


def test_a_message_is_good_while_sns_repeats_it_because_it_carries_the_time_of_publishing() -> None:
    inbound = ses(notification(OPEN))
    assert read("ses", later(inbound, 8.5 * 3600)).calls
    assert refusal("ses", later(inbound, 9 * 3600 + 1)) == (403, "stale_signature")
    assert refusal("ses", later(inbound, -301)) == (403, "stale_signature")
    assert refusal("ses", ses(notification(OPEN, Timestamp="yesterday"))) == (403, "stale_signature")


def test_a_message_is_taken_until_it_was_kept() -> None:
    accepted, inbound = AcceptedRequests(0), ses(notification(OPEN))
    first = read("ses", inbound, accepted)
    assert read("ses", inbound, accepted) == first
    accepted.remember(first.request_id, NOW_MS)
    assert read("ses", inbound, accepted).calls == []
    assert read("ses", ses(notification(OPEN, message_id="sns-2")), accepted).calls


def test_a_confirmation_names_the_address_to_fetch() -> None:
    delivery = read("ses", ses(confirmation()))
    assert (delivery.calls, delivery.confirm_url) == ([], SUBSCRIBE_URL)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://evil.example/?Action=ConfirmSubscription",
        "https://sns.eu-west-1.amazonaws.com@evil.example/?x",
        "https://sns.eu-west-1.amazonaws.com/?a b",
        "",
    ],
)
def test_no_other_address_is_confirmed_even_if_it_is_signed(url: str) -> None:
    assert refusal("ses", ses(confirmation(SubscribeURL=url))) == (403, "bad_signature")


def test_the_end_of_a_subscription_is_taken_and_not_undone() -> None:
    delivery = read("ses", ses(confirmation(Type="UnsubscribeConfirmation")))
    assert (delivery.calls, delivery.bad, delivery.confirm_url) == ([], [], "")


def test_only_post_is_taken() -> None:
    assert refusal("ses", replace(ses(notification(OPEN)), method="GET")) == (405, "method_not_allowed")


def test_the_test_key_is_of_the_tests_day() -> None:
    assert datetime.fromtimestamp(NOW_S, UTC).date().isoformat() == "2026-11-22"
