"""Webhooks of mail services: one table, and one file for each service. Pure: no I/O and no clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.collector.inbound import Delivery, Inbound, Refusal
from app.collector.webhooks import brevo, mailchimp, mailgun, mandrill, postmark, resend, sendgrid, ses
from app.collector.webhooks.accepted_requests import AcceptedRequests
from app.collector.webhooks.hook import Service, WebhookRequest

PATH: Final = "/webhooks/{name}"
SERVICES: Final[Mapping[str, Service]] = {
    "sendgrid": sendgrid.SERVICE,
    "mailgun": mailgun.SERVICE,
    "postmark": postmark.SERVICE,
    "ses": ses.SERVICE,
    "resend": resend.SERVICE,
    "mandrill": mandrill.SERVICE,
    "mailchimp": mailchimp.SERVICE,
    "brevo": brevo.SERVICE,
}
"""``service`` in the keys file -> how its requests are read, and the fields of its webhooks."""

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    name: tuple(field for field, about in service.fields.items() if about.required)
    for name, service in SERVICES.items()
}
"""The fields that a webhook of each service must have in the keys file."""


def read_webhook(
    name: str,
    service: str,
    options: Mapping[str, Any],
    inbound: Inbound,
    accepted: AcceptedRequests,
    certificates: Mapping[str, bytes] | None = None,
) -> Delivery:
    """The delivery of a request to the webhook ``name``.

    When the calls are in Kafka, pass ``delivery.request_id`` to ``accepted.remember`` unless it is empty.

    Raises:
        Refusal: it is not from the service, or is too old.
        NeedsCertificate: only for ``ses``; fetch it, put it into ``certificates`` and read again.
    """
    row = SERVICES.get(service)
    if row is None:
        raise Refusal(
            404, "unknown_service", f"There is no mail service `{service}`: known services are {', '.join(SERVICES)}."
        )
    return row.read(WebhookRequest(name, options, inbound, accepted, certificates or {}))
