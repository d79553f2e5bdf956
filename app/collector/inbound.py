"""The input and output of payload adapters: one request in, calls in the shape of the Segment spec out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from app.http.refusals import Refusal

__all__ = ["BadCall", "Call", "Delivery", "Inbound", "Refusal"]

Call = dict[str, Any]
"""One event in the shape of the Segment spec, ready to be written to a source topic as JSON."""


class Inbound(Struct, frozen=True):
    """One HTTP request, without the framework that received it."""

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    """Look them up by lower-case name; iterating gives the names as they were sent."""
    body: bytes = b""
    """Inflated, within the size limit."""
    received_ms: int = 0
    """Arrival, in ms since the epoch."""
    remote: str = ""
    """The sender's address."""

    def header(self, name: str) -> str:
        """A header by its lower-cased name, empty if missing."""
        return self.headers.get(name, "")

    def parameter(self, name: str) -> str:
        """The first query parameter of that name, empty if missing."""
        return next((value for key, value in self.query if key == name), "")


class BadCall(Struct, frozen=True):
    """One event inside a request that cannot be used: it goes to ``rejected-events``, the others are accepted."""

    raw: bytes
    reason: str
    """A code of ``streams.events.rejects.REASONS``."""
    sentence: str


class Delivery(Struct):
    """The content of a request."""

    calls: list[Call] = field(default_factory=list)
    bad: list[BadCall] = field(default_factory=list)
    write_key: str = ""
    """The key that the sender gave; empty for requests that are signed instead."""
    confirm_url: str = ""
    """A URL to fetch before the response, which confirms a webhook to its mail service."""
    request_id: str = ""
    """For ``AcceptedRequests.remember`` once the calls are in Kafka; empty if the request has no id."""
