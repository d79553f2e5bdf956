"""What follows from the outcomes of a message about several alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from app.notify.breaker import Gate
from app.notify.dispatcher import Dispatcher, Target
from app.notify.kinds.base import Delivery
from app.notify.kinds.webhook import Webhook
from app.notify.metrics import Metrics
from app.notify.outcomes import DELIVERED, Outcome, Result
from app.notify.progress import Progress
from app.notify.routes import Destination, Route
from app.notify.waiting import Entry, Waiting
from streams.events.outgoing import Outgoing
from tests.support.receivers import alert_of

pytestmark = pytest.mark.asyncio


class Answers:
    """A sender with prepared outcomes; it remembers the alerts of each message."""

    last = ""

    def __init__(self, *outcomes: list[Outcome]) -> None:
        self.outcomes, self.messages = list(outcomes), list[list[str]]()

    async def send(self, delivery: Delivery) -> list[Outcome]:
        self.messages.append([alert.alert_id for alert in delivery.alerts])
        return self.outcomes.pop(0)

    async def close(self) -> None:
        pass


class Working:
    """A dispatcher with three alerts of three leads in one digest."""

    def __init__(self, sender: Answers, **options: Any) -> None:
        self.buried: list[Outgoing] = []
        self.waiting, self.progress = Waiting(1), Progress(0)
        target = Target(Destination("here", Webhook("http://127.0.0.1:9/", ()), 0, 1), sender, Gate())
        self.dispatcher = Dispatcher(
            Route("sales", "here", **options), target, self.waiting, self._bury, "undelivered", Metrics()
        )
        self.entries = [self._entry(number) for number in range(3)]
        for entry in self.entries:
            self.waiting.add(entry)

    def _entry(self, number: int) -> Entry:
        self.progress.note_read(number)
        return Entry(alert_of(f"a-{number}", f"lead-{number}"), self.progress, number, 0, group="digest")

    async def _bury(self, letters: Sequence[Outgoing]) -> None:
        self.buried += letters

    async def attempt(self) -> None:
        self.dispatcher._start_due()
        for task in list(self.dispatcher.in_flight):
            await task


async def test_a_digest_that_failed_is_sent_again_as_one_message() -> None:
    sender = Answers([Outcome(Result.RETRY, "status 500")] * 3)
    working = Working(sender)
    working.entries[1].attempts = 2  # it has failed before, with others

    await working.attempt()

    assert sender.messages == [["a-0", "a-1", "a-2"]]
    [due_ms] = {entry.due_ms for entry in working.entries}
    assert working.waiting.take(due_ms - 1) == []
    assert len(working.waiting.take(due_ms)) == 3


async def test_a_digest_that_is_refused_is_sent_alert_by_alert() -> None:
    refused = Outcome(Result.REFUSED, "status 413")
    sender = Answers([refused] * 3, [DELIVERED], [refused], [DELIVERED])
    working = Working(sender)

    for _ in range(4):
        await working.attempt()

    assert sender.messages[0] == ["a-0", "a-1", "a-2"]
    assert sorted(sender.messages[1:]) == [["a-0"], ["a-1"], ["a-2"]]
    assert [dict(letter.headers)["reason"] for letter in working.buried] == [b"status 413"]
    assert (working.waiting.count, working.progress.next) == (0, 3)
