"""Sends dead letters again: a route reads them, in a group of its own, up to those that were there at the beginning."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from app.notify.breaker import Gate
from app.notify.dispatcher import Target
from app.notify.route_runner import END_S
from app.notify.routes import Route
from app.notify.sender import make_sender
from streams.tasks import end_tasks

if TYPE_CHECKING:
    from app.notify.service import Notifier

GIVE_UP_MS: Final = 60_000.0
CHECK_S: Final = 0.1


async def replay_routes(notifier: Notifier, routes: list[Route]) -> tuple[int, int]:
    """Replay one route after another; returns how many alerts were delivered, and how many not."""
    await notifier.start_producer()
    try:
        for route in routes:
            await _replay_route(notifier, route)
    finally:
        await notifier.stop()
    counts = {"delivered": 0, "undelivered": 0}
    for metric in notifier.metrics.alerts.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total"):
                counts[sample.labels["outcome"]] += int(sample.value)
    return counts["delivered"], counts["undelivered"]


async def _replay_route(notifier: Notifier, route: Route) -> None:
    destination = notifier.routes.destinations[route.to]
    target = Target(destination, make_sender(destination), Gate(destination.gap_ms))
    hurried = replace(route, quiet=None, digest=None, limit=None, give_up_ms=GIVE_UP_MS)
    runner = notifier.make_runner(hurried, target, replayed=route.name)
    running = asyncio.create_task(runner.run())
    try:
        while not runner.caught_up() and not target.gate.disabled:
            if running.done():
                await running
            await asyncio.sleep(CHECK_S)
    finally:
        await end_tasks(running, again_s=END_S)
        await target.sender.close()
