"""Odd bytes in the bodies of webhooks: they cost neither their event nor the others of a batch."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.collector import webhooks
from app.collector.inbound import Inbound
from app.collector.webhooks.payloads import split_array
from tests.support import mail_services as services
from tests.support.mail_services import EVENTS, SIGNED, post, read

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ODD = {
    "half of a surrogate pair": b'"Hi \\ud83d"',
    "the other half": b'"\\udead"',
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "a number beyond every float": b"1e999",
    "a number of 40 digits": b"1" * 40,
    "raw control characters": b'"a\tb\nc\x00"',
    "an escape in a text that looks like an end": b'"\\\\\\"}],[{"',
}
JSON = sorted(set(webhooks.SERVICES) - {"mailchimp"})
BATCHES = ["brevo", "mandrill", "sendgrid"]


def one_of(service: str) -> Any:
    """The example of a service, without the array around it."""
    event = EVENTS[service]
    return event[0] if isinstance(event, list) else event


def with_note(service: str, note: bytes) -> bytes:
    return json.dumps(one_of(service)).encode()[:-1] + b', "note": ' + note + b"}"


def signed(service: str, raw: bytes) -> Inbound:
    """The text as a service sends it, rightly signed; a byte that is not UTF-8 stays what it is."""
    if service == "mandrill":
        fields = b"mandrill_events=" + quote_from_bytes(raw).encode()
        message = services.MANDRILL_URL.encode() + b"mandrill_events" + raw
        signature = base64.b64encode(hmac.digest(b"mkey", message, "sha1")).decode()
        return post(fields, {"x-mandrill-signature": signature})
    if service == "ses":
        return services.ses(services.notification(raw.decode()))
    return SIGNED[service](raw)


@pytest.mark.parametrize("service", JSON)
@pytest.mark.parametrize("oddity", ODD)
def test_an_odd_value_costs_nothing(service: str, oddity: str) -> None:
    body = with_note(service, ODD[oddity])
    delivery = read(service, signed(service, b"[%b]" % body if service in BATCHES else body))
    assert (len(delivery.calls), delivery.bad) == (1, [])


@pytest.mark.parametrize("service", sorted(set(JSON) - {"mailgun", "ses"}))
def test_a_byte_order_mark_costs_nothing(service: str) -> None:
    raw = b"\xef\xbb\xbf" + json.dumps([one_of(service)] if service in BATCHES else one_of(service)).encode()
    assert len(read(service, signed(service, raw)).calls) == 1


@pytest.mark.parametrize("service", ["brevo", "mailgun", "mandrill", "postmark", "sendgrid"])
def test_a_byte_that_is_not_utf_8_costs_nothing(service: str) -> None:
    assert len(read(service, signed(service, with_note(service, b'"Zo\xeb"'))).calls) == 1


def test_a_form_with_a_byte_that_is_not_utf_8_is_read() -> None:
    body = b"type=unsubscribe&data%5Bemail%5D=jane%40acme.example&data%5Bmerges%5D%5BFNAME%5D=Zo%EB\xeb"
    assert len(read("mailchimp", post(body, query="secret=chimp")).calls) == 1


@pytest.mark.parametrize("service", BATCHES)
@pytest.mark.parametrize("oddity", ODD)
def test_an_odd_value_in_a_batch_does_not_cost_the_others(service: str, oddity: str) -> None:
    good = json.dumps(one_of(service)).encode()
    body = b" [ %b,\n%b ,%b]" % (good, with_note(service, ODD[oddity]), good)
    delivery = read(service, signed(service, body))
    assert (len(delivery.calls), delivery.bad) == (3, [])


@pytest.mark.parametrize("service", BATCHES)
@pytest.mark.parametrize(
    "broken",
    [
        b"{",
        b'{"event":}',
        b"{]",
        b'"',
        b"[" * 100_000,
        b'{"a":' * 10_000 + b"}" * 10_000,
        b'{"note": "\\',
        b"7",
        b"nul",
    ],
)
def test_a_broken_element_does_not_cost_those_before_it(service: str, broken: bytes) -> None:
    good = json.dumps(one_of(service)).encode()
    delivery = read(service, signed(service, b"[%b,%b,%b]" % (good, good, broken)))
    assert len(delivery.calls) == 2
    assert delivery.bad


@given(st.lists(json_values, max_size=5), st.sampled_from([b"", b"\n", b" \t"]))
def test_an_odd_array_is_split_as_a_strict_one(values: list[Any], space: bytes) -> None:
    elements = [json.dumps(value).encode() for value in values]
    array = b"[" + space + (space + b"," + space).join([*elements, b"NaN"]) + space + b"]"
    assert split_array(array) == [*elements, b"NaN"]


@given(st.binary(max_size=60).map(lambda raw: b"[" + raw))
@example(b'["' + b'\\"' * 200_000)
@example(b"[" + b"{" * 200_000)
def test_nothing_of_a_broken_array_is_lost(array: bytes) -> None:
    kept = b"".join(split_array(array))
    assert set(kept) >= set(array) - set(b"[],\x0b\x0c \t\r\n")
