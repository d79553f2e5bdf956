"""Mandrill: a form with a JSON array, signed with HMAC-SHA1 over the webhook's URL and the form's fields.

Any answer but 200 is retried. Wrong signature: 403. No time is signed; repeated requests have the same event ids, so
they count once. During set-up Mandrill sends HEAD, then an empty list of events, signed with a well-known key.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from typing import Any, Final

from app.collector.inbound import Delivery
from app.collector.vocabulary import BOUNCED, CLICKED, DELIVERED, OPENED, SPAM, UNSUBSCRIBED
from app.collector.webhooks import mail
from app.collector.webhooks.hook import Field, Service, WebhookRequest
from app.collector.webhooks.mail import MailEvent
from app.collector.webhooks.payloads import bytes_of, form_of, split_array
from app.collector.webhooks.signatures import is_equal, wrong_signature
from streams.events.times import parse_ms

SIGNATURE: Final = "x-mandrill-signature"
_SETUP_KEY: Final = "test-webhook"

_EVENTS: Final[dict[str, tuple[str, dict[str, str]] | None]] = {
    "delivered": (DELIVERED, {}),
    "open": (OPENED, {}),
    "click": (CLICKED, {}),
    "hard_bounce": (BOUNCED, mail.HARD),
    "soft_bounce": (BOUNCED, mail.SOFT),
    "spam": (SPAM, {}),
    "unsub": (UNSUBSCRIBED, {"kind": "all"}),
    "send": None,
    "deferral": None,
    "reject": None,
    "inbound": None,
    "whitelist": None,
    "blacklist": None,
    "allowlist": None,
    "denylist": None,
}


def _read_mandrill(hook: WebhookRequest) -> Delivery:
    hook.require_method("POST", "HEAD")
    if hook.inbound.method == "HEAD":
        return Delivery()
    form = form_of(hook.inbound.body)
    signature = hook.inbound.header(SIGNATURE)
    events = dict(form).get("mandrill_events", "")
    if not is_equal(signature, _signature(hook.option("key"), hook.option("url"), form)):
        if events == "[]" and is_equal(signature, _signature(_SETUP_KEY, hook.option("url"), form)):
            return Delivery()
        raise wrong_signature(403)
    return mail.collect_calls("mandrill", split_array(bytes_of(events)), lambda sent: _mandrill_events(hook, sent))


def _signature(key: str, url: str, form: list[tuple[str, str]]) -> str:
    signed = url + "".join(name + value for name, value in sorted(form))
    return base64.b64encode(hmac.digest(key.encode(), bytes_of(signed), "sha1")).decode()


def _mandrill_events(hook: WebhookRequest, sent: dict[str, Any]) -> Iterable[MailEvent]:
    kind = mail.text_at(sent, "event") or mail.text_at(sent, "type")
    what = mail.row_of(_EVENTS, kind)
    if what is None:
        return
    name, details = what
    message_id = mail.text_at(sent, "_id") or mail.text_at(sent, "msg", "_id")
    url, email = mail.text_at(sent, "url"), mail.address_of(mail.value_at(sent, "msg", "email"))
    custom = mail.value_at(sent, "msg", "metadata")
    yield MailEvent(
        name,
        key=mail.derived_id(
            kind, message_id or email.lower(), str(sent.get("ts")), url
        ),  # `_id` is the id of the message, not of the event
        email=email,
        at_ms=parse_ms(sent.get("ts")),
        user_id=mail.user_id_of(hook, custom),
        message_id=message_id,
        campaign_id=mail.campaign_id_of(custom, mail.text_at(sent, "msg", "tags")),
        url=url,
        ip=mail.text_at(sent, "ip"),
        user_agent=mail.text_at(sent, "user_agent"),
        details=details,
    )


SERVICE: Final = Service(
    _read_mandrill,
    {
        "key": Field("the webhook's authentication key", required=True),
        "url": Field("the webhook's address exactly as Mandrill has it; it is part of what is signed", required=True),
    },
)
