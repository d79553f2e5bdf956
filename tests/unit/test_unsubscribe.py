"""One-click unsubscription: a POST does it, a GET never."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.collector.inbound import Delivery, Inbound, Refusal
from app.collector.webhooks.unsubscribe import Ticket, confirmation_page, done_page, read_unsubscribe, unsubscribe_token
from tests.support.mail_services import CAPTURES, NOW_MS

SECRET = b"link-secret"
JANE = Ticket(user_id="u-1", email="jane@acme.example", list_id="Weekly <news>", campaign_id="c-1")
ONE_CLICK = b"List-Unsubscribe=One-Click"
MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
    "multipart/form-data; boundary=x",
)
NESTED = b"".join(
    b"--%b\r\nContent-Type: multipart/a; boundary=%b\r\n\r\n" % (b"x" * i, b"x" * (i + 1)) for i in range(1, 999)
)


def request(
    path: str, body: bytes = ONE_CLICK, content_type: str = "application/x-www-form-urlencoded", method: str = "POST"
) -> Inbound:
    return Inbound(method, f"/unsubscribe/{path}", (), {"content-type": content_type}, body, NOW_MS, "198.51.100.7")


def status(inbound: Inbound, secret: bytes = SECRET) -> int:
    with pytest.raises(Refusal) as refused:
        read_unsubscribe(inbound, secret)
    return refused.value.status


class Reader(HTMLParser):
    """Lists what a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_captured_request_unsubscribes_once_however_often_it_comes() -> None:
    sample = CAPTURES["rfc8058_one_click"]
    inbound = request(unsubscribe_token(SECRET, JANE), sample["raw_body"].encode(), sample["headers"]["Content-Type"])
    first, second = (read_unsubscribe(inbound, SECRET) for _ in range(2))
    assert first == second
    call = first.calls[0]
    assert call.pop("messageId").startswith("unsubscribe:")
    assert first == Delivery(
        calls=[
            {
                "type": "track",
                "event": "Unsubscribed",
                "timestamp": "2026-11-22T01:20:00.000Z",
                "userId": "u-1",
                "context": {"traits": {"email": "jane@acme.example"}},
                "properties": {
                    "service": "unsubscribe",
                    "campaign_id": "c-1",
                    "kind": "one_click",
                    "list_id": "Weekly <news>",
                },
            }
        ]
    )


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (ONE_CLICK, "application/x-www-form-urlencoded"),
        (ONE_CLICK + b"\r\n", "application/x-www-form-urlencoded; charset=utf-8"),
        (b"a=b&" + ONE_CLICK, ""),
        MULTIPART,
        (MULTIPART[0], 'Multipart/Form-Data; boundary="x"'),
    ],
)
def test_both_encodings_of_a_form_are_taken(body: bytes, content_type: str) -> None:
    assert len(read_unsubscribe(request(unsubscribe_token(SECRET, JANE), body, content_type), SECRET).calls) == 1


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", ""),
        (b"List-Unsubscribe", ""),
        (b"List-Unsubscribe=Two-Clicks", ""),
        (b"\xff", ""),
        (b"", "multipart/form-data"),
        (ONE_CLICK, "multipart/form-data; boundary=x"),
        (MULTIPART[0], "multipart/form-data; boundary=y"),
        (MULTIPART[0].replace(b"One-Click", b"No"), MULTIPART[1]),
        (NESTED[:8192], MULTIPART[1]),
        (NESTED, MULTIPART[1]),
        (ONE_CLICK + b"&" * 8192, ""),
    ],
)
def test_another_body_does_not_unsubscribe(body: bytes, content_type: str) -> None:
    assert status(request(unsubscribe_token(SECRET, JANE), body, content_type)) == 400


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_no_other_method_unsubscribes(method: str) -> None:
    assert status(request(unsubscribe_token(SECRET, JANE), method=method)) == 405


def test_an_address_that_was_not_made_here_is_unknown() -> None:
    good = unsubscribe_token(SECRET, JANE)
    payload, _, signature = good.partition(".")
    other = unsubscribe_token(SECRET, replace(JANE, email="kim@acme.example"))
    for bad in (
        "",
        ".",
        good[:-1],
        payload,
        f".{signature}",
        f"{other.partition('.')[0]}.{signature}",
        good + "A",
        "é",
        "\ud800",
    ):
        assert status(request(bad)) == 404
    assert status(request(unsubscribe_token(b"another", JANE))) == 404
    assert status(request(good), secret=b"") == 404


@pytest.mark.parametrize("said", [[], ["", "", "", ""], ["", "jane", "", ""], [None], {}, ["a"] * 5, "x"])
def test_a_signed_address_without_content_is_unknown(said: Any) -> None:
    assert status(request(signed(said))) == 404


def test_a_number_as_id_and_null_for_missing_values_are_accepted() -> None:
    call = read_unsubscribe(request(signed([7, None, "Weekly \ud83d"])), SECRET).calls[0]
    assert (call["userId"], call["properties"]["list_id"]) == ("7", "Weekly \N{REPLACEMENT CHARACTER}")


def signed(said: Any) -> str:
    """A token that was made elsewhere with the same secret."""
    payload = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    signature = hmac.digest(SECRET, b"leadglow unsubscribe\n" + payload.encode(), "sha256")
    return f"{payload}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def test_a_signature_for_another_purpose_is_no_unsubscribe_address() -> None:
    payload = unsubscribe_token(SECRET, JANE).partition(".")[0]
    elsewhere = hmac.digest(SECRET, payload.encode(), "sha256")
    assert status(request(f"{payload}.{base64.urlsafe_b64encode(elsewhere).decode().rstrip('=')}")) == 404


def test_an_address_needs_a_lead_and_a_secret() -> None:
    for secret, ticket in ((b"", JANE), (SECRET, Ticket(list_id="news")), (SECRET, Ticket(email="jane"))):
        with pytest.raises(ValueError, match="needed"):
            unsubscribe_token(secret, ticket)


def test_lists_and_campaigns_are_unsubscribed_from_one_by_one() -> None:
    tickets = [
        JANE,
        replace(JANE, list_id="other"),
        replace(JANE, campaign_id="c-2"),
        Ticket(user_id="u-1"),
        Ticket(user_id="u-2"),
    ]
    ids = {
        read_unsubscribe(request(unsubscribe_token(SECRET, ticket)), SECRET).calls[0]["messageId"] for ticket in tickets
    }
    assert len(ids) == 5


@given(st.builds(Ticket, st.text(), st.emails(), st.text(), st.text()))
def test_any_ticket_survives_the_round_trip_and_fits_into_a_path(ticket: Ticket) -> None:
    path = unsubscribe_token(SECRET, ticket)
    assert set(path) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    call = read_unsubscribe(request(path), SECRET).calls[0]
    assert (call.get("userId", ""), call["properties"].get("list_id", "")) == (ticket.user_id, ticket.list_id)


@given(body=st.binary(), content_type=st.text() | st.just("multipart/form-data; boundary=x"), path=st.text())
def test_no_request_raises_anything_but_a_refusal(body: bytes, content_type: str, path: str) -> None:
    for where in (path, unsubscribe_token(SECRET, JANE)):
        try:
            read_unsubscribe(request(where, body, content_type), SECRET)
        except Refusal:
            continue


def test_the_page_is_a_button_and_nothing_that_runs_or_loads() -> None:
    shown = Reader(confirmation_page(request(unsubscribe_token(SECRET, JANE), b"", "", "GET"), SECRET))
    assert {tag for tag, _ in shown.tags} == {
        "html",
        "head",
        "meta",
        "title",
        "body",
        "main",
        "h1",
        "p",
        "b",
        "form",
        "input",
        "button",
    }
    assert not {"src", "href", "action", "style", "onclick", "onload"} & {
        name for _, attrs in shown.tags for name in attrs
    }
    assert ("form", {"method": "post"}) in shown.tags
    assert ("input", {"type": "hidden", "name": "List-Unsubscribe", "value": "One-Click"}) in shown.tags
    assert "Weekly <news>" in shown.text
    assert "jane@acme.example" in shown.text


@given(st.text(), st.text())
def test_any_list_name_is_text(list_id: str, user_id: str) -> None:
    ticket = Ticket(user_id=user_id or "u", email='"<script>"@acme.example', list_id=f"<script>{list_id}</b>&")
    inbound = request(unsubscribe_token(SECRET, ticket))
    for text in (confirmation_page(inbound, SECRET), done_page(inbound, SECRET)):
        assert "<script" not in text


def test_pages_of_unknown_addresses_are_not_shown() -> None:
    for show in (confirmation_page, done_page):
        with pytest.raises(Refusal) as refused:
            show(request("x"), SECRET)
        assert refused.value.status == 404
