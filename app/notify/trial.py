"""Sends one example to the destination of a route."""

from __future__ import annotations

import uuid
from typing import Final

import orjson

from app.notify.alerts import Alert, read_alert
from app.notify.kinds.base import Delivery
from app.notify.outcomes import DELIVERED, Result
from app.notify.routes import Route, Routes
from app.notify.sender import make_sender
from streams.schemas import RECORDS


def example_alert(alert_id: str) -> Alert:
    """The alert of the documentation, with another id."""
    event = RECORDS["handoff-event"].example() | {"id": alert_id}
    alert = read_alert(orjson.dumps(event))
    assert alert is not None
    return alert


_WORDS: Final = {
    Result.DELIVERED: "delivered",
    Result.RETRY: "not delivered; an alert would be tried again",
    Result.SLOW_DOWN: "not delivered; the receiver asks to wait",
    Result.REFUSED: "refused; an alert would become a dead letter",
    Result.GONE: "not delivered; the destination would be disabled",
}


async def send_example(routes: Routes, route: Route) -> tuple[bool, str]:
    """Send an example; returns whether it was delivered, and lines for people."""
    sender = make_sender(routes.destinations[route.to])
    alert = example_alert(str(uuid.uuid4()))
    try:
        [outcome] = await sender.send(Delivery((alert,)))
    finally:
        await sender.close()
    words = _WORDS[outcome.result] + (outcome.reason and f": {outcome.reason}")
    answer = [f"the receiver answered: {sender.last}"] if sender.last else []
    return outcome == DELIVERED, "\n".join([f"{route.name} -> {route.to}: {words}", *answer])
