"""Salesforce: creates or updates records by an external id, up to 200 in one request."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import orjson

from app.notify.alerts import Alert
from app.notify.kinds.base import USER_AGENT, Answer, Delivery, Request, first_words, refused, same_for_all
from app.notify.kinds.crm_fields import CrmFields
from app.notify.outcomes import DELIVERED, Outcome, Result

MOST: Final = 200
VERSION: Final = "v62.0"
_BUSY: Final = frozenset({"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})
"""Codes of errors that pass."""


@dataclass(frozen=True, slots=True)
class Salesforce:
    """An organization of Salesforce."""

    url: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    sobject: str
    """``Lead`` or ``Contact``."""
    crm: CrmFields
    token: str = field(default="", repr=False)
    most: int = MOST

    def token_request(self) -> Request:
        """The request for a token, by the client credentials flow of OAuth."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "user-agent": USER_AGENT}
        return Request("POST", f"{self.url}/services/oauth2/token", headers, urlencode(form).encode())

    def with_token(self, answer: Answer) -> Salesforce | None:
        """The same with the token of an answer; None if it has none, or is of another site."""
        try:
            found = orjson.loads(answer.body)
            token, site = found["access_token"], urlsplit(found.get("instance_url") or self.url)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            return None
        same = site.hostname == urlsplit(self.url).hostname
        plain = isinstance(token, str) and token.isascii() and token.isprintable()
        return replace(self, token=token) if answer.status == 200 and plain and same else None

    def without_token(self) -> Salesforce:
        """The same, before it gets a token."""
        return replace(self, token="")

    def request(self, delivery: Delivery, now_ms: int) -> Request:
        """The upsert of all alerts that have a key."""
        records = [self._record(alert) for alert in delivery.alerts if self.crm.key_of(alert)]
        path = f"/services/data/{VERSION}/composite/sobjects/{quote(self.sobject)}/{quote(self.crm.key)}"
        headers = {
            "authorization": f"Bearer {self.token}",
            "content-type": "application/json",
            "user-agent": USER_AGENT,
        }
        return Request("PATCH", self.url + path, headers, orjson.dumps({"allOrNone": False, "records": records}))

    def _record(self, alert: Alert) -> dict[str, Any]:
        return {
            "attributes": {"type": self.sobject},
            self.crm.key: self.crm.key_of(alert),
            **self.crm.values(alert),
        }

    def outcomes(self, delivery: Delivery, answer: Answer, now_ms: int) -> list[Outcome]:
        """By the status, and then of each record, in the order of the request."""
        outcomes = same_for_all(delivery, answer, now_ms)
        if outcomes[0] != DELIVERED:
            return outcomes
        try:
            rows = orjson.loads(answer.body)
            found = [_outcome(row) for row in rows]
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            found = []
        if len(found) != len(delivery.alerts):
            return [Outcome(Result.RETRY, "the answer is not that of Salesforce")] * len(delivery.alerts)
        return found


def _outcome(row: dict[str, Any]) -> Outcome:
    if row["success"] is True:
        return DELIVERED
    errors = row.get("errors") or [{}]
    code = first_words(errors[0].get("statusCode", ""))
    if code in _BUSY:
        return Outcome(Result.RETRY, code)
    return refused(f"Salesforce refused it: {code} {first_words(errors[0].get('message', ''))}")
