"""Events as mail services really send them, with the right outcome: one file for each thing that they show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.collector.inbound import Call, Inbound
from tests.support import mail_services as services
from tests.support.mail_services import read

FOLDER = Path(__file__).parents[1] / "data" / "doors" / "webhooks"
SIGNED: dict[str, Callable[[Any, str], Inbound]] = {
    "sendgrid": lambda sent, _: services.sendgrid(sent.encode() if isinstance(sent, str) else sent),
    "mailgun": lambda sent, _: services.mailgun(sent),
    "postmark": lambda sent, _: services.postmark(sent),
    "brevo": lambda sent, _: services.brevo(sent),
    "resend": services.resend,
    "mandrill": lambda sent, _: services.mandrill(sent),
    "mailchimp": lambda sent, _: services.mailchimp(sent),
    "ses": lambda sent, number: services.ses(services.notification(sent, number)),
}


def shown(call: Call, wanted: dict[str, Any]) -> dict[str, Any]:
    """The fields of a call that a case names; None for one that is missing."""
    found = {**call, **call["context"]["traits"], **call["properties"]}
    return {name: found.get(name) for name in wanted}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_real_events_have_the_right_outcome(path: Path) -> None:
    content = json.loads(path.read_text())
    ids = []
    for number, case in enumerate(content["cases"]):
        delivery = read(content["service"], SIGNED[content["service"]](case["sent"], f"request-{number}"))
        about = f"{content['about']} Case {number}."
        assert len(delivery.calls) == len(case["gives"]), about
        for call, wanted in zip(delivery.calls, case["gives"], strict=True):
            assert shown(call, wanted) == wanted, about
        assert {bad.reason for bad in delivery.bad} == set(case.get("rejected", ())), about
        ids += [call["messageId"] for call in delivery.calls]
    assert len(set(ids)) == len(ids)
