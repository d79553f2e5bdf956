"""Resend, and whoever sends by Svix or Standard Webhooks with its events: HMAC-SHA256 over id, time and raw body.

Every attempt is signed anew, so five minutes are enough. Wrong or stale signature: 401. The id is the same in every
attempt: one that was taken already is answered like the first time, and does nothing.
"""

from __future__ import annotations

import binascii
from datetime import UTC, datetime
from typing import Any, Final

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from app.collector.inbound import Delivery, Inbound
from app.collector.vocabulary import BOUNCED, CLICKED, DELIVERED, OPENED, SPAM, UNSUBSCRIBED
from app.collector.webhooks import mail
from app.collector.webhooks.hook import Field, Hook, Service
from app.collector.webhooks.mail import MailEvent
from app.collector.webhooks.signatures import is_fresh, same, stale, whole_seconds, wrong
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
    "domain.created": None,
    "domain.updated": None,
    "domain.deleted": None,
    "email.sent": None,
    "email.scheduled": None,
    "email.delivery_delayed": None,
    "email.failed": None,
    "email.suppressed": None,
    "email.received": None,
}


def _read(hook: Hook) -> Delivery:
    hook.only("POST")
    inbound = hook.inbound
    at_s = whole_seconds(_header(inbound, "timestamp"))
    if at_s is None or not _signed(hook, at_s):
        raise wrong(401)
    if not is_fresh(at_s * 1000, inbound.received_ms):
        raise stale(401)
    webhook_id = _header(inbound, "id")
    once = hook.request_id(webhook_id)
    if hook.replay.check(once, inbound.received_ms):
        return Delivery(once=once)
    delivery = mail.collect("resend", [inbound.body], lambda sent: _event(hook, sent, webhook_id))
    delivery.once = once
    return delivery


def _header(inbound: Inbound, name: str) -> str:
    return inbound.header(f"svix-{name}") or inbound.header(f"webhook-{name}")


def _signed(hook: Hook, at_s: int) -> bool:
    """Whether one of the signatures is right.

    The library's own check reads the clock and raises on garbage, so only what it signs is taken from it.
    """
    webhook_id, signatures = _header(hook.inbound, "id"), _header(hook.inbound, "signature")
    try:
        at = datetime.fromtimestamp(at_s, UTC)
        expected = _secret(hook.option("secret")).sign(webhook_id, at, hook.inbound.body.decode())
    except (ValueError, OverflowError, OSError):  # no text, or a year that no calendar has
        return False
    return bool(webhook_id) and any(same(given, expected) for given in signatures.split(" "))


def _secret(text: str) -> Webhook:
    """The secret of an endpoint.

    Raises:
        ValueError: it is none.
    """
    sentence = "it must be the signing secret of the endpoint: `whsec_` and base64"
    try:
        return Webhook(text)
    except (binascii.Error, ValueError, EmptyWebhookSecretError):
        raise ValueError(sentence) from None


def _event(hook: Hook, sent: dict[str, Any], webhook_id: str) -> MailEvent | None:
    name = mail.known(_EVENTS, mail.text(sent, "type"))
    data = sent.get("data")
    if name is None or (name == UNSUBSCRIBED and mail.dig(data, "unsubscribed") is not True):
        return None
    tags = _tags(mail.dig(data, "tags"))
    cause = "click" if name == CLICKED else "open"
    return MailEvent(
        name,
        key=webhook_id,
        email=mail.address(mail.text(data, "to") or mail.text(data, "email")),
        at_ms=parse_ms(mail.text(data, cause, "timestamp") or mail.text(sent, "created_at")),
        user_id=mail.user_of(hook, tags),
        message_id=mail.text(data, "email_id"),
        campaign_id=mail.campaign_of(tags, mail.text(data, "broadcast_id")),
        url=mail.text(data, "click", "link"),
        ip=mail.text(data, cause, "ipAddress"),
        user_agent=mail.text(data, cause, "userAgent"),
        details=_details(name, data),
    )


def _tags(tags: Any) -> dict[str, Any]:
    """Tags by name; older events have them as a list."""
    if isinstance(tags, list):
        return {mail.text(tag, "name"): mail.dig(tag, "value") for tag in tags}
    return tags if isinstance(tags, dict) else {}


def _details(name: str, data: Any) -> dict[str, str]:
    if name == BOUNCED:  # a bounce without a type is a permanent one
        return mail.HARD if mail.text(data, "bounce", "type") in {"", "Permanent"} else mail.SOFT
    return {"kind": "all", "list_id": mail.text(data, "audience_id")} if name == UNSUBSCRIBED else {}


SERVICE: Final = Service(
    _read, {"secret": Field("the endpoint's signing secret, `whsec_...`", required=True, check=_secret)}
)
