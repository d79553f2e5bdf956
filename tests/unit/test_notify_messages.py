"""The messages of each kind, byte for byte, and as the services' own libraries check them."""

from __future__ import annotations

from email import message_from_string
from email.message import EmailMessage
from email.policy import SMTP

import orjson
import pytest
from slack_sdk.models.blocks import Block

from app.notify.kinds.base import Delivery
from app.notify.kinds.slack import message_of
from tests.support.notify_messages import FOLDER, messages
from tests.support.receivers import alert_of

MESSAGES = dict(messages())


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_as_it_was(name: str) -> None:
    """If a change is meant: ``python -m tests.support.notify_messages``."""
    assert MESSAGES[name] == (FOLDER / name).read_text()


def test_no_other_messages_are_kept() -> None:
    assert {file.name for file in FOLDER.iterdir()} == set(MESSAGES)


def test_messages_of_slack_are_valid_and_harmless() -> None:
    alert = alert_of(lead={"lead_id": "x", "traits": {"name": "<!channel> & co", "title": "CTO"}})
    for delivery in (Delivery((alert,)), Delivery((alert,) * 60, digest=True)):
        message = message_of(delivery)
        assert len(message["blocks"]) <= 50
        for block in message["blocks"]:
            parsed = Block.parse(block)
            assert parsed is not None
            parsed.validate_json()
        assert b"<!channel>" not in orjson.dumps(message["blocks"][1:])


@pytest.mark.parametrize("name", ["mail.eml", "mail-digest.eml"])
def test_a_mail_has_what_every_mail_needs_in_short_lines(name: str) -> None:
    text = MESSAGES[name]
    mail = message_from_string(text, _class=EmailMessage, policy=SMTP)
    assert {"From", "To", "Date", "Message-ID", "Subject"} <= set(mail.keys())
    assert mail["Message-ID"].endswith("@acme.example>")
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 78
    plain, html = (part.get_content() for part in mail.iter_parts())
    assert "“Demo”" in plain
    assert "“Demo”" in html


def test_a_score_below_its_bound_is_not_rounded_to_it() -> None:
    assert "Score 49.9 (before: 50.0)" in MESSAGES["slack-digest.json"]
