"""Postmark: one JSON object per request, not signed; a password in the webhook's URL, or in a header of your choice.

200 is success; 403 is never retried. Wrong secret: 403. Repeated requests have the same event ids, so they count once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from app.collector.inbound import Delivery, Refusal
from app.collector.vocabulary import BOUNCED, CLICKED, DELIVERED, OPENED, SPAM, SUBSCRIBED, UNSUBSCRIBED
from app.collector.webhooks import mail
from app.collector.webhooks.hook import Field, Service, WebhookRequest
from app.collector.webhooks.mail import MailEvent
from app.collector.webhooks.signatures import has_secret
from streams.events.times import parse_ms

_EVENTS: Final[dict[str, str | None]] = {
    "Delivery": DELIVERED,
    "Open": OPENED,
    "Click": CLICKED,
    "Bounce": BOUNCED,
    "SpamComplaint": SPAM,
    "SubscriptionChange": UNSUBSCRIBED,
    "SMTPApiError": None,
    "Inbound": None,
}
_BOUNCES: Final[dict[str, tuple[str, dict[str, str]] | None]] = {
    "HardBounce": (BOUNCED, mail.HARD),
    "BadEmailAddress": (BOUNCED, mail.HARD),
    "SpamNotification": (SPAM, {}),
    "SpamComplaint": (SPAM, {}),
    "ManualSuppression": (UNSUBSCRIBED, {"kind": "all"}),
    "Unsubscribe": (UNSUBSCRIBED, {"kind": "all"}),
    "Subscribe": (SUBSCRIBED, {}),
    "Transient": None,  # will be tried again
    "DnsError": None,
    "ManuallyDeactivated": None,  # by the sender
    "AutoResponder": None,
    "AddressChange": None,
    "ChallengeVerification": None,
    "OpenRelayTest": None,
    "Unconfirmed": None,
    "SMTPApiError": None,
    "InboundError": None,
    "TemplateRenderingFailed": None,
}
"""Types of bounces and suppressions; other types are soft bounces."""
_KINDS_BY_FIELD: Final = {
    "Type": "Bounce",
    "SuppressSending": "SubscriptionChange",
    "FirstOpen": "Open",
    "OriginalLink": "Click",
    "DeliveredAt": "Delivery",
    "FromFull": "Inbound",
}
"""A field that only one kind of event has: older webhooks have no ``RecordType``."""
_SENDERS: Final = frozenset({"Customer", "Admin"})
"""Origins of a change that the recipient did not make."""
_TIMES: Final = ("ReceivedAt", "DeliveredAt", "BouncedAt", "ChangedAt")


def _read_postmark(hook: WebhookRequest) -> Delivery:
    hook.require_method("POST")
    if not has_secret(hook.inbound, hook.options):
        sentence = "The secret is missing or wrong: check the webhook's URL or headers in Postmark."
        raise Refusal(403, "bad_credentials", sentence)
    return mail.collect_calls("postmark", [hook.inbound.body], lambda sent: _postmark_events(hook, sent))


def _postmark_events(hook: WebhookRequest, sent: dict[str, Any]) -> Iterable[MailEvent]:
    what = _what(sent)
    if what is None:
        return
    name, details = what
    email = mail.address_of(mail.text_at(sent, "Recipient") or mail.text_at(sent, "Email"))
    said_at = next(filter(None, (mail.text_at(sent, field) for field in _TIMES)), "")
    message_id = mail.text_at(sent, "MessageID")
    url = mail.text_at(sent, "OriginalLink")
    # A hard bounce is reported as a bounce and as a suppression, at different times: one event.
    when = "" if message_id and name in {BOUNCED, SPAM} else said_at
    custom = sent.get("Metadata")
    yield MailEvent(
        name,
        key=mail.derived_id(message_id, name, details.get("kind", ""), email.lower(), when, url),
        email=email,
        at_ms=parse_ms(said_at),
        user_id=mail.user_id_of(hook, custom),
        message_id=message_id,
        campaign_id=mail.campaign_id_of(custom, mail.text_at(sent, "Tag")),
        url=url,
        ip=mail.text_at(sent, "Geo", "IP"),
        user_agent=mail.text_at(sent, "UserAgent"),
        details=details,
    )


def _what(sent: dict[str, Any]) -> tuple[str, dict[str, str]] | None:
    """The name of the event, and its kind."""
    kind = mail.text_at(sent, "RecordType") or next(
        (_KINDS_BY_FIELD[key] for key in sent if key in _KINDS_BY_FIELD), ""
    )
    name = mail.row_of(_EVENTS, kind)
    if kind == "Bounce":
        return _BOUNCES.get(mail.text_at(sent, "Type"), (BOUNCED, mail.SOFT))
    if kind == "SubscriptionChange":
        return _change(sent)
    return None if name is None else (name, {})


def _change(sent: dict[str, Any]) -> tuple[str, dict[str, str]] | None:
    """A change of the suppression list: nothing if the sender made it, by hand or by the API."""
    again = sent.get("SuppressSending") is False
    what = _BOUNCES.get(mail.text_at(sent, "SuppressionReason"), (UNSUBSCRIBED, {"kind": "all"}))
    if mail.text_at(sent, "Origin") in _SENDERS and (again or what is None or what[0] == UNSUBSCRIBED):
        return None
    return (SUBSCRIBED, {}) if again else what


SHARED_SECRET: Final = {
    "secret": Field("`user:password` of the webhook's URL, or a token", required=True),
    "header": Field("the header that shows it; `Authorization` if not given"),
}
SERVICE: Final = Service(_read_postmark, SHARED_SECRET)
