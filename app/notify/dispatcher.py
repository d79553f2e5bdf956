"""Sends the waiting alerts of one route, and decides what follows from each outcome."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from app.notify.breaker import Gate
from app.notify.dead_letters import dead_letter
from app.notify.kinds.base import Delivery
from app.notify.metrics import Metrics
from app.notify.outcomes import MAX_PAUSE_S, Outcome, Result, pause_s
from app.notify.routes import Destination, Route
from app.notify.sender import Sender
from app.notify.waiting import Entry, Waiting
from streams.clock import now_ms, now_ns
from streams.events.outgoing import Outgoing
from streams.tracing import Tracer

log = logging.getLogger(__name__)
LEAST_ATTEMPTS: Final = 5
"""An alert is tried so often at least, however old it is."""
IDLE_S: Final = 60.0
Reached = Callable[[str], Awaitable[None]]


async def reach_nothing(step: str) -> None:
    """For a process that no test ends at a step."""


@dataclass(slots=True)
class Target:
    """A destination with what all its routes share."""

    destination: Destination
    sender: Sender
    gate: Gate


@dataclass(slots=True)
class Dispatcher:
    """The sending half of a route."""

    route: Route
    target: Target
    waiting: Waiting
    bury: Callable[[Sequence[Outgoing]], Awaitable[object]]
    """Writes dead letters, and returns when Kafka has them."""
    topic: str
    """Of dead letters."""
    metrics: Metrics
    reached: Reached = reach_nothing
    tracer: Tracer | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    in_flight: set[asyncio.Task[None]] = field(default_factory=set)
    paused: bool = False
    """Whether nothing new is sent, while partitions change hands."""

    def late_s(self) -> float:
        """How long the first alert waits that could be sent."""
        now = now_ms()
        is_quiet = self.route.quiet is not None and self.route.quiet.until_ms(now) is not None
        return 0.0 if is_quiet else self.waiting.late_ms(now) / 1000

    async def run(self) -> None:
        """Send what is due; never returns."""
        while True:
            self.wake.clear()
            wait_s = self._start_due()
            try:
                await asyncio.wait_for(self.wake.wait(), wait_s)
            except TimeoutError:
                continue

    def _start_due(self) -> float:
        """Start all messages that may be sent now; returns how long nothing else is due."""
        gate = self.target.gate
        while not self.paused and len(self.in_flight) < self.target.destination.parallel:
            now = now_ms()
            quiet = self.route.quiet.until_ms(now) if self.route.quiet else None
            due, wait_ms = self.waiting.next_ms(), gate.wait_ms(now)
            if due is None or wait_ms is None:
                return 0.5 if wait_ms is None else IDLE_S
            at = max(due, now + wait_ms, quiet or 0)
            if at > now:
                return min((at - now) / 1000 + 0.001, IDLE_S)
            self._start(self.waiting.take(now), now)
        return IDLE_S

    def _start(self, entries: list[Entry], now: float) -> None:
        self.target.gate.begin(now)
        task = asyncio.create_task(self._attempt(entries))
        self.in_flight.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.in_flight.discard(task)
        self.wake.set()

    async def _attempt(self, entries: list[Entry]) -> None:
        """Send one message. Whatever happens, its alerts are finished or due again afterwards."""
        try:
            begin_ns = now_ns()
            await self.reached("sending")
            digest = bool(entries[0].group) and not entries[0].alone
            outcomes = await self.target.sender.send(Delivery(tuple(each.alert for each in entries), digest))
            if self.tracer is not None:
                self._trace(self.tracer, entries, outcomes, begin_ns)
            await self.reached("sent")
            self._tell_gate(outcomes)
            await self._settle(entries, outcomes)
        except Exception:
            log.exception("route %s: an attempt failed unexpectedly", self.route.name)
            for entry in entries:
                self.waiting.again(entry, now_ms() + MAX_PAUSE_S * 1000)
        finally:
            self.target.gate.abandon()
            self.waiting.release({entry.alert.lead_id for entry in entries})

    def _trace(self, tracer: Tracer, entries: list[Entry], outcomes: list[Outcome], begin_ns: int) -> None:
        for entry, outcome in zip(entries, outcomes, strict=True):
            event = tracer.find_cause(entry.alert.data)
            if event is not None:
                names = (self.route.name, entry.alert.alert_id, entry.attempts + 1)
                failed = outcome.result != Result.DELIVERED
                tracer.trace_attempt(event, names, (begin_ns, now_ns()), outcome.result, failed)

    def _tell_gate(self, outcomes: list[Outcome]) -> None:
        """Let the breaker and the metrics know."""
        gate, name = self.target.gate, self.target.destination.name
        results = {outcome.result for outcome in outcomes}
        worst = next(r for r in (Result.GONE, Result.SLOW_DOWN, Result.RETRY, *Result) if r in results)
        self.metrics.attempts.labels(name, worst).inc()
        if worst == Result.GONE:
            gate.disabled = "it answered 410"
            log.error("destination %s answered 410 and is disabled until the routes file changes", name)
        elif worst == Result.SLOW_DOWN:
            after_s = next((o.after_s for o in outcomes if o.after_s is not None), None)
            gate.hold(now_ms(), pause_s(3, 0.0) if after_s is None else after_s)
        elif results == {Result.RETRY}:
            gate.fail(now_ms(), random.random())
        else:
            gate.succeed()
        self.metrics.breaker.labels(name).set(gate.open)
        self.metrics.disabled.labels(name).set(bool(gate.disabled))

    async def _settle(self, entries: list[Entry], outcomes: list[Outcome]) -> None:
        """Alerts of one message that are tried again are due together, so that they stay one message."""
        split = len(entries) > 1 and all(outcome.result == Result.REFUSED for outcome in outcomes)
        now = now_ms()
        again_ms = now + pause_s(1 + max(entry.attempts for entry in entries), random.random()) * 1000
        for entry, outcome in zip(entries, outcomes, strict=True):
            entry.first_ms = entry.first_ms or now
            if outcome.result == Result.DELIVERED:
                self._finish(entry, "delivered")
            elif split:
                entry.alone, entry.group = True, ""
                self.waiting.again(entry, now)
            elif outcome.result in (Result.SLOW_DOWN, Result.GONE):
                self.waiting.again(entry, now)
            else:
                entry.attempts += 1
                await self._again_or_bury(entry, outcome, (now, again_ms))

    async def _again_or_bury(self, entry: Entry, outcome: Outcome, times_ms: tuple[float, float]) -> None:
        """Try again later; an alert that is refused, or was tried for too long, becomes a dead letter.

        ``times_ms`` are now and the next attempt.
        """
        now, again_ms = times_ms
        tired = entry.attempts >= LEAST_ATTEMPTS and now - entry.first_ms >= self.route.give_up_ms
        if outcome.result == Result.RETRY and not tired:
            log.warning("route %s: alert %s failed: %s", self.route.name, entry.alert.alert_id, outcome.reason)
            self.waiting.again(entry, again_ms)
            return
        log.error("route %s: alert %s is undelivered: %s", self.route.name, entry.alert.alert_id, outcome.reason)
        key = entry.alert.lead_id.encode()
        letter = dead_letter(
            self.topic, self.route.name, (key, entry.alert.raw), (outcome.reason, entry.attempts), now_ms()
        )
        await self.bury([letter])
        self._finish(entry, "undelivered")

    def _finish(self, entry: Entry, outcome: str) -> None:
        self.waiting.finish(entry)
        self.metrics.alerts.labels(self.route.name, outcome).inc()
        if outcome == "delivered":
            event = self.tracer.find_cause(entry.alert.data) if self.tracer else None
            seconds = (now_ms() - entry.timestamp_ms) / 1000
            self.metrics.delivery_seconds.labels(self.route.name).observe(seconds, event and event.exemplar)

    async def hold(self) -> None:
        """Start nothing new, and wait for what is in flight."""
        self.paused = True
        while self.in_flight:
            await asyncio.wait(self.in_flight)

    def resume(self) -> None:
        """Go on."""
        self.paused = False
        self.wake.set()
