"""The messages of each kind of destination about the same two alerts, as tests/data/notify keeps them.

``python -m tests.support.notify_messages`` writes the files anew, for a change that is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from app.notify.alerts import Alert, read_alert
from app.notify.kinds.base import Delivery, Request
from app.notify.kinds.crm_fields import CrmFields
from app.notify.kinds.hubspot import HubSpot
from app.notify.kinds.mail import Mail
from app.notify.kinds.salesforce import Salesforce
from app.notify.kinds.slack import Slack
from app.notify.kinds.webhook import Webhook
from docs.record_examples import examples

FOLDER: Final = Path(__file__).parents[1] / "data" / "notify"
AT_MS: Final = 1_795_000_000_000
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FIELDS: Final = {"score": "score.published", "stage": "stage.name", "aliases": "lead.anonymous_ids"}
HUBSPOT: Final = CrmFields("email", "lead.email", FIELDS)
SALESFORCE: Final = CrmFields(
    "Leadglow_Id__c", "lead.lead_id", {f"Leadglow_{name.title()}__c": path for name, path in FIELDS.items()}
)


def alerts() -> tuple[Alert, Alert]:
    """Ana enters a stage and Bob leaves it, as in docs/records.md."""
    entered, left = examples()["entered"], examples()["left"]
    left = {**entered, **left, "subject": "bob", "data": {**entered["data"], **left["data"]}}
    return _about("ana", "Ana <b> & Co", entered), _about("bob", "Bob", left)


def _about(lead_id: str, name: str, event: dict[str, Any]) -> Alert:
    email = f"{lead_id}@acme.example"
    traits = {"title": "CTO", "name": name, "company": "Acme", "email": email, "owner": "eva@acme.example"}
    lead = {"lead_id": lead_id, "anonymous_ids": ["5f3c"], "traits": traits, "email": email}
    alert = read_alert(orjson.dumps({**event, "data": {**event["data"], "lead": lead}}))
    assert alert is not None
    return alert


def messages() -> Iterator[tuple[str, str]]:
    """Name of a file, message."""
    one, both = Delivery(alerts()[:1]), Delivery(alerts(), digest=True)
    slack = Slack("https://hooks.slack.com/services/T0/B0/secret")
    hook = Webhook("https://hooks.acme.example/leads", (SECRET,), {"x-api-key": "secret"})
    mail = Mail("smtp.acme.example", 587, "starttls", "leadglow@acme.example", ("sales@acme.example",), True)
    crm = Delivery(alerts())
    yield "slack.json", _text(slack.request(one, AT_MS))
    yield "slack-digest.json", _text(slack.request(both, AT_MS))
    yield "webhook.json", _text(hook.request(one, AT_MS))
    yield "webhook-digest.json", _text(hook.request(both, AT_MS))
    yield "hubspot.json", _text(HubSpot("secret", HUBSPOT).request(crm, AT_MS))
    force = Salesforce("https://acme.my.salesforce.com", "id", "secret", "Lead", SALESFORCE, token="secret")
    yield "salesforce-token.json", _text(force.token_request(), form=True)
    yield "salesforce.json", _text(force.request(crm, AT_MS))
    yield "mail.eml", _mail(mail, one)
    yield "mail-digest.eml", _mail(mail, both)


def _text(request: Request, form: bool = False) -> str:
    body = request.body.decode() if form else orjson.loads(request.body)
    shown = {"method": request.method, "url": request.url, "headers": request.headers, "body": body}
    return orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode() + "\n"


def _mail(mail: Mail, delivery: Delivery) -> str:
    """The mail with a fixed boundary between its parts, and line ends of files."""
    text = mail.message(delivery, AT_MS).as_bytes().decode().replace("\r\n", "\n")
    return re.sub(r"=+\d+==", "boundary", text)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in messages():
        (FOLDER / name).write_text(text)
