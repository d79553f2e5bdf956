"""What an event was, in words that people can read."""

from typing import Any

import pytest

from streams.events.activity import MAX_CHARS, MAX_FIELDS, clean_text, name_event

PAGE = {
    "type": "page",
    "properties": {"path": "/pricing", "title": "Prices", "url": "https://acme.example/pricing?token=1"},
}
EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a page": (PAGE, {"title": "Prices", "path": "/pricing", "show": "Prices"}),
    "a page without a title": (
        {"type": "page", "name": "Home", "context": {"page": {"url": "https://acme.example/a%20b?x=1#y"}}},
        {"title": "Home", "path": "/a b", "show": "Home"},
    ),
    "a search in the address": (
        {"type": "page", "context": {"page": {"path": "/find", "search": "?utm=1&q=alternative+to+acme"}}},
        {"path": "/find", "search": "alternative to acme", "show": "alternative to acme"},
    ),
    "a search": (
        {"type": "track", "properties": {"query": "price", "search": "?q=other"}},
        {"search": "price", "show": "price"},
    ),
    "a download": (
        {"type": "track", "properties": {"file": "https://acme.example/files/Pricing%20guide.pdf?sig=secret"}},
        {"asset": "Pricing guide.pdf", "show": "Pricing guide.pdf"},
    ),
    "an asset": (
        {"type": "track", "properties": {"asset": "Pricing guide"}},
        {"asset": "Pricing guide", "show": "Pricing guide"},
    ),
    "a campaign": (
        {"type": "page", "context": {"campaign": {"source": "google", "medium": "cpc", "name": "spring"}}},
        {"campaign": "google / cpc / spring", "show": "google / cpc / spring"},
    ),
    "a mail": (
        {"type": "track", "properties": {"email_subject": "Our offer", "url": "https://acme.example/offer"}},
        {"mail_subject": "Our offer", "path": "/offer", "show": "Our offer"},
    ),
    "a form": (
        {"type": "track", "properties": {"form": "demo", "fields": {"team": "50", "phone": "+49 30 12", "no": None}}},
        {"form": "demo", "form_fields": {"team": "50", "phone": "+49 30 12"}, "show": "demo"},
    ),
    "a form as a list": (
        {
            "type": "track",
            "properties": {"fields": [{"name": "team", "value": 50}, {"label": "Topic", "value": ["a", "b"]}, 3]},
        },
        {"form_fields": {"team": "50", "Topic": "a, b"}},
    ),
    "an amount": (
        {"type": "track", "properties": {"value": "1200.50", "currency": "EUR"}},
        {"amount": 1200.5, "currency": "EUR"},
    ),
    "nothing": ({"type": "identify"}, {}),
    "other types": (
        {"type": "page", "name": 3, "properties": [1], "context": "x"},
        {"title": "3", "show": "3"},
    ),
    "a broken address": ({"type": "page", "properties": {"url": "http://[::1"}}, {}),
    "a huge number": ({"type": "track", "properties": {"value": 10**400, "title": 10**400}}, {}),
}  # fmt: skip


@pytest.mark.parametrize(("call", "expected"), EVENTS.values(), ids=EVENTS)
def test_an_event_is_named(call: dict[str, Any], expected: dict[str, Any]) -> None:
    assert name_event(call) == expected


def test_what_a_signal_names_is_shown_first() -> None:
    assert (
        name_event(PAGE, ["properties.path", "properties.missing", "properties.title"])["show"] == "/pricing · Prices"
    )
    assert name_event(PAGE, ["properties.missing"])["show"] == "Prices"
    assert "personal" not in name_event(PAGE, ["properties.title"])


def test_a_text_from_elsewhere_is_personal() -> None:
    named = name_event({"type": "identify", "traits": {"name": "Ana"}}, ["traits.name"])
    assert named == {"show": "Ana", "personal": True}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\nb\t c\r\n", "a b c"),
        ("a\x00\x1b[31mb\u202ec\u200f", "a[31mbc"),
        ("  ", ""),
        ("é" * 500, "é" * (MAX_CHARS - 1) + "…"),
        (True, "yes"),
        (3.0, "3"),
        (None, ""),
        ({"a": 1}, ""),
        ([None, "a", {"b": 1}, ["c"]], "a, c"),
        (["x" * 200] * 9, "x" * (MAX_CHARS - 1) + "…"),
    ],
)
def test_texts_are_short_and_of_one_line(text: Any, clean: str) -> None:
    assert clean_text(text) == clean


def test_a_form_has_a_bounded_number_of_fields() -> None:
    fields = {f"field {i}" + "x" * 200: "y" * 500 for i in range(50)}
    found = name_event({"type": "track", "properties": {"fields": fields}})["form_fields"]
    assert len(found) == MAX_FIELDS
    assert all(len(name) <= 60 and len(value) <= MAX_CHARS for name, value in found.items())
