"""Pixels and links: they count who they are for, and lead nowhere else."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.collector import links
from app.collector.inbound import Call, Delivery, Inbound, Refusal
from tests.support.payloads import NOW_MS, check_safe, check_sound, get, inbounds, raw_text, refusal

SECRET = b"a secret of the keys file"
TARGET = "https://acme.example/pricing?utm_source=news&utm_campaign=q4#plans"
BROWSER = {"user-agent": "Mozilla/5.0"}


def pixel(query: list[tuple[str, str]], **headers: str) -> Call:
    delivery = links.read_pixel(get("/v1/pixel.gif", query, headers))
    check_sound(delivery)
    (call,) = delivery.calls
    return call


def click(query: str | list[tuple[str, str]], now_ms: int = NOW_MS, secret: bytes = SECRET) -> tuple[Delivery, str]:
    pairs = parse_qsl(query, keep_blank_values=True) if isinstance(query, str) else query
    delivery, target = links.read_click(get("/v1/link", pairs, BROWSER), secret, now_ms)
    check_sound(delivery)
    return delivery, target


def test_the_picture_is_one_transparent_pixel() -> None:
    assert links.GIF[:10] == b"GIF89a\x01\x00\x01\x00"
    assert links.GIF[-1:] == b";"
    assert len(links.GIF) == 42


# Pixels ---------------------------------------------------------------------------------------------------------


def test_a_pixel_with_an_event_is_a_track_call() -> None:
    query = [("writeKey", "WK"), ("event", "Newsletter Read"), ("userId", "u-1"), ("p.issue", "12"), ("p.", "x")]
    call = pixel(query, **BROWSER)
    assert call.pop("messageId").startswith("link-")
    assert call == {
        "type": "track",
        "event": "Newsletter Read",
        "userId": "u-1",
        "properties": {"issue": "12"},
        "context": {"library": {"name": "leadglow-links"}, "ip": "203.0.113.9", "userAgent": "Mozilla/5.0"},
    }
    assert links.read_pixel(get("/v1/pixel.gif", query)).write_key == "WK"


def test_a_pixel_without_an_event_is_a_visit_to_the_page_that_shows_it() -> None:
    url = "https://acme.example/pricing?utm_source=news"
    call = pixel([("anonymousId", "a-1"), ("p.title", "Pricing")], referer=url)
    page = {"url": url, "path": "/pricing", "search": "?utm_source=news", "title": "", "referrer": ""}
    assert (call["type"], call["anonymousId"]) == ("page", "a-1")
    assert call["properties"] == page | {"title": "Pricing"}
    assert call["context"]["page"] == page
    assert call["context"]["campaign"] == {"source": "news"}


def test_a_pixel_may_name_its_type_its_address_and_its_message_id() -> None:
    query = [("type", "identify"), ("userId", "u-1"), ("email", "ana@acme.example"), ("messageId", "m-1")]
    call = pixel(query)
    assert (call["type"], call["messageId"]) == ("identify", "m-1")
    assert call["context"]["traits"] == {"email": "ana@acme.example"}


def test_two_requests_for_a_pixel_are_two_events_and_the_same_one_is_one() -> None:
    def named(received_ms: int, remote: str = "203.0.113.9") -> Any:
        query = (("userId", "u-1"),)
        return links.read_pixel(Inbound("GET", "/", query, {}, b"", received_ms, remote)).calls[0]["messageId"]

    assert named(1) == named(1)
    assert len({named(1), named(2), named(1, "198.51.100.7")}) == 3


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ([], "no_lead"),
        ([("type", "bow"), ("userId", "u")], "unknown_type"),
        ([("type", "track"), ("userId", "u")], "no_event"),
        ([("userId", "u\n1")], "bad_id"),
    ],
)
def test_a_pixel_that_cannot_be_used_is_refused(query: list[tuple[str, str]], code: str) -> None:
    assert refusal(lambda: pixel(query)) == (400, code)


# Links ----------------------------------------------------------------------------------------------------------


def test_a_click_is_counted_and_leads_to_the_target() -> None:
    query = links.sign_link(TARGET, SECRET, userId="u-1", event="Email Link Clicked", **{"p.campaign_id": "n-12"})
    delivery, target = click(query)
    assert target == TARGET
    (call,) = delivery.calls
    assert (call["type"], call["event"], call["userId"]) == ("track", "Email Link Clicked", "u-1")
    assert call["properties"] == {"campaign_id": "n-12", "url": TARGET}
    assert call["context"]["campaign"] == {"source": "news", "name": "q4"}
    assert (delivery.write_key, delivery.bad) == ("", [])


def test_a_link_may_be_for_an_address_and_needs_no_event() -> None:
    (call,) = click(links.sign_link(TARGET, SECRET, email="ana@acme.example"))[0].calls
    assert call["event"] == links.CLICKED
    assert call["context"]["traits"] == {"email": "ana@acme.example"}


def test_two_clicks_are_two_events_unless_the_link_has_a_message_id() -> None:
    def named(now_ms: int, **what: str) -> str:
        message_id: str = click(links.sign_link(TARGET, SECRET, userId="u-1", **what), now_ms)[0].calls[0]["messageId"]
        return message_id

    assert named(1) == named(1) != named(2)
    assert named(1, messageId="m-1") == named(2, messageId="m-1") == "m-1"


def test_parameters_that_others_append_or_reorder_do_not_break_a_link() -> None:
    pairs = parse_qsl(links.sign_link(TARGET, SECRET, userId="u-1", event="Clicked"))
    delivery, target = click([("mc_eid", "x"), *reversed(pairs), ("utm_source", "mail")])
    assert target == TARGET
    assert "mc_eid" not in str(delivery.calls)


SIGNED = parse_qsl(links.sign_link(TARGET, SECRET, userId="u-1", event="Clicked", **{"p.a": "1"}))


@pytest.mark.parametrize(
    "pairs",
    [
        [(name, "https://evil.example/" if name == "to" else value) for name, value in SIGNED],
        [(name, "u-2" if name == "userId" else value) for name, value in SIGNED],
        [("to", "https://evil.example/"), *SIGNED],
        [*SIGNED, ("to", "https://evil.example/")],
        [*SIGNED, ("p.b", "2")],
        [*SIGNED, ("email", "eve@evil.example")],
        [pair for pair in SIGNED if pair[0] != "event"],
        [pair for pair in SIGNED if pair[0] != "sig"],
        [("sig", ""), *SIGNED],
        [("sig", "\udcff"), *SIGNED],
        [("to", "https://evil.example/")],
        [],
    ],
)
def test_a_link_that_was_changed_is_refused(pairs: list[tuple[str, str]]) -> None:
    assert refusal(lambda: click(pairs)) == (403, "bad_signature")


@pytest.mark.parametrize("secret", [b"", b"another"])
def test_a_link_of_another_secret_or_of_none_is_refused(secret: bytes) -> None:
    assert refusal(lambda: click(SIGNED, secret=secret)) == (403, "bad_signature")


BAD_TARGETS = (
    "", "/pricing", "//evil.example", "javascript:alert(1)", "data:text/html,x", "ftp://acme.example", "https://",
    "https:acme.example", "https:///evil.example", "https://acme.example@evil.example/", "https://acme.example\\@evil",
    "https://acme.example/\r\nSet-Cookie: a=b", "https://acme.example/ x", " https://acme.example", "http://[",
    "https://acme.example/" + "a" * 4_000,
)  # fmt: skip


@pytest.mark.parametrize("target", BAD_TARGETS)
def test_no_link_leads_anywhere_but_to_a_web_page(target: str) -> None:
    with pytest.raises(ValueError, match="target"):
        links.sign_link(target, SECRET, userId="u-1")
    pairs = [("to", target), ("userId", "u-1")]
    pairs.append(("sig", links._signature(pairs, SECRET)))
    assert refusal(lambda: click(pairs)) == (400, "bad_target")


def test_a_link_leads_to_its_target_even_if_the_event_is_bad() -> None:
    delivery, target = click(links.sign_link(TARGET, SECRET, userId="u\n1"))
    assert (target, delivery.calls) == (TARGET, [])
    assert [bad.reason for bad in delivery.bad] == ["bad_id"]


def test_a_link_with_an_expiry_expires() -> None:
    query = links.sign_link(TARGET, SECRET, userId="u-1", expires="1795400000")
    assert click(query, 1_795_399_999_999)[1] == TARGET
    assert refusal(lambda: click(query, 1_795_400_000_000)) == (410, "link_expired")
    assert refusal(lambda: click(links.sign_link(TARGET, SECRET, userId="u-1", expires="soon"))) == (
        410,
        "link_expired",
    )


@pytest.mark.parametrize(
    ("target", "secret", "what"),
    [(TARGET, b"", {"userId": "u-1"}), (TARGET, SECRET, {}), (TARGET, SECRET, {"userId": ""}),
     (TARGET, SECRET, {"userId": "u-1", "colour": "red"}), (TARGET, SECRET, {"userId": "u-1", "to": "x"})],
)  # fmt: skip
def test_a_link_that_would_not_work_is_not_signed(target: str, secret: bytes, what: dict[str, str]) -> None:
    with pytest.raises((ValueError, TypeError)):
        links.sign_link(target, secret, **what)


def test_the_target_is_ascii_for_the_header() -> None:
    assert (
        click(links.sign_link("https://acme.example/café", SECRET, userId="u-1"))[1] == "https://acme.example/caf%C3%A9"
    )


@given(st.text(max_size=30), st.dictionaries(st.sampled_from(("event", "p.a", "email")), st.text(max_size=9)))
def test_the_signed_target_is_the_one_followed(path: str, what: dict[str, str]) -> None:
    try:
        query = links.sign_link(f"https://acme.example/{path}", SECRET, userId="u-1", **what)
    except ValueError:
        return
    delivery, target = click(query)
    assert target.startswith("https://acme.example/")
    assert target.isascii()
    assert delivery.calls[0]["userId"] == "u-1"


NAMES = ("writeKey", "type", "event", "userId", "anonymousId", "email", "messageId", "p.a", "to", "sig", "expires")


@given(inbounds(st.none(), ("/v1/pixel.gif", "/v1/link"), ("referer",), NAMES))
def test_any_request_is_accepted_by_the_engine_or_refused(inbound: Inbound) -> None:
    check_safe(links.read_pixel, inbound)
    with pytest.raises(Refusal):
        links.read_click(inbound, SECRET, NOW_MS)


@given(st.lists(st.tuples(st.sampled_from(NAMES), raw_text), max_size=6))
def test_no_guess_is_a_signature(pairs: list[tuple[str, str]]) -> None:
    assert refusal(lambda: click(pairs)) == (403, "bad_signature")
    assert refusal(lambda: click(parse_qsl(urlencode(pairs, errors="replace")))) == (403, "bad_signature")
