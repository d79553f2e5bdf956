"""Sends one example to the destination of a route."""

from __future__ import annotations

import uuid

import orjson

from app.notify.alerts import Alert, read_alert
from app.notify.kinds.base import Delivery, first_words
from app.notify.outcomes import DELIVERED
from app.notify.routes import Route, Routes
from app.notify.sender import make_sender
from streams.schemas import RECORDS


def example_alert(alert_id: str) -> Alert:
    """The alert of the documentation, with another id."""
    event = RECORDS["handoff-event"].example() | {"id": alert_id}
    alert = read_alert(orjson.dumps(event))
    assert alert is not None
    return alert


async def send_example(routes: Routes, route: Route) -> tuple[bool, str]:
    """Send an example; returns whether it was delivered, and lines for people."""
    sender = make_sender(routes.destinations[route.to])
    alert = example_alert(str(uuid.uuid4()))
    try:
        [outcome] = await sender.send(Delivery((alert,)))
    finally:
        await sender.close()
    answer = getattr(sender, "last", None)
    lines = [f"{route.name} -> {route.to}: {outcome.result}{outcome.reason and f' ({outcome.reason})'}"]
    if answer is not None:
        lines.append(f"status {answer.status}: {first_words(answer.body.decode(errors='replace'))}")
    return outcome == DELIVERED, "\n".join(lines)
