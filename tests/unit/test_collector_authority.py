"""What a key may say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.collector.authority import VERDICTS, stamp_call
from app.collector.inbound import BadCall, Call
from app.collector.keyring import Key
from app.collector.vocabulary import MAIL_EVENTS
from streams.events.calls import RETRACTION

SITE, BACKEND = Key("site", True), Key("backend", False)
FORGED = {"key": "backend", "public": False}


def track(event: str, **properties: Any) -> Call:
    return {"type": "track", "event": event, "messageId": "m", "anonymousId": "a", "properties": properties}


def stamped(call: Call, key: Key | None, webhook_name: str = "") -> Call:
    result = stamp_call(call, key, webhook_name)
    assert not isinstance(result, BadCall)
    return result


@pytest.mark.parametrize(
    ("key", "webhook", "expected", "message_id"),
    [
        (SITE, "", {"key": "site", "public": True}, "public:site:m"),
        (BACKEND, "", {"key": "backend"}, "m"),
        (None, "news", {"key": "news"}, "m"),
    ],
)
def test_a_call_carries_its_key_and_no_stamp_of_its_sender(
    key: Key | None, webhook: str, expected: Any, message_id: str
) -> None:
    for call in (track("Asked"), track("Asked") | {"leadglow": FORGED}, track("Asked") | {"leadglow": None}):
        assert stamped(call, key, webhook) == track("Asked") | {"leadglow": expected, "messageId": message_id}


@pytest.mark.parametrize("event", sorted(MAIL_EVENTS | VERDICTS | {RETRACTION}))
def test_trusted_events_are_refused_to_public_keys_only(event: str) -> None:
    bad = stamp_call(track(event), SITE)
    assert isinstance(bad, BadCall)
    assert json.loads(bad.raw) == track(event)
    assert bad.reason == "not_allowed"
    assert event in bad.sentence
    assert stamped(track(event), BACKEND)["event"] == event
    assert stamped(track(event), None, "news")["event"] == event


@pytest.mark.parametrize(
    "call",
    [
        {"type": "identify", "userId": "u", "anonymousId": "a", "traits": {"email": "ana@acme.example"}},
        {"type": "alias", "userId": "u", "previousId": "v"},
        {"type": "page", "event": "Email Opened", "anonymousId": "a"},
        {"type": "track", "event": 7, "anonymousId": "a"},
        {"type": "track", "event": "Email Signup", "anonymousId": "a", "properties": "none"},
        {},
    ],
)
def test_everything_else_goes_on_as_it_came(call: Call) -> None:
    assert stamped(call, SITE) == call | {"leadglow": {"key": "site", "public": True}}


@pytest.mark.parametrize("message_id", ["", None, 7, ["m"]])
def test_an_invalid_id_stays_unchanged(message_id: Any) -> None:
    assert stamped(track("Asked") | {"messageId": message_id}, SITE)["messageId"] == message_id


def test_no_public_key_can_use_up_an_id_of_another_key_a_webhook_or_a_retraction() -> None:
    ids = ["m", "sendgrid:m", "retract:sendgrid:m", "public:app:m"]
    taken = {stamped(track("Asked") | {"messageId": each}, SITE)["messageId"] for each in ids}
    assert taken == {f"public:site:{each}" for each in ids}
    assert not taken & {stamped(track("Asked") | {"messageId": each}, Key("app", True))["messageId"] for each in ids}


def test_a_public_key_cannot_remove_the_mark_of_a_machine() -> None:
    call = track("Asked", automated=False, automated_reason="crawler", plan="pro")
    assert stamped(call, SITE)["properties"] == {"plan": "pro"}
    assert stamped(call, BACKEND)["properties"] == call["properties"]


_values: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.text(max_size=5)
    | st.dictionaries(st.sampled_from(("automated", "automated_reason", "x")), st.booleans())
)


@given(
    st.dictionaries(
        st.sampled_from(("type", "event", "leadglow", "properties", "userId", "y")),
        _values | st.sampled_from(("track", "alias", *MAIL_EVENTS)),
    ),
    st.sampled_from((SITE, BACKEND, None)),
)
def test_a_call_loses_only_forbidden_fields_and_is_not_changed_in_place(call: Call, key: Key | None) -> None:
    before = json.dumps(call)
    result = stamp_call(call, key, "news")
    assert json.dumps(call) == before
    if isinstance(result, BadCall):
        assert key is SITE
        return
    public = key is not None and key.public
    assert result["leadglow"] == ({"key": key.name if key else "news"} | ({"public": True} if public else {}))
    unchanged = {"leadglow", "properties"} if public else {"leadglow"}
    assert all(result[name] == value for name, value in call.items() if name not in unchanged)
