"""SendGrid's Event Webhook: a JSON array, signed with ECDSA over the time and the raw body.

Any answer but 2xx is retried for up to 24 hours. Wrong or stale signature: 403. A request that was taken already is
answered like the first time, and does nothing.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from app.collector.inbound import Delivery
from app.collector.vocabulary import APPLE, BOUNCED, CLICKED, DELIVERED, OPENED, SPAM, SUBSCRIBED, UNSUBSCRIBED
from app.collector.webhooks import mail
from app.collector.webhooks.hook import Field, Hook, Service
from app.collector.webhooks.mail import MailEvent
from app.collector.webhooks.signatures import ecdsa_key, ecdsa_signed, is_fresh, stale, whole_seconds, wrong

SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"

_EVENTS: Final[dict[str, str | None]] = {
    "delivered": DELIVERED,
    "open": OPENED,
    "click": CLICKED,
    "bounce": BOUNCED,
    "spamreport": SPAM,
    "unsubscribe": UNSUBSCRIBED,
    "group_unsubscribe": UNSUBSCRIBED,
    "group_resubscribe": SUBSCRIBED,
    "processed": None,
    "deferred": None,
    "dropped": None,
    "account_status_change": None,
}


def _read(hook: Hook) -> Delivery:
    hook.only("POST")
    inbound = hook.inbound
    signed_at = inbound.header(TIMESTAMP)
    at_s = whole_seconds(signed_at)
    signed = signed_at.encode("utf-8", "surrogatepass") + inbound.body
    if at_s is None or not ecdsa_signed(hook.option("public_key"), inbound.header(SIGNATURE), signed):
        raise wrong(403)
    if not is_fresh(at_s * 1000, inbound.received_ms):
        raise stale(403)
    once = hook.request_id(sha256(signed).hexdigest())  # not the signature: ECDSA has several for one message
    if hook.replay.check(once, inbound.received_ms):
        return Delivery(once=once)
    delivery = mail.collect("sendgrid", mail.split(inbound.body), lambda sent: _event(hook, sent))
    delivery.once = once
    return delivery


def _event(hook: Hook, sent: dict[str, Any]) -> MailEvent | None:
    kind = mail.text(sent, "event")
    name = mail.known(_EVENTS, kind)
    if name is None:
        return None
    made = (kind, mail.text(sent, "sg_message_id"), mail.text(sent, "email"), mail.text(sent, "timestamp"))
    campaigns = (mail.text(sent, field) for field in ("singlesend_id", "marketing_campaign_id", "category"))
    return MailEvent(
        name,
        key=mail.text(sent, "sg_event_id") or mail.made_id(*made, mail.text(sent, "url")),
        email=mail.address(sent.get("email")),
        at_ms=mail.epoch_ms(sent.get("timestamp")),
        user_id=mail.user_of(hook, sent),
        message_id=mail.text(sent, "sg_message_id"),
        campaign_id=mail.campaign_of(sent, *campaigns),
        url=mail.text(sent, "url") if name == CLICKED else "",
        ip=mail.text(sent, "ip"),
        user_agent=mail.text(sent, "useragent"),
        automated=APPLE if kind == "open" and sent.get("sg_machine_open") is True else "",
        details=_details(name, kind, sent),
    )


def _details(name: str, kind: str, sent: dict[str, Any]) -> dict[str, str]:
    if name == BOUNCED:
        return mail.SOFT if mail.text(sent, "type") == "blocked" else mail.HARD
    if kind.startswith("group_"):
        return {"kind": "group", "list_id": mail.text(sent, "asm_group_id")}
    return {"kind": "all"} if name == UNSUBSCRIBED else {}


SERVICE: Final = Service(
    _read,
    {"public_key": Field("the verification key that SendGrid shows, base64", required=True, check=ecdsa_key)},
)
