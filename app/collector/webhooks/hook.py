"""The input of a mail service's adapter, and its row in the table of services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.collector.inbound import Delivery, Inbound, Refusal
from app.collector.webhooks.accepted_requests import AcceptedRequests


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A request to a webhook of the keys file."""

    name: str
    options: Mapping[str, Any]
    """The webhook's own fields in the keys file."""
    inbound: Inbound
    accepted: AcceptedRequests
    certificates: Mapping[str, bytes] = field(default_factory=dict)
    """Signing certificates in PEM by URL, as far as fetched."""

    def option(self, name: str) -> str:
        """A field of the webhook; empty if it is missing."""
        return str(self.options.get(name, ""))

    def request_id_of(self, part: str) -> str:
        """The id of this request for ``AcceptedRequests``."""
        return f"{self.name}:{part}"

    def require_method(self, *methods: str) -> None:
        """Refuse all other methods."""
        if self.inbound.method not in methods:
            sentence = f"This webhook accepts only {' and '.join(methods)}."
            raise Refusal(405, "method_not_allowed", sentence)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a webhook in the keys file."""

    meaning: str
    required: bool = False
    check: Callable[[str], object] | None = None
    """Raises ValueError with a sentence for an invalid value."""


@dataclass(frozen=True, slots=True)
class Service:
    """A row of the table of services."""

    read: Callable[[WebhookRequest], Delivery]
    fields: Mapping[str, Field]

    def find_mistakes(self, options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """All mistakes in the fields of a webhook, as (field, sentence)."""
        fields = {**self.fields, **COMMON}
        found = [(name, f"unknown field; known are {', '.join(fields)}") for name in options if name not in fields]
        found += [
            (name, f"is missing: {f.meaning}") for name, f in fields.items() if f.required and name not in options
        ]
        for name, known in fields.items():
            if name in options and (sentence := _mistake_in(known, options[name])):
                found.append((name, sentence))
        return found


COMMON: Mapping[str, Field] = {
    "user_field": Field("the custom argument with the userId; by default user_id or userId"),
}
"""Fields that every webhook may have."""


def _mistake_in(known: Field, value: Any) -> str:
    if not isinstance(value, str) or not value:
        return "must be a text, and not empty"
    try:
        if known.check:
            known.check(value)
    except ValueError as error:
        return str(error)
    return ""
