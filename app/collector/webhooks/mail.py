"""Converts events of mail services to calls in the shape of the Segment spec."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from app.collector.calls import rfc3339
from app.collector.inbound import BadCall, Call, Delivery
from app.collector.webhooks.hook import WebhookRequest
from app.collector.webhooks.payloads import parse_object
from streams.events.identities import clean_address, clean_id, name_lead
from streams.events.rejects import REASONS, Refused

HARD: Final = {"kind": "hard"}
"""A bounce: the address never accepts mail."""
SOFT: Final = {"kind": "soft"}
"""A bounce: the address did not accept this mail."""


@dataclass(frozen=True, slots=True)
class MailEvent:
    """An event that a service reports about a mail."""

    name: str
    key: str
    """The service's id of the event, the same in each attempt."""
    email: str
    at_ms: int | None = None
    user_id: str = ""
    message_id: str = ""
    campaign_id: str = ""
    url: str = ""
    ip: str = ""
    user_agent: str = ""
    automated: str = ""
    """Why the service reports a machine as the cause; empty if it does not."""
    details: Mapping[str, str | list[str]] = field(default_factory=dict)
    """Further properties: ``kind`` of a bounce or an unsubscription, ``list_id``."""


class UnknownEvent(Exception):
    """The service reports an event that its table does not have."""


class NoRecipient(Exception):
    """The service does not name the recipient."""


def collect_calls(
    service: str,
    raws: Iterable[bytes],
    read: Callable[[dict[str, Any]], Iterable[MailEvent]],
    parse: Callable[[bytes], dict[str, Any]] = parse_object,
) -> Delivery:
    """The calls of verified events; ``read`` returns nothing for what says nothing about a lead."""
    delivery = Delivery()
    for raw in raws:
        try:
            events = list(read(parse(raw)))
            named = [event for event in events if event.email or event.user_id]
            delivery.calls += [call_of(service, event) for event in named]
            if len(named) < len(events):
                raise NoRecipient
        except Refused as refused:
            delivery.bad.append(BadCall(raw, refused.reject.reason, refused.reject.sentence))
        except UnknownEvent as unknown:
            delivery.bad.append(
                BadCall(raw, "unknown_type", f"{service} reports {unknown}, which is not a known event")
            )
        except NoRecipient as unnamed:
            delivery.bad.append(BadCall(raw, "no_lead", str(unnamed) or REASONS["no_lead"]))
    return delivery


def call_of(service: str, event: MailEvent) -> Call:
    """The call of one event, which names an address or a user."""
    properties: Call = {
        "service": service,
        "message_id": event.message_id,
        "url": event.url,
        "campaign_id": event.campaign_id,
        **event.details,
    }
    if event.automated:
        properties |= {"automated": True, "automated_reason": event.automated}
    context: Call = {"ip": event.ip, "userAgent": event.user_agent}
    made = _filled(
        {
            "type": "track",
            "event": event.name,
            "messageId": f"{service}:{event.key}",
            "timestamp": timestamp_of(event.at_ms),
            "context": _filled(context),
            "properties": _filled(properties),
        }
    )
    name_lead(made, event.user_id, email=event.email)
    return made


def _filled(fields: Call) -> Call:
    return {name: value for name, value in fields.items() if value is not None and value not in ("", [])}


# Reading values of any type --------------------------------------------------------------------------------------


def value_at(sent: Any, *path: str) -> Any:
    """The value at a path of objects; None if it is missing."""
    for key in path:
        if not isinstance(sent, dict):
            return None
        sent = sent.get(key)
    return sent


def _first_at(sent: Any, *path: str) -> Any:
    """The value at a path, or the first one of a list there."""
    value = value_at(sent, *path)
    return value[0] if isinstance(value, list) and value else value


def text_at(sent: Any, *path: str) -> str:
    """The text or number at a path, or the first one of a list there; empty if it is missing."""
    return text_of(_first_at(sent, *path))


def text_of(value: Any) -> str:
    """A text, or a whole number as one; empty for anything else."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def list_at(sent: Any, *path: str) -> list[Any]:
    """The list at a path; anything else is its only element, and nothing if it is missing."""
    value = value_at(sent, *path)
    return value if isinstance(value, list) else [] if value is None else [value]


def address_of(value: Any) -> str:
    """The address in ``jane@acme.example`` or ``Jane <jane@acme.example>``; empty if there is none, or several."""
    address = clean_address(value)
    return address if address.count("@") == 1 else ""


def timestamp_of(at_ms: int | None) -> str:
    """RFC 3339 in UTC with milliseconds; empty if there is no time, or it is out of range."""
    return (rfc3339(at_ms) if at_ms is not None and at_ms >= 0 else None) or ""


def user_id_of(hook: WebhookRequest, custom: Any) -> str:
    """The userId in the custom arguments that the sender attached to the mail."""
    named = hook.option("user_field")
    for name in (named,) if named else ("user_id", "userId"):
        if user_id := clean_id(_first_at(custom, name)):
            return user_id
    return ""


def campaign_id_of(custom: Any, *others: str) -> str:
    """The campaign in the custom arguments, else the first of the service's own fields that is not empty."""
    return next(filter(None, (text_at(custom, "campaign_id"), text_at(custom, "campaign"), *others)), "")


def was_never_sent(reason: str) -> bool:
    """Whether a bounce or complaint only says that the service has the address on a list and sent nothing to it."""
    folded = reason.lower()
    return "suppress" in folded or folded == "unsubscribedrecipient"


def derived_id(*parts: str) -> str:
    """An id for services that send none; the same for the same event."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def row_of(table: Mapping[str, Any], kind: str) -> Any:
    """The row of a service's table for a kind of event.

    Raises:
        UnknownEvent: there is none.
    """
    if kind not in table:
        raise UnknownEvent(f"`{kind[:100]}`" if kind else "no kind of event")
    return table[kind]
