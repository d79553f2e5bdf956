"""Signed webhooks, as https://www.standardwebhooks.com describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook as Signer

from app.notify.kinds.base import USER_AGENT, Answer, Delivery, Request, same_for_all
from app.notify.outcomes import Outcome

ONE: Final = "application/cloudevents+json"
MANY: Final = "application/cloudevents-batch+json"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook; a message has the record of handoff as it is, and a digest a list of them."""

    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """It is signed by each, so that a secret can be changed; ``whsec_`` and base64."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    most: int = 1

    def request(self, delivery: Delivery, now_ms: int) -> Request:
        """The signed request."""
        bodies = [alert.raw for alert in delivery.alerts]
        body = b"[" + b",".join(bodies) + b"]" if delivery.digest else bodies[0]
        at = datetime.fromtimestamp(now_ms // 1000, UTC)
        signatures = [Signer(secret).sign(delivery.delivery_id, at, body.decode()) for secret in self.secrets]
        signed = {"webhook-signature": " ".join(signatures)} if signatures else {}
        headers = {
            **self.headers,
            "content-type": MANY if delivery.digest else ONE,
            "user-agent": USER_AGENT,
            "webhook-id": delivery.delivery_id,
            "webhook-timestamp": str(now_ms // 1000),
            **signed,
        }
        return Request("POST", self.url, headers, body)

    def outcomes(self, delivery: Delivery, answer: Answer, now_ms: int) -> list[Outcome]:
        """By the status alone: a receiver may answer anything with it."""
        return same_for_all(delivery, answer, now_ms)
