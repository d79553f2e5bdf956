"""Brevo: one JSON object per request, or an array with batching; not signed, but with a password or a token.

Wrong secret: 401. Repeated requests have the same event ids, so they count once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from app.collector.inbound import Delivery, Refusal
from app.collector.vocabulary import BOUNCED, CLICKED, DELIVERED, IMAGE_PROXY, OPENED, SPAM, SUBSCRIBED, UNSUBSCRIBED
from app.collector.webhooks import mail
from app.collector.webhooks.hook import Service, WebhookRequest
from app.collector.webhooks.mail import MailEvent
from app.collector.webhooks.payloads import parse_object, split_array
from app.collector.webhooks.postmark import SHARED_SECRET
from app.collector.webhooks.signatures import has_secret
from streams.events.rejects import Refused

_Details = dict[str, str]
_EVENTS: Final[dict[str, tuple[str, _Details] | None]] = {
    "delivered": (DELIVERED, {}),
    "opened": (OPENED, {}),
    "unique_opened": (OPENED, {}),
    "proxy_open": (OPENED, {}),
    "unique_proxy_open": (OPENED, {}),
    "click": (CLICKED, {}),
    "hard_bounce": (BOUNCED, mail.HARD),
    "invalid_email": (BOUNCED, mail.HARD),
    "soft_bounce": (BOUNCED, mail.SOFT),
    "spam": (SPAM, {}),
    "complaint": (SPAM, {}),
    "unsubscribe": (UNSUBSCRIBED, {"kind": "all"}),
    "unsubscribed": (UNSUBSCRIBED, {"kind": "all"}),
    "list_addition": (SUBSCRIBED, {}),
    "request": None,
    "sent": None,
    "deferred": None,
    "blocked": None,
    "error": None,
    "contact_updated": None,
    "contact_deleted": None,
    "reply": None,
}
_TIMES: Final = ("ts_epoch", "ts_event", "ts")
"""Fields with a time in UTC, the best one first."""


def _read_brevo(hook: WebhookRequest) -> Delivery:
    hook.require_method("POST")
    if not has_secret(hook.inbound, hook.options):
        sentence = "The secret is missing or wrong: check the webhook's authentication in Brevo."
        raise Refusal(401, "bad_credentials", sentence)
    return mail.collect_calls("brevo", split_array(hook.inbound.body), lambda sent: _brevo_events(hook, sent))


def _brevo_events(hook: WebhookRequest, sent: dict[str, Any]) -> Iterable[MailEvent]:
    kind = mail.text_at(sent, "event")
    what = mail.row_of(_EVENTS, kind)
    if what is None:
        return
    name, details = what
    email = mail.address_of(mail.text_at(sent, "email"))
    said_at = next((sent[field] for field in _TIMES if mail.epoch_ms(sent.get(field))), None)
    message_id, url, list_id = (mail.text_at(sent, field) for field in ("message-id", "link", "list_id"))
    custom = _custom(sent)
    campaigns = (mail.text_at(sent, field) for field in ("camp_id", "campaign name", "tags", "tag"))
    yield MailEvent(
        name,
        key=mail.derived_id(kind, message_id, email.lower(), str(said_at or mail.text_at(sent, "date")), url, list_id),
        email=email,
        at_ms=mail.epoch_ms(said_at),
        user_id=mail.user_id_of(hook, custom),
        message_id=message_id,
        campaign_id=mail.campaign_id_of(custom, *campaigns),
        url=url,
        ip=mail.text_at(sent, "ip"),
        user_agent=mail.text_at(sent, "user_agent"),
        automated=IMAGE_PROXY if kind.endswith("proxy_open") else "",
        details=details | {"list_id": list_id},
    )


def _custom(sent: dict[str, Any]) -> dict[str, Any]:
    """The sender's header ``X-Mailin-custom``, if it is a JSON object."""
    try:
        return parse_object(mail.text_at(sent, "X-Mailin-custom").encode())
    except Refused:
        return {}


SERVICE: Final = Service(_read_brevo, SHARED_SECRET)
