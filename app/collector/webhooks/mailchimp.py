"""Mailchimp's audience webhooks: unsigned forms, with a secret in the address, ``/webhooks/NAME?secret=...``.

During set-up it sends GET and expects 200. Wrong secret: 403. Repeated requests have the same event ids, so they count
once. Mailchimp reports neither opens nor clicks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.collector.inbound import Delivery, Refusal
from app.collector.vocabulary import BOUNCED, SPAM, SUBSCRIBED, UNSUBSCRIBED
from app.collector.webhooks import mail
from app.collector.webhooks.hook import Field, Service, WebhookRequest
from app.collector.webhooks.mail import MailEvent
from app.collector.webhooks.payloads import fields_of
from app.collector.webhooks.signatures import is_equal
from streams.events.times import parse_ms

_EVENTS: Final[dict[str, str | None]] = {
    "subscribe": SUBSCRIBED,
    "unsubscribe": UNSUBSCRIBED,
    "cleaned": BOUNCED,
    "profile": None,
    "upemail": None,
    "campaign": None,
    "pending": None,
}
_MERGE: Final = "data[merges]["
_BY_THE_SENDER: Final = frozenset({"delete", "archive"})
"""Actions of an ``unsubscribe`` that tidies the list: the person did nothing."""


def _read_mailchimp(hook: WebhookRequest) -> Delivery:
    hook.require_method("POST", "GET", "HEAD")
    secret = hook.option("secret")
    if not secret or not is_equal(hook.inbound.parameter("secret"), secret):
        sentence = "The secret in the webhook's address is missing or wrong: check it in Mailchimp."
        raise Refusal(403, "bad_credentials", sentence)
    if hook.inbound.method != "POST":
        return Delivery()
    return mail.collect_calls(
        "mailchimp",
        [hook.inbound.body],
        lambda form: _mailchimp_events(hook, form),
        lambda _: dict(fields_of(hook.inbound)),
    )


def _mailchimp_events(hook: WebhookRequest, form: dict[str, str]) -> Iterable[MailEvent]:
    kind = form.get("type", "")
    name = mail.row_of(_EVENTS, kind)
    if name is None or form.get("data[action]") in _BY_THE_SENDER:
        return
    if form.get("data[reason]") == "abuse":
        name = SPAM
    details = {BOUNCED: mail.HARD, UNSUBSCRIBED: {"kind": "list"}}.get(name, {})
    email, list_id, fired_at = form.get("data[email]", ""), form.get("data[list_id]", ""), form.get("fired_at", "")
    merges = {key[len(_MERGE) : -1]: value for key, value in form.items() if key.startswith(_MERGE)}
    yield MailEvent(
        name,
        key=mail.derived_id(kind, list_id, email.lower(), fired_at),
        email=mail.address_of(email),
        at_ms=parse_ms(fired_at),  # in UTC, although it does not say so
        user_id=mail.user_id_of(hook, merges | {key.lower(): value for key, value in merges.items()}),
        campaign_id=form.get("data[campaign_id]", ""),
        ip=form.get("data[ip_opt]", ""),
        details=details | {"list_id": list_id},
    )


SERVICE: Final = Service(
    _read_mailchimp, {"secret": Field("what `?secret=` of the webhook's address must be", required=True)}
)
