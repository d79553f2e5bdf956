"""Mailgun: one JSON object that carries its signature, HMAC-SHA256 over a time and a token.

200 is done and 406 is "do not send again"; any other answer is retried for eight hours. Wrong or stale signature: 406.
The signature does not cover the event, so a token is worth one request: a second one with it is answered 200 and does
nothing. Retries carry the signature of the first attempt, so a signature is good for as long as Mailgun retries; one
that is older than the memory of tokens must be fresh.
"""

from __future__ import annotations

import hmac
from typing import Any, Final

from app.collector.inbound import Delivery
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
from app.collector.webhooks import mail
from app.collector.webhooks.hook import Field, Hook, Service
from app.collector.webhooks.mail import MailEvent
from app.collector.webhooks.signatures import WINDOW_S, is_fresh, same, stale, whole_seconds, wrong
from streams.events.calls import parse
from streams.events.rejects import Refused

RETRIED_S: Final = 9 * 3600
"""How old a signature may be, if its token would be remembered."""

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
_BOTS: Final = {"apple": APPLE, "gmail": IMAGE_PROXY}


def _read(hook: Hook) -> Delivery:
    hook.only("POST")
    now_ms = hook.inbound.received_ms
    try:
        sent = parse(hook.inbound.body)
    except Refused:
        raise wrong(406) from None
    at_s, token = _signed(hook, mail.dig(sent, "signature"))
    if not is_fresh(at_s * 1000, now_ms, RETRIED_S if at_s * 1000 >= hook.replay.since_ms else WINDOW_S):
        raise stale(406)
    once = hook.request_id(token)
    if hook.replay.check(once, now_ms):
        return Delivery(once=once)
    delivery = mail.collect("mailgun", [hook.inbound.body], lambda sent: _event(hook, mail.dig(sent, "event-data")))
    delivery.once = once
    return delivery


def _signed(hook: Hook, block: Any) -> tuple[int, str]:
    """The signed time in seconds and the token, if the signature is right."""
    signed_at, token, signature = (mail.text(block, name) for name in ("timestamp", "token", "signature"))
    at_s = whole_seconds(signed_at)
    message = f"{signed_at}{token}".encode("utf-8", "surrogatepass")
    expected = hmac.new(hook.option("signing_key").encode(), message, "sha256").hexdigest()
    if not same(signature, expected) or at_s is None or not token:
        raise wrong(406)
    return at_s, token


def _event(hook: Hook, sent: Any) -> MailEvent | None:
    kind = mail.text(sent, "event")
    name = mail.known(_EVENTS, kind)
    if name is None or mail.text(sent, "reason").startswith("suppress-"):  # never sent to anybody
        return None
    custom = mail.dig(sent, "user-variables")
    bot = mail.text(sent, "client-info", "bot")
    message_id = mail.text(sent, "message", "headers", "message-id")
    return MailEvent(
        name,
        key=mail.text(sent, "id") or mail.made_id(kind, message_id, str(mail.dig(sent, "timestamp"))),
        email=mail.address(mail.dig(sent, "recipient")),
        at_ms=mail.epoch_ms(mail.dig(sent, "timestamp")),
        user_id=mail.user_of(hook, custom),
        message_id=message_id,
        campaign_id=mail.campaign_of(custom, mail.text(sent, "campaigns"), mail.text(sent, "tags")),
        url=mail.text(sent, "url"),
        ip=mail.text(sent, "ip"),
        user_agent=mail.text(sent, "client-info", "user-agent"),
        automated=_BOTS.get(bot, PROVIDER) if bot and name in {OPENED, CLICKED} else "",
        details=_details(name, sent),
    )


def _details(name: str, sent: Any) -> dict[str, str]:
    if name == BOUNCED:
        return mail.SOFT if mail.text(sent, "severity") == "temporary" else mail.HARD
    return {"kind": "all"} if name == UNSUBSCRIBED else {}


SERVICE: Final = Service(_read, {"signing_key": Field("the HTTP webhook signing key of the domain", required=True)})
