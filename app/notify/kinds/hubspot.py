"""HubSpot: creates or updates contacts, up to 100 in one request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from app.notify.alerts import Alert
from app.notify.kinds.base import USER_AGENT, Answer, Delivery, Request, first_words, refused, same_for_all
from app.notify.kinds.crm_fields import CrmFields
from app.notify.outcomes import DELIVERED, Outcome, Result

URL: Final = "https://api.hubapi.com"
MOST: Final = 100
_PATH: Final = "/crm/v3/objects/contacts/batch/upsert"
_SOME_FAILED: Final = 207


@dataclass(frozen=True, slots=True)
class HubSpot:
    """An account of HubSpot."""

    token: str = field(repr=False)
    crm: CrmFields
    url: str = URL
    most: int = MOST

    def request(self, delivery: Delivery, now_ms: int) -> Request:
        """The upsert of all alerts that have a key."""
        inputs = [self._input(alert) for alert in delivery.alerts if self.crm.key_of(alert)]
        headers = {
            "authorization": f"Bearer {self.token}",
            "content-type": "application/json",
            "user-agent": USER_AGENT,
        }
        return Request("POST", self.url + _PATH, headers, orjson.dumps({"inputs": inputs}))

    def _input(self, alert: Alert) -> dict[str, Any]:
        return {
            "id": self.crm.key_of(alert),
            "idProperty": self.crm.key,
            "objectWriteTraceId": alert.alert_id,
            "properties": {name: _text(value) for name, value in self.crm.values(alert).items()},
        }

    def outcomes(self, delivery: Delivery, answer: Answer, now_ms: int) -> list[Outcome]:
        """By the status; with 207 those are delivered that the answer lists."""
        if answer.status != _SOME_FAILED:
            return same_for_all(delivery, answer, now_ms)
        try:
            found = orjson.loads(answer.body)
            written = {str(row["objectWriteTraceId"]) for row in found["results"]}
            messages = [first_words(error.get("message", "")) for error in found.get("errors", ())]
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return [Outcome(Result.RETRY, "the answer is not that of HubSpot")] * len(delivery.alerts)
        why = refused(f"HubSpot refused it: {'; '.join(messages)}")
        return [DELIVERED if alert.alert_id in written else why for alert in delivery.alerts]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
