"""What all kinds of destinations have in common."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from app.notify.alerts import Alert
from app.notify.outcomes import Outcome, Result, outcome_of_status

USER_AGENT: Final = "leadglow-notify"
_DIGESTS: Final = uuid.UUID("5b7a9f0e-52a4-5d0c-8f0b-0b7d1d9b6c11")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message: an alert, or several."""

    alerts: tuple[Alert, ...]
    digest: bool = False
    """Whether they are one message for people, and not only sent together."""

    @property
    def delivery_id(self) -> str:
        """The same for the same alerts: that of the alert, or one made of those of all."""
        ids = [alert.alert_id for alert in self.alerts]
        return ids[0] if len(ids) == 1 else str(uuid.uuid5(_DIGESTS, "\n".join(ids)))


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response."""

    status: int
    retry_after: str | None = None
    body: bytes = b""
    """Its beginning."""
    whole: bool = True
    """Whether that is all of it."""


class HttpKind(Protocol):
    """A destination that gets HTTP requests."""

    @property
    def most(self) -> int:
        """How many alerts one request may contain."""

    def request(self, delivery: Delivery, now_ms: int) -> Request:
        """The request for a delivery."""

    def outcomes(self, delivery: Delivery, answer: Answer, now_ms: int) -> list[Outcome]:
        """The outcome of each alert."""


def same_for_all(delivery: Delivery, answer: Answer, now_ms: int) -> list[Outcome]:
    """The outcomes where the status is about all alerts."""
    return [outcome_of_status(answer.status, answer.retry_after, now_ms)] * len(delivery.alerts)


def refused(reason: str) -> Outcome:
    """The outcome of an alert that no repetition would deliver."""
    return Outcome(Result.REFUSED, reason[:200])


def first_words(text: object) -> str:
    """The beginning of a text from outside, in one line of printable characters."""
    return "".join(char if char.isprintable() else " " for char in str(text)[:150])
