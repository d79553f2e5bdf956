"""Mails with a plain and an HTML part."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Final, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.notify.alerts import Alert
from app.notify.kinds.base import Delivery
from app.notify.kinds.summary import Summary, summarize

Security = Literal["tls", "starttls", "none"]
_MAX_SUBJECT: Final = 200
_pages: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates"), autoescape=True, undefined=StrictUndefined
)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail server, and who gets mails."""

    host: str
    port: int
    security: Security
    sender: str
    to: tuple[str, ...]
    to_owner: bool
    """Whether the owner of a lead gets the mail, if the owner is a mail address."""
    user: str = ""
    password: str = field(default="", repr=False)

    def recipients(self, alert: Alert) -> tuple[str, ...]:
        """Who gets the mail about an alert."""
        return (alert.owner,) if self.to_owner and is_address(alert.owner) else self.to

    def message(self, delivery: Delivery, now_ms: int) -> EmailMessage:
        """The mail; its id is the same whenever it is sent again. Every line is short and ASCII, for any server."""
        summaries = [summarize(alert) for alert in delivery.alerts]
        message = EmailMessage(policy=SMTP)
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients(delivery.alerts[0]))
        message["Subject"] = _subject(summaries)
        message["Date"] = datetime.fromtimestamp(now_ms // 1000, UTC)
        message["Message-ID"] = f"<{delivery.delivery_id}@{self.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content("\n\n\n".join(map(_plain, summaries)) + "\n", cte="quoted-printable")
        page = _pages.get_template("mail.html").render(title=_subject(summaries), summaries=summaries)
        message.add_alternative(page, subtype="html", cte="quoted-printable")
        return message


def is_address(text: str) -> bool:
    """Whether a text is one mail address, which can be a recipient."""
    try:
        address = Address(addr_spec=text)
    except (ValueError, IndexError, TypeError, MessageError):  # the parser of addresses raises any of these
        return False
    return bool(address.username and address.domain) and text.isascii() and text.isprintable() and " " not in text


def _subject(summaries: list[Summary]) -> str:
    return summaries[0].headline[:_MAX_SUBJECT] if len(summaries) == 1 else f"{len(summaries)} alerts"


def _plain(summary: Summary) -> str:
    lines = [summary.headline, *(f"{name}: {value}" for name, value in summary.facts)]
    parts = (("What changed", summary.changes), ("Why", summary.reasons), ("What they did", summary.activity))
    for title, words in parts:
        if words:
            lines += ["", title, *(f"- {line}" for line in words)]
    return "\n".join([*lines, *(["", summary.link] if summary.link else [])])
