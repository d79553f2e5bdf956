"""The pixels of Segment and RudderStack: a call in the URL."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given

from app.collector import tracker_pixels
from app.collector.inbound import Call, Inbound
from tests.support.payloads import NOW_MS, check_safe, get, inbounds, refusal, scalars

AGENT = "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0.0.0 Safari/537.36"
DOCUMENTED = (
    "eyJ3cml0ZUtleSI6ICJZT1VSX1dSSVRFX0tFWSIsICJ1c2VySWQiOiAiMDI1cGlrYWNodTAyNSIsICJldmVudCI6ICJFbWFpbCBPcGVuZWQiLCAi"
    "cHJvcGVydGllcyI6IHsgICAic3ViamVjdCI6ICJUaGUgRWxlY3RyaWMgRGFpbHkiLCAgICJlbWFpbCI6ICJwZWVrQXRNZUBlbWFpbC5wb2tlIiB9"
    "fQ"
)
"""The example in Segment's documentation."""


def read(path: str, query: str) -> tuple[Call, str]:
    inbound = get(path, parse_qsl(query), {"user-agent": AGENT})
    delivery = tracker_pixels.read_tracker_pixel(inbound)
    (call,) = delivery.calls
    assert delivery.bad == []
    return call, delivery.write_key


def coded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def test_the_example_of_segment_in_base64() -> None:
    call, key = read("/v1/pixel/track", f"data={DOCUMENTED}")
    assert key == "YOUR_WRITE_KEY"
    assert (call["type"], call["event"], call["userId"]) == ("track", "Email Opened", "025pikachu025")
    assert call["properties"] == {"subject": "The Electric Daily", "email": "peekAtMe@email.poke"}
    assert call["context"] == {"ip": "203.0.113.9", "userAgent": AGENT}


def test_the_example_of_segment_without_base64() -> None:
    query = (
        "userId=user_123&event=Email Opened&properties.subject=The Electric Daily&properties.email=jane@acme.example"
    )
    call, key = read("/v1/pixel/track", f"{query}&writeKey=wk_1")
    assert key == "wk_1"
    assert (call["event"], call["userId"]) == ("Email Opened", "user_123")
    assert call["properties"] == {"subject": "The Electric Daily", "email": "jane@acme.example"}
    assert "writeKey" not in call


def test_the_pixel_of_rudderstack_on_an_amp_page() -> None:
    query = (
        "writeKey=wk_1&context.library.name=Rudderstack AMP SDK&context.platform=AMP&anonymousId=amp-1"
        "&context.userAgent=Amp&context.page.path=/a&context.page.url=https://acme.example/a&properties.key1=value1"
    )
    call, _ = read("/pixel/v1/page", query)
    assert (call["type"], call["anonymousId"], call["context"]["userAgent"]) == ("page", "amp-1", "Amp")
    assert call["properties"] == {"path": "/a", "url": "https://acme.example/a", "key1": "value1"}


def test_each_request_is_an_event_unless_it_has_an_id() -> None:
    query = [("anonymousId", "a-1"), ("event", "Seen")]
    first, second = (
        tracker_pixels.read_tracker_pixel(Inbound("GET", "/pixel/v1/track", query, received_ms=at)).calls[0][
            "messageId"
        ]
        for at in (NOW_MS, NOW_MS + 1)
    )
    assert first != second
    assert read("/pixel/v1/track", "anonymousId=a&event=Seen&messageId=m-1")[0]["messageId"] == "m-1"


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/v1/pixel/track", "data=e30", "no_event"),
        ("/v1/pixel/track", "data=%%%", "invalid_json"),
        ("/v1/pixel/track", f"data={coded([1])}", "not_an_object"),
        ("/v1/pixel/page", "", "no_lead"),
        ("/v1/pixel/other", "userId=u", "unknown_type"),
        ("/pixel/v1/page", "userId=%recipient.id%", "no_lead"),
        ("/v1/pixel/page", "data=" + base64.b64encode(b'{"a":' + b"[" * 400 + b"]" * 400 + b"}").decode(), "too_large"),
    ],
)
def test_a_pixel_that_is_no_event_is_refused(path: str, query: str, code: str) -> None:
    assert refusal(lambda: read(path, query)) == (413 if code == "too_large" else 400, code)


@given(inbounds(scalars, ["/v1/pixel/track", "/pixel/v1/page"], (), ("data", "userId", "context", "context.page.url")))
def test_any_request_gives_calls_or_is_refused(inbound: Inbound) -> None:
    check_safe(tracker_pixels.read_tracker_pixel, inbound)
