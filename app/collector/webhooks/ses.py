"""Amazon SES through SNS: an envelope signed with RSA, with an event inside as JSON text.

SNS retries after any status except 2xx and 4xx, and after 15 s without a response. Wrong signature, old message, other
topic: 403. A repeated message has the same id: one that was accepted already gets the same response, and has no effect.
The first message asks to confirm the subscription: ``Delivery.confirm_url`` is the URL to fetch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from app.collector.inbound import Delivery
from app.collector.vocabulary import BOUNCED, CLICKED, DELIVERED, OPENED, SPAM, SUBSCRIBED, UNSUBSCRIBED
from app.collector.webhooks import mail, sns
from app.collector.webhooks.hook import Field, Service, WebhookRequest
from app.collector.webhooks.mail import MailEvent
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
    "Received": None,
    "AmazonSnsSubscriptionSucceeded": None,
}
"""Our name of the event, and the object with its details."""
_RECIPIENTS: Final = {BOUNCED: "bouncedRecipients", SPAM: "complainedRecipients", DELIVERED: "recipients"}
_NO_COMPLAINTS: Final = frozenset({"not-spam", "auth-failure", "virus"})
"""Feedback of mailbox services that is no complaint of a person."""
_GREETING: Final = "Successfully validated SNS topic"
"""The message, not in JSON, that SES sends when a topic is set up."""


def _read_ses(hook: WebhookRequest) -> Delivery:
    hook.require_method("POST")
    envelope = sns.open_envelope(hook)
    if envelope.type != sns.NOTIFICATION:
        return Delivery(confirm_url=envelope.subscribe_url)
    request_id = hook.request_id_of(envelope.message_id)
    if hook.accepted.contains(request_id, hook.inbound.received_ms) or envelope.message.startswith(_GREETING):
        return Delivery(request_id=request_id)
    raw = envelope.message.encode("utf-8", "surrogatepass")
    delivery = mail.collect_calls("ses", [raw], lambda sent: _ses_events(hook, sent, envelope.message_id))
    delivery.request_id = request_id
    return delivery


def _ses_events(hook: WebhookRequest, sent: dict[str, Any], message_id: str) -> Iterable[MailEvent]:
    """One event for each recipient."""
    what = mail.row_of(_EVENTS, mail.text_at(sent, "eventType") or mail.text_at(sent, "notificationType"))
    if what is None:
        return []
    name, place = what
    about = sent.get(place)
    if _was_never_sent(about) or mail.text_at(about, "complaintFeedbackType") in _NO_COMPLAINTS:
        return []
    recipients = _recipients(name, sent, about)
    many = len(recipients) > 1
    return [
        _ses_event(hook, name, f"{message_id}:{i}" if many else message_id, recipient, (sent, about))
        for i, recipient in enumerate(recipients)
    ]


def _was_never_sent(about: Any) -> bool:
    return any(mail.was_never_sent(mail.text_at(about, field)) for field in ("bounceSubType", "complaintSubType"))


def _recipients(name: str, sent: dict[str, Any], about: Any) -> list[str]:
    """The recipients of an event; of several SES does not know who opened, clicked or complained.

    Raises:
        NoRecipient: there is none, or it is one of several.
    """
    place = _RECIPIENTS.get(name)
    items = mail.list_at(about, place) if place else mail.list_at(sent, "mail", "destination")
    if len(items) > 1 and name not in {BOUNCED, DELIVERED}:
        items = []
    found = [mail.address_of(item if isinstance(item, str) else mail.value_at(item, "emailAddress")) for item in items]
    if not any(found):
        sentence = "SES does not say which recipient the event is about"
        raise mail.NoRecipient(sentence)
    return [address for address in found if address]


def _ses_event(
    hook: WebhookRequest, name: str, key: str, recipient: str, notification: tuple[dict[str, Any], Any]
) -> MailEvent:
    sent, about = notification
    tags = mail.value_at(sent, "mail", "tags")
    several = len(mail.list_at(sent, "mail", "destination")) > 1  # the tags are those of the mail
    details = _details(name, about)
    if name == UNSUBSCRIBED and not _opted_out(about):
        name = SUBSCRIBED
    return MailEvent(
        name,
        key=key,
        email=recipient,
        at_ms=parse_ms(mail.text_at(about, "timestamp") or mail.text_at(sent, "mail", "timestamp")),
        user_id="" if several else mail.user_id_of(hook, tags),
        message_id=mail.text_at(sent, "mail", "messageId"),
        campaign_id=mail.campaign_id_of(tags),
        url=mail.text_at(about, "link"),
        ip=mail.text_at(about, "ipAddress"),
        user_agent=mail.text_at(about, "userAgent") if name in {OPENED, CLICKED} else "",
        details=details,
    )


def _details(name: str, about: Any) -> dict[str, str]:
    if name == BOUNCED:
        return mail.HARD if mail.text_at(about, "bounceType") == "Permanent" else mail.SOFT
    if name == UNSUBSCRIBED:
        everything = mail.value_at(about, "newTopicPreferences", "unsubscribeAll") is True
        return {"kind": "all" if everything else "topic", "list_id": mail.text_at(about, "contactList")}
    return {}


def _opted_out(about: Any) -> bool:
    """Whether a change of preferences opts out of a topic."""
    if mail.value_at(about, "newTopicPreferences", "unsubscribeAll") is True:
        return True
    return bool(
        _topics_out(mail.value_at(about, "newTopicPreferences"))
        - _topics_out(mail.value_at(about, "oldTopicPreferences"))
    )


def _topics_out(preferences: Any) -> set[str]:
    listed = mail.value_at(preferences, "topicSubscriptionStatus") or mail.value_at(
        preferences, "topicDefaultSubscriptionStatus"
    )
    topics = listed if isinstance(listed, list) else []
    return {
        mail.text_at(topic, "topicName") for topic in topics if mail.text_at(topic, "subscriptionStatus") == "OptOut"
    }


SERVICE: Final = Service(
    _read_ses,
    {"topics": Field("the ARNs of the SNS topics that may publish here, with blanks between them", required=True)},
)
