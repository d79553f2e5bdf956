"""Amazon SES through SNS: an envelope signed with RSA, in it an event as JSON text.

SNS does not retry 4xx, but anything else, and a time-out of 15 s. Wrong signature, old message, other topic: 403. SNS
repeats a message with the same id: one that was taken already is answered like the first time, and does nothing. The
first message asks to confirm the subscription: ``Delivery.confirm`` is the address to fetch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from app.collector.inbound import BadCall, Delivery
from app.collector.vocabulary import BOUNCED, CLICKED, DELIVERED, OPENED, SPAM, SUBSCRIBED, UNSUBSCRIBED
from app.collector.webhooks import mail, sns
from app.collector.webhooks.hook import Field, Hook, Service
from app.collector.webhooks.mail import MailEvent
from streams.events.calls import parse
from streams.events.rejects import Refused
from streams.events.times import parse_ms

_EVENTS: Final[dict[str, tuple[str, str] | None]] = {
    "Delivery": (DELIVERED, "delivery"),
    "Open": (OPENED, "open"),
    "Click": (CLICKED, "click"),
    "Bounce": (BOUNCED, "bounce"),
    "Complaint": (SPAM, "complaint"),
    "Subscription": (UNSUBSCRIBED, "subscription"),
    "Send": None,
    "Reject": None,
    "Rendering Failure": None,
    "DeliveryDelay": None,
    "AmazonSnsSubscriptionSucceeded": None,
}
"""Name, and the object of the event that has its particulars."""
_RECIPIENTS: Final = {BOUNCED: "bouncedRecipients", SPAM: "complainedRecipients", DELIVERED: "recipients"}
_GREETING: Final = "Successfully validated SNS topic"
"""What SES writes, not in JSON, when a topic is set up."""


def _read(hook: Hook) -> Delivery:
    hook.only("POST")
    envelope = sns.open_envelope(hook)
    if envelope.type != sns.NOTIFICATION:
        return Delivery(confirm=envelope.subscribe_url)
    once = hook.request_id(envelope.message_id)
    if hook.replay.check(once, hook.inbound.received_ms) or envelope.message.startswith(_GREETING):
        return Delivery(once=once)
    return _events(hook, envelope, once)


def _events(hook: Hook, envelope: sns.Envelope, once: str) -> Delivery:
    """One event for each address that it is about."""
    delivery = Delivery(once=once)
    raw = envelope.message.encode("utf-8", "surrogatepass")
    try:
        for event in _each(hook, parse(raw), envelope.message_id):
            delivery.calls.append(mail.call("ses", event))
    except Refused as refused:
        delivery.bad.append(BadCall(raw, refused.reject.reason, refused.reject.sentence))
    except mail.Unknown as unknown:
        delivery.bad.append(BadCall(raw, "unknown_type", f"ses reports {unknown}, which is not a known event"))
    except mail.NoRecipient:
        sentence = "SES does not say which recipient the event is about"
        delivery.bad.append(BadCall(raw, "no_lead", sentence))
    return delivery


def _each(hook: Hook, sent: dict[str, Any], message_id: str) -> Iterable[MailEvent]:
    what = mail.known(_EVENTS, mail.text(sent, "eventType") or mail.text(sent, "notificationType"))
    if what is None:
        return []
    name, place = what
    about = sent.get(place)
    recipients = _recipients(name, sent, about)
    many = len(recipients) > 1
    return [
        _event(hook, name, f"{message_id}:{i}" if many else message_id, recipient, (sent, about))
        for i, recipient in enumerate(recipients)
    ]


def _recipients(name: str, sent: dict[str, Any], about: Any) -> list[str]:
    """Whom an event is about: for opens and clicks SES only knows whom the message went to.

    Raises:
        NoRecipient: nobody, or one of several.
    """
    if name in _RECIPIENTS:
        listed = mail.dig(about, _RECIPIENTS[name])
    else:
        listed = mail.dig(sent, "mail", "destination")
        if isinstance(listed, list) and len(listed) > 1:
            raise mail.NoRecipient
    items = listed if isinstance(listed, list) else []
    found = [mail.address(item if isinstance(item, str) else mail.dig(item, "emailAddress")) for item in items]
    if not any(found):
        raise mail.NoRecipient
    return [address for address in found if address]


def _event(hook: Hook, name: str, key: str, recipient: str, told: tuple[dict[str, Any], Any]) -> MailEvent:
    sent, about = told
    tags = mail.dig(sent, "mail", "tags")
    details = _details(name, about)
    if name == UNSUBSCRIBED and not _opted_out(about):
        name = SUBSCRIBED
    return MailEvent(
        name,
        key=key,
        email=recipient,
        at_ms=parse_ms(mail.text(about, "timestamp") or mail.text(sent, "mail", "timestamp")),
        user_id=mail.user_of(hook, tags),
        message_id=mail.text(sent, "mail", "messageId"),
        campaign_id=mail.campaign_of(tags),
        url=mail.text(about, "link"),
        ip=mail.text(about, "ipAddress"),
        user_agent=mail.text(about, "userAgent") if name in {OPENED, CLICKED} else "",
        details=details,
    )


def _details(name: str, about: Any) -> dict[str, str]:
    if name == BOUNCED:
        return mail.HARD if mail.text(about, "bounceType") == "Permanent" else mail.SOFT
    if name == UNSUBSCRIBED:
        everything = mail.dig(about, "newTopicPreferences", "unsubscribeAll") is True
        return {"kind": "all" if everything else "topic", "list_id": mail.text(about, "contactList")}
    return {}


def _opted_out(about: Any) -> bool:
    """Whether a change of preferences takes something away."""
    if mail.dig(about, "newTopicPreferences", "unsubscribeAll") is True:
        return True
    return bool(
        _topics_out(mail.dig(about, "newTopicPreferences")) - _topics_out(mail.dig(about, "oldTopicPreferences"))
    )


def _topics_out(preferences: Any) -> set[str]:
    listed = mail.dig(preferences, "topicSubscriptionStatus") or mail.dig(preferences, "topicDefaultSubscriptionStatus")
    topics = listed if isinstance(listed, list) else []
    return {mail.text(topic, "topicName") for topic in topics if mail.text(topic, "subscriptionStatus") == "OptOut"}


SERVICE: Final = Service(
    _read,
    {"topics": Field("the ARNs of the SNS topics that may publish here, with blanks between them", required=True)},
)
