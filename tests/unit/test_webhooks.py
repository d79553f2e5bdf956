"""The table of services, the memory of requests, and what no request may do to any of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.collector import webhooks
from app.collector.inbound import Inbound, Refusal
from app.collector.webhooks import mailgun, sns
from app.collector.webhooks.accepted_requests import KEPT_S, AcceptedRequests
from app.collector.webhooks.sendgrid import SIGNATURE, TIMESTAMP
from app.collector.webhooks.sns import NeedsCertificate
from streams.events.rejects import REASONS
from tests.support.mail_services import EVENTS, NOW_MS, OPEN, SIGNED, options, post, read

EVERY = pytest.mark.parametrize("service", sorted(webhooks.SERVICES))

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
words = [
    *OPEN,
    "user_id",
    "event-data",
    "data",
    "msg",
    "mail",
    "tags",
    "to",
    "recipient",
    "destination",
    "client-info",
    "bot",
]
words += [
    "open",
    "click",
    "bounce",
    "subscription",
    "RecordType",
    "Type",
    "Metadata",
    "eventType",
    "type",
    "ts",
    "signature",
]
kinds = [
    "open",
    "opened",
    "Open",
    "Click",
    "click",
    "Bounce",
    "bounce",
    "failed",
    "email.bounced",
    "SubscriptionChange",
]
kinds += ["Subscription", "contact.updated", "unsubscribed", "hard_bounce", "email.clicked", "Complaint"]
near_events = st.dictionaries(st.sampled_from(words), json_values | st.sampled_from(kinds), max_size=10)
headers = st.dictionaries(
    st.sampled_from(
        [SIGNATURE, TIMESTAMP, "authorization", "svix-id", "svix-timestamp", "svix-signature", "x-mandrill-signature"]
    ),
    st.text(max_size=60) | st.characters(codec=None),
)


def outcome(service: str, inbound: Inbound) -> Any:
    """What a request gives: its calls and bad events, or its refusal."""
    try:
        delivery = read(service, inbound)
    except Refusal as refused:
        return refused.status
    except NeedsCertificate as needed:
        return needed.url
    for bad in delivery.bad:
        assert bad.reason in REASONS
        assert bad.sentence
    for call in delivery.calls:
        json.dumps(call)
        assert call["messageId"].startswith(f"{service}:")
        assert call.get("userId") or call["context"]["traits"]["email"]
    return delivery


@EVERY
def test_the_signed_example_is_taken(service: str) -> None:
    assert len(outcome(service, SIGNED[service](EVENTS[service])).calls) == 1


@EVERY
@given(body=st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()), headers=headers)
def test_nothing_but_a_refusal_meets_an_arbitrary_request(service: str, body: bytes, headers: dict[str, str]) -> None:
    outcome(service, post(body, headers))


@EVERY
@given(event=near_events | json_values)
@example(event={"event": "open", "timestamp": 1e300, "email": "a@b"})
def test_nothing_but_bad_events_comes_of_arbitrary_signed_ones(service: str, event: Any) -> None:
    if service == "mailchimp":
        event = {key: str(value) for key, value in event.items()} if isinstance(event, dict) else {}
    assert not isinstance(outcome(service, SIGNED[service](event)), str | int)


@pytest.mark.parametrize("service", ["sendgrid", "resend"])
@given(data=st.data())
def test_a_signed_body_with_one_flipped_bit_is_refused(service: str, data: st.DataObject) -> None:
    inbound = SIGNED[service](EVENTS[service])
    assert outcome(service, flipped(inbound, data)) in (401, 403)


@pytest.mark.parametrize("service", ["mandrill", "ses"])
@given(data=st.data())
def test_a_flipped_bit_in_a_signed_form_or_envelope_changes_nothing_that_is_taken(
    service: str, data: st.DataObject
) -> None:
    inbound = SIGNED[service](EVENTS[service])
    after = outcome(service, flipped(inbound, data))
    assert after == outcome(service, inbound) or isinstance(after, str | int)


@given(data=st.data())
def test_a_flipped_bit_in_the_signed_part_of_mailgun_is_refused(data: st.DataObject) -> None:
    """Its signature covers a time and a token; that the rest cannot be signed is why a token is worth one request."""
    inbound = SIGNED["mailgun"](EVENTS["mailgun"])
    signed = inbound.body.index(b'"event-data"')
    assert outcome("mailgun", flipped(inbound, data, signed - 3)) == 406


def flipped(inbound: Inbound, data: st.DataObject, among: int = 0) -> Inbound:
    """The request with one bit of the first ``among`` bytes of its body (0: all) the other way."""
    at = data.draw(st.integers(0, (among or len(inbound.body)) - 1))
    body = bytearray(inbound.body)
    body[at] ^= 1 << data.draw(st.integers(0, 7))
    return replace(inbound, body=bytes(body))


def test_an_unknown_service_is_no_error() -> None:
    with pytest.raises(Refusal) as refused:
        webhooks.read_webhook("news", "pigeon", {}, post(b""), AcceptedRequests(0))
    assert refused.value.status == 404


@EVERY
def test_a_webhook_as_the_tests_have_it_has_no_mistake(service: str) -> None:
    assert webhooks.SERVICES[service].find_mistakes(options(service) | {"user_field": "lead_id"}) == []
    assert set(webhooks.REQUIRED[service]) <= set(options(service))


@EVERY
def test_every_missing_and_unknown_field_is_named(service: str) -> None:
    named = {field for field, _ in webhooks.SERVICES[service].find_mistakes({"colour": "red"})}
    assert named == {"colour", *webhooks.REQUIRED[service]}


@pytest.mark.parametrize(
    ("service", "field", "value"),
    [
        ("sendgrid", "public_key", "garbage"),
        ("sendgrid", "public_key", "AAAA"),
        ("sendgrid", "public_key", "é"),
        ("resend", "secret", "whsec_"),
        ("resend", "secret", "whsec_!"),
        ("resend", "secret", "whsec_é"),
        ("mailgun", "signing_key", ""),
        ("mailgun", "signing_key", 7),
    ],
)
def test_a_field_that_cannot_be_used_is_named(service: str, field: str, value: Any) -> None:
    found = webhooks.SERVICES[service].find_mistakes(options(service) | {field: value})
    assert [name for name, _ in found] == [field]


# The memory --------------------------------------------------------------------------------------------------------


def test_an_id_is_known_after_it_was_kept_for_a_while() -> None:
    accepted = AcceptedRequests(0, kept_s=10)
    assert not accepted.contains("a", NOW_MS)
    accepted.remember("a", NOW_MS)
    assert accepted.contains("a", NOW_MS + 9_999)
    assert not accepted.contains("a", NOW_MS + 10_000)
    assert not accepted.contains("b", NOW_MS)


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    accepted = AcceptedRequests(0, most=3)
    for name in "abcad":
        accepted.remember(name, NOW_MS)
    assert len(accepted) == 3
    assert [name for name in "abcd" if accepted.contains(name, NOW_MS)] == ["a", "c", "d"]


def test_the_memory_is_complete_since_its_start_or_the_last_dropped_id() -> None:
    accepted = AcceptedRequests(NOW_MS, most=2)
    for second, name in enumerate("abc", 1):
        assert accepted.since_ms == NOW_MS
        accepted.remember(name, NOW_MS + second * 1000)
    assert accepted.since_ms == NOW_MS + 1000


def test_expired_ids_are_forgotten() -> None:
    accepted = AcceptedRequests(0, kept_s=10)
    accepted.remember("a", NOW_MS)
    accepted.remember("b", NOW_MS + 10_000)
    assert len(accepted) == 1


def test_ids_are_kept_longer_than_any_signature_is_good() -> None:
    longest_s = max(mailgun.RETRIED_S, sns.RETRIED_S)
    assert longest_s + 300 < KEPT_S


def test_webhooks_do_not_share_ids() -> None:
    accepted = AcceptedRequests(0)
    inbound = SIGNED["mailgun"](EVENTS["mailgun"])
    accepted.remember(read("mailgun", inbound, accepted).request_id, NOW_MS)
    assert webhooks.read_webhook("other", "mailgun", options("mailgun"), inbound, accepted).calls
