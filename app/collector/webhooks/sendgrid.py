"""SendGrid's Event Webhook: a JSON array, signed with ECDSA over the time and the raw body.

Any answer but 2xx is retried for up to 24 hours. Wrong or stale signature: 403. A request that was accepted
already gets the same response, and has no effect.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

from app.collector.inbound import Delivery
from app.collector.vocabulary import APPLE, BOUNCED, CLICKED, DELIVERED, OPENED, SPAM, SUBSCRIBED, UNSUBSCRIBED
from app.collector.webhooks import mail
from app.collector.webhooks.hook import Field, Service, WebhookRequest
from app.collector.webhooks.mail import MailEvent
from app.collector.webhooks.payloads import split_array
from app.collector.webhooks.signatures import (
    has_ecdsa_signature,
    is_fresh,
    parse_ecdsa_key,
    stale_signature,
    whole_seconds,
    wrong_signature,
)
from streams.events.times import parse_ms

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


def _read_sendgrid(hook: WebhookRequest) -> Delivery:
    hook.require_method("POST")
    inbound = hook.inbound
    signed_at = inbound.header(TIMESTAMP)
    at_s = whole_seconds(signed_at)
    signed = signed_at.encode("utf-8", "surrogatepass") + inbound.body
    if at_s is None or not has_ecdsa_signature(hook.option("public_key"), inbound.header(SIGNATURE), signed):
        raise wrong_signature(403)
    if not is_fresh(at_s * 1000, inbound.received_ms):
        raise stale_signature(403)
    request_id = hook.request_id_of(sha256(signed).hexdigest())  # not the signature: ECDSA has several for one message
    if hook.accepted.contains(request_id, inbound.received_ms):
        return Delivery(request_id=request_id)
    delivery = mail.collect_calls("sendgrid", split_array(inbound.body), lambda sent: _sendgrid_events(hook, sent))
    delivery.request_id = request_id
    return delivery


def _sendgrid_events(hook: WebhookRequest, sent: dict[str, Any]) -> Iterable[MailEvent]:
    kind = mail.text_at(sent, "event")
    name = mail.row_of(_EVENTS, kind)
    if name is None:
        return
    made = (kind, mail.text_at(sent, "sg_message_id"), mail.text_at(sent, "email"), mail.text_at(sent, "timestamp"))
    campaigns = (mail.text_at(sent, field) for field in ("singlesend_id", "marketing_campaign_id", "category"))
    yield MailEvent(
        name,
        key=mail.text_at(sent, "sg_event_id") or mail.derived_id(*made, mail.text_at(sent, "url")),
        email=mail.address_of(sent.get("email")),
        at_ms=parse_ms(sent.get("timestamp")),
        user_id=mail.user_id_of(hook, sent),
        message_id=mail.text_at(sent, "sg_message_id"),
        campaign_id=mail.campaign_id_of(sent, *campaigns),
        url=mail.text_at(sent, "url") if name == CLICKED else "",
        ip=mail.text_at(sent, "ip"),
        user_agent=mail.text_at(sent, "useragent"),
        automated=APPLE if kind == "open" and sent.get("sg_machine_open") is True else "",
        details=_details(name, kind, sent),
    )


def _details(name: str, kind: str, sent: dict[str, Any]) -> dict[str, str]:
    if name == BOUNCED:
        return mail.SOFT if mail.text_at(sent, "type") in {"blocked", "expired"} else mail.HARD
    if kind.startswith("group_"):
        return {"kind": "group", "list_id": mail.text_at(sent, "asm_group_id")}
    return {"kind": "all"} if name == UNSUBSCRIBED else {}


SERVICE: Final = Service(
    _read_sendgrid,
    {"public_key": Field("the verification key that SendGrid shows, base64", required=True, check=parse_ecdsa_key)},
)
