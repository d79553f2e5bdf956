"""Brevo: one JSON object per request, or an array with batching; not signed, but with a password or a token.

Wrong secret: 401. Repeated requests have the same event ids, so they count once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from app.collector.calls import parse_lenient
from app.collector.inbound import Delivery, Refusal
from app.collector.vocabulary import BOUNCED, CLICKED, DELIVERED, IMAGE_PROXY, OPENED, SPAM, SUBSCRIBED, UNSUBSCRIBED
from app.collector.webhooks import mail
from app.collector.webhooks.hook import Service, WebhookRequest
from app.collector.webhooks.mail import MailEvent
from app.collector.webhooks.payloads import parse_object, split_array
from app.collector.webhooks.postmark import SHARED_SECRET
from app.collector.webhooks.signatures import has_secret
from streams.events.rejects import Refused
from streams.events.times import parse_ms

_Details = dict[str, str]
_EVENTS: Final[dict[str, tuple[str, _Details] | None]] = {
    "delivered": (DELIVERED, {}),
    "opened": (OPENED, {}),
    "unique_opened": (OPENED, {}),
    "proxy_open": (OPENED, {}),
    "unique_proxy_open": (OPENED, {}),
    "click": (CLICKED, {}),
    "clicked": (CLICKED, {}),
    "hard_bounce": (BOUNCED, mail.HARD),
    "hard_bounced": (BOUNCED, mail.HARD),
    "invalid": (BOUNCED, mail.HARD),
    "invalid_email": (BOUNCED, mail.HARD),
    "soft_bounce": (BOUNCED, mail.SOFT),
    "soft_bounced": (BOUNCED, mail.SOFT),
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
    "inbound_email_processed": None,
    "unique_coupon_sent": None,
}
_INNER_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Where Brevo's other spelling, ``hardBounce``, has no underscore."""
_TIMES: Final = ("ts_epoch", "ts_event", "ts")
"""Fields with a time in UTC, the best one first."""


def _read_brevo(hook: WebhookRequest) -> Delivery:
    hook.require_method("POST")
    if not has_secret(hook.inbound, hook.options):
        sentence = "The secret is missing or wrong: check the webhook's authentication in Brevo."
        raise Refusal(401, "bad_credentials", sentence)
    return mail.collect_calls("brevo", split_array(hook.inbound.body), lambda sent: _brevo_events(hook, sent))


def _brevo_events(hook: WebhookRequest, sent: dict[str, Any]) -> Iterable[MailEvent]:
    """One event for each address."""
    kind = _INNER_CAPITAL.sub("_", mail.text_at(sent, "event")).lower()
    what = mail.row_of(_EVENTS, kind)
    if what is None:
        return []
    addresses = mail.list_at(sent, "email") or [""]
    return [_brevo_event(hook, sent, (kind, *what), each, len(addresses) > 1) for each in addresses]


def _brevo_event(
    hook: WebhookRequest, sent: dict[str, Any], what: tuple[str, str, _Details], address: Any, several: bool
) -> MailEvent:
    kind, name, details = what
    email = mail.address_of(address)
    said_at = next((sent[field] for field in _TIMES if parse_ms(sent.get(field))), None)
    message_id, url = _mail_id(sent, email), mail.text_at(sent, "link") or mail.text_at(sent, "URL")
    lists = [text for each in mail.list_at(sent, "list_id") if (text := mail.text_of(each))]
    made_at = str(said_at or mail.text_at(sent, "date") or mail.text_at(sent, "date_event"))
    custom = _custom(sent)
    campaigns = (mail.text_at(sent, field) for field in ("camp_id", "campaign name", "tags"))
    return MailEvent(
        name,
        key=mail.derived_id(kind, message_id, email.lower(), made_at, url, ",".join(lists)),
        email=email,
        at_ms=parse_ms(said_at),
        user_id="" if several else mail.user_id_of(hook, custom),
        message_id=message_id,
        campaign_id=mail.campaign_id_of(custom, *campaigns, _tag(sent)),
        url=url,
        ip=mail.text_at(sent, "ip"),
        user_agent=mail.text_at(sent, "user_agent"),
        automated=IMAGE_PROXY if kind.endswith("proxy_open") else "",
        details=details | {"list_id": lists[0] if len(lists) == 1 else lists},
    )


def _mail_id(sent: dict[str, Any], email: str) -> str:
    """The id of the mail; one of a campaign has none of its own, but goes to each address once."""
    campaign = mail.text_at(sent, "camp_id")
    given = mail.text_at(sent, "message-id")
    return given or (f"{campaign}:{mail.derived_id(email.lower())}" if campaign and email else "")


def _tag(sent: dict[str, Any]) -> str:
    """The first tag; several are a list, or the JSON text of one."""
    tag = mail.text_at(sent, "tag")
    if not tag.startswith("["):
        return tag
    try:
        return mail.text_at({"tags": parse_lenient(tag)}, "tags")
    except ValueError:
        return tag


def _custom(sent: dict[str, Any]) -> dict[str, Any]:
    """The sender's header ``X-Mailin-custom``, if it is a JSON object."""
    try:
        return parse_object(mail.text_at(sent, "X-Mailin-custom").encode())
    except Refused:
        return {}


SERVICE: Final = Service(_read_brevo, SHARED_SECRET)
