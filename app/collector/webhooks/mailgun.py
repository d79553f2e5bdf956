"""Mailgun: one JSON object with its signature, HMAC-SHA256 over a time and a token; or a form, as in the past.

200 means success, 406 "do not retry"; any other status is retried for eight hours. Wrong or stale signature: 406. The
signature does not cover the event, so each token is valid for one request: a second one gets 200 and has no effect.
Retries have the signature of the first attempt, so a signature is valid as long as Mailgun retries, but must be fresh
if it is older than the memory of tokens.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any, Final

from app.collector.inbound import Delivery, Inbound
from app.collector.vocabulary import (
    APPLE,
    BOUNCED,
    CLICKED,
    DELIVERED,
    IMAGE_PROXY,
    OPENED,
    PROVIDER,
    SPAM,
    UNSUBSCRIBED,
)
from app.collector.webhooks import mail, mailgun_legacy
from app.collector.webhooks.hook import Field, Service, WebhookRequest
from app.collector.webhooks.mail import MailEvent
from app.collector.webhooks.payloads import fields_of, parse_object
from app.collector.webhooks.signatures import (
    WINDOW_S,
    is_equal,
    is_fresh,
    stale_signature,
    whole_seconds,
    wrong_signature,
)
from streams.events.rejects import Refused
from streams.events.times import parse_ms

RETRIED_S: Final = 9 * 3600
"""Greatest age of a signature whose token would be remembered."""

_EVENTS: Final[dict[str, str | None]] = {
    "delivered": DELIVERED,
    "opened": OPENED,
    "clicked": CLICKED,
    "failed": BOUNCED,
    "complained": SPAM,
    "unsubscribed": UNSUBSCRIBED,
    "accepted": None,
    "rejected": None,
    "stored": None,
}
_SOFT: Final = frozenset({"old", "espblock", "greylisted"})
"""Reasons of final failures that do not condemn the address: too many tries, or the mail itself."""
_BOTS: Final = {"apple": APPLE, "gmail": IMAGE_PROXY}


def _read_mailgun(hook: WebhookRequest) -> Delivery:
    hook.require_method("POST")
    now_ms = hook.inbound.received_ms
    sent = _body_of(hook.inbound)
    at_s, token = _signed(hook, mail.value_at(sent, "signature"))
    if not is_fresh(at_s * 1000, now_ms, RETRIED_S if at_s * 1000 >= hook.accepted.since_ms else WINDOW_S):
        raise stale_signature(406)
    request_id = hook.request_id_of(token)
    if hook.accepted.contains(request_id, now_ms):
        return Delivery(request_id=request_id)
    delivery = mail.collect_calls(
        "mailgun",
        [hook.inbound.body],
        lambda sent: _mailgun_events(hook, mail.value_at(sent, "event-data")),
        lambda _: sent,
    )
    delivery.request_id = request_id
    return delivery


def _body_of(inbound: Inbound) -> dict[str, Any]:
    try:
        return parse_object(inbound.body)
    except Refused:
        return mailgun_legacy.to_current(fields_of(inbound))


def _signed(hook: WebhookRequest, block: Any) -> tuple[int, str]:
    """The signed time in seconds and the token, if a signature is right: the account's, or that of its parent."""
    signed_at, token = (mail.text_at(block, name) for name in ("timestamp", "token"))
    signatures = [mail.text_at(block, name) for name in ("signature", "parent-signature")]
    at_s = whole_seconds(signed_at)
    message = f"{signed_at}{token}".encode("utf-8", "surrogatepass")
    expected = hmac.new(hook.option("signing_key").encode(), message, "sha256").hexdigest()
    if not any(is_equal(each, expected) for each in signatures) or at_s is None or not token:
        raise wrong_signature(406)
    return at_s, token


def _mailgun_events(hook: WebhookRequest, sent: Any) -> Iterable[MailEvent]:
    kind = mail.text_at(sent, "event")
    name = mail.row_of(_EVENTS, kind)
    if name is None or mail.was_never_sent(mail.text_at(sent, "reason")):
        return
    if name == BOUNCED and mail.text_at(sent, "severity") == "temporary":  # will be tried again
        return
    custom = mail.value_at(sent, "user-variables")
    bot = mail.text_at(sent, "client-info", "bot")
    message_id = mail.text_at(sent, "message", "headers", "message-id")
    yield MailEvent(
        name,
        key=mail.text_at(sent, "id") or mail.derived_id(kind, message_id, str(mail.value_at(sent, "timestamp"))),
        email=mail.address_of(mail.value_at(sent, "recipient")),
        at_ms=parse_ms(mail.value_at(sent, "timestamp")),
        user_id=mail.user_id_of(hook, custom),
        message_id=message_id,
        campaign_id=mail.campaign_id_of(custom, mail.text_at(sent, "campaigns"), mail.text_at(sent, "tags")),
        url=mail.text_at(sent, "url"),
        ip=mail.text_at(sent, "ip"),
        user_agent=mail.text_at(sent, "client-info", "user-agent"),
        automated=_BOTS.get(bot, PROVIDER) if bot and name in {OPENED, CLICKED} else "",
        details=_details(name, sent),
    )


def _details(name: str, sent: Any) -> dict[str, str]:
    if name == BOUNCED:
        kind, reason = mail.text_at(sent, "delivery-status", "bounce-type"), mail.text_at(sent, "reason")
        return mail.SOFT if kind == "soft" or reason in _SOFT else mail.HARD
    return {"kind": "all"} if name == UNSUBSCRIBED else {}


SERVICE: Final = Service(
    _read_mailgun, {"signing_key": Field("the HTTP webhook signing key of the domain", required=True)}
)
