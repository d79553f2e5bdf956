"""Resend, and other senders of its events by Svix or Standard Webhooks: HMAC-SHA256 over id, time and raw body.

Every attempt is signed again, so five minutes are enough. Wrong or stale signature: 401. The id is the same in every
attempt: a request that was accepted already gets the same response, and has no effect.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from app.collector.inbound import Delivery, Inbound
from app.collector.vocabulary import BOUNCED, CLICKED, DELIVERED, OPENED, SPAM, UNSUBSCRIBED
from app.collector.webhooks import mail
from app.collector.webhooks.hook import Field, Service, WebhookRequest
from app.collector.webhooks.mail import MailEvent
from app.collector.webhooks.signatures import is_equal, is_fresh, stale_signature, whole_seconds, wrong_signature
from streams.events.times import parse_ms

_EVENTS: Final[dict[str, str | None]] = {
    "email.delivered": DELIVERED,
    "email.opened": OPENED,
    "email.clicked": CLICKED,
    "email.bounced": BOUNCED,
    "email.complained": SPAM,
    "contact.updated": UNSUBSCRIBED,
    "contact.created": None,
    "contact.deleted": None,
    "contact.topics.updated": None,
    "email.sent": None,
    "email.scheduled": None,
    "email.delivery_delayed": None,
    "email.delivered_delayed": None,
    "email.failed": None,
    "email.suppressed": None,
    "email.received": None,
}
_ACCOUNT: Final = ("domain.", "suppression.", "topic.", "inbox.", "broadcast.", "audience.", "segment.", "template.")
"""Beginnings of events that no recipient causes."""
_SUPPRESSED: Final = "resend has suppressed"


def _read_resend(hook: WebhookRequest) -> Delivery:
    hook.require_method("POST")
    inbound = hook.inbound
    at_s = whole_seconds(_header(inbound, "timestamp"))
    if at_s is None or not _signed(hook, at_s):
        raise wrong_signature(401)
    if not is_fresh(at_s * 1000, inbound.received_ms):
        raise stale_signature(401)
    webhook_id = _header(inbound, "id")
    request_id = hook.request_id_of(webhook_id)
    if hook.accepted.contains(request_id, inbound.received_ms):
        return Delivery(request_id=request_id)
    delivery = mail.collect_calls("resend", [inbound.body], lambda sent: _resend_events(hook, sent, webhook_id))
    delivery.request_id = request_id
    return delivery


def _header(inbound: Inbound, name: str) -> str:
    return inbound.header(f"svix-{name}") or inbound.header(f"webhook-{name}")


def _signed(hook: WebhookRequest, at_s: int) -> bool:
    """Whether one of the signatures is right.

    The library's own check reads the clock and raises on malformed input, so only its ``sign`` is used.
    """
    webhook_id, signatures = _header(hook.inbound, "id"), _header(hook.inbound, "signature")
    try:
        at = datetime.fromtimestamp(at_s, UTC)
        expected = _secret(hook.option("secret")).sign(webhook_id, at, hook.inbound.body.decode())
    except (ValueError, OverflowError, OSError):  # not text, or a year out of range
        return False
    return bool(webhook_id) and any(is_equal(given, expected) for given in signatures.split(" "))


def _secret(text: str) -> Webhook:
    """The secret of an endpoint.

    Raises:
        ValueError: it is not one.
    """
    sentence = "it must be the signing secret of the endpoint: `whsec_` and base64"
    try:
        return Webhook(text)
    except (binascii.Error, ValueError, EmptyWebhookSecretError):
        raise ValueError(sentence) from None


def _resend_events(hook: WebhookRequest, sent: dict[str, Any], webhook_id: str) -> Iterable[MailEvent]:
    """One event for each recipient."""
    name, data = _name(sent), sent.get("data")
    if not name:
        return
    tags = _tags(mail.value_at(data, "tags"))
    cause = "click" if name == CLICKED else "open"
    recipients = _recipients(name, data)
    several = len(recipients) > 1
    for i, recipient in enumerate(recipients):
        yield MailEvent(
            name,
            key=f"{webhook_id}:{i}" if several else webhook_id,
            email=mail.address_of(recipient),
            at_ms=parse_ms(mail.text_at(data, cause, "timestamp") or mail.text_at(sent, "created_at")),
            user_id="" if several else mail.user_id_of(hook, tags),
            message_id=mail.text_at(data, "email_id"),
            campaign_id=mail.campaign_id_of(tags, mail.text_at(data, "broadcast_id")),
            url=mail.text_at(data, "click", "link"),
            ip=mail.text_at(data, cause, "ipAddress"),
            user_agent=mail.text_at(data, cause, "userAgent"),
            details=_details(name, data),
        )


def _name(sent: dict[str, Any]) -> str:
    """Our name of the event; empty if it says nothing about a lead."""
    kind, data = mail.text_at(sent, "type"), sent.get("data")
    if kind.startswith(_ACCOUNT):
        return ""
    name: str | None = mail.row_of(_EVENTS, kind)
    if name == UNSUBSCRIBED and mail.value_at(data, "unsubscribed") is not True:
        return ""
    if name == BOUNCED and _was_never_sent(mail.value_at(data, "bounce")):
        return ""
    return name or ""


def _was_never_sent(bounce: Any) -> bool:
    """Whether the address is on the suppression list, which older events report only in words."""
    in_words = mail.text_at(bounce, "message").lower().startswith(_SUPPRESSED)
    return in_words or mail.was_never_sent(mail.text_at(bounce, "subType"))


def _recipients(name: str, data: Any) -> list[Any]:
    """The recipients of an event; of several Resend does not say whose open, click, bounce or complaint it is.

    Raises:
        NoRecipient: it is one of several.
    """
    found = [each for field in ("to", "cc", "bcc") for each in mail.list_at(data, field)]
    if len(found) > 1 and name != DELIVERED:
        sentence = "Resend does not say which of several recipients the event is about"
        raise mail.NoRecipient(sentence)
    return found or [mail.value_at(data, "email")]


def _tags(tags: Any) -> dict[str, Any]:
    """Tags by name; older events have them as a list."""
    if isinstance(tags, list):
        return {mail.text_at(tag, "name"): mail.value_at(tag, "value") for tag in tags}
    return tags if isinstance(tags, dict) else {}


def _details(name: str, data: Any) -> dict[str, str]:
    if name == BOUNCED:  # a bounce without a type is permanent
        return mail.HARD if mail.text_at(data, "bounce", "type") in {"", "Permanent"} else mail.SOFT
    return {"kind": "all", "list_id": mail.text_at(data, "audience_id")} if name == UNSUBSCRIBED else {}


SERVICE: Final = Service(
    _read_resend, {"secret": Field("the endpoint's signing secret, `whsec_...`", required=True, check=_secret)}
)
