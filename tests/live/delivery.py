"""How soon after an event Slack and a webhook have its alert, at a steady rate, on a live system.

``python -m tests.live.delivery --per-minute 1000 --seconds 30`` starts Kafka, Redis, a worker and a notifier. The event
is written to its source topic; what the collector adds is measured by ``tests.benchmarks``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import orjson

from app.wiring import make_producer
from streams.clock import now_ms
from tests.faults.rig import until
from tests.support.own_servers import own_servers
from tests.support.receivers import Receiver, receiving
from tests.support.system import ASKED_CARD, System

WARM_UP: Final = 20
"""Alerts before those that are measured."""
LAST_S: Final = 30.0
"""So long after the last event all must have arrived."""
ROUTES: Final = """
leadglow_routes: 1
destinations:
  slack: {{slack: {{url: {{file: {secret}}}}}, rate: 100/s, allow_networks: 127.0.0.1}}
  webhook: {{webhook: {{url: "{webhook}"}}, allow_networks: 127.0.0.1}}
routes:
  - {{name: slack, to: slack}}
  - {{name: webhook, to: webhook}}
"""
"""Slack itself takes one message a second for a channel."""


async def measure(system: System, folder: Path, count: int, gap_s: float) -> dict[str, list[int]]:
    """Send events and wait for their messages; returns destination -> milliseconds of each alert."""
    routes, secret = folder / "routes.yaml", folder / "secret"
    async with receiving() as slack, receiving() as webhook:
        secret.write_text(slack.url)
        routes.write_text(ROUTES.format(secret=secret, webhook=webhook.url))
        with ExitStack() as stack:
            for process in (stack.enter_context(system.worker()), stack.enter_context(system.notifier(routes))):
                await asyncio.to_thread(process.wait_ready)
            sent = await send(system, WARM_UP, 0.0)
            await arrived([slack, webhook], WARM_UP)
            for receiver in (slack, webhook):
                receiver.received.clear()
            sent = await send(system, count, gap_s)
            await arrived([slack, webhook], count)
    seen = {
        "webhook": {orjson.loads(each.body)["subject"]: each.at_ms for each in webhook.received},
        "slack": {orjson.loads(each.body)["text"].partition(" ")[0]: each.at_ms for each in slack.received},
    }
    return {name: sorted(at[lead] - sent[lead] for lead in sent) for name, at in seen.items()}


async def send(system: System, count: int, gap_s: float) -> dict[str, int]:
    """Write events of as many new leads; returns lead -> when, in ms since the epoch."""
    producer, sent, loop = make_producer(system.settings), {}, asyncio.get_running_loop()
    await producer.start()
    try:
        begin_s = loop.time()
        for number in range(count):
            await asyncio.sleep(begin_s + number * gap_s - loop.time())
            lead, at_ms = f"lead-{count}-{number}", now_ms()
            call = {"type": "track", "event": "Asked", "messageId": f"m-{lead}", "userId": lead}
            await producer.send(system.settings.sources[0], json.dumps(call).encode(), timestamp_ms=at_ms)
            sent[lead] = at_ms
    finally:
        await producer.stop()
    return sent


async def arrived(receivers: Sequence[Receiver], count: int) -> None:
    """Return when each receiver has got so many messages."""

    async def all_are_there() -> bool:
        return all(len(receiver.received) >= count for receiver in receivers)

    await until("all messages", all_are_there, deadline_s=LAST_S)


def rows(found: Mapping[str, list[int]]) -> Iterator[tuple[str, str]]:
    """The figures with their names."""
    for name, took_ms in found.items():
        p99 = statistics.quantiles(took_ms, n=100)[98]
        yield f"{name}: alerts", f"{len(took_ms)}"
        yield f"{name}: median, p99, longest", f"{statistics.median(took_ms):.0f}, {p99:.0f}, {took_ms[-1]} ms"


def main() -> None:
    """Run it on servers of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.delivery", description=__doc__)
    parser.add_argument("--per-minute", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args()
    count, gap_s = options.per_minute * options.seconds // 60, 60 / options.per_minute
    with own_servers("leadglow-delivery-") as (kafka, redis, folder):
        file = folder / "scorecards.yaml"
        file.write_text(ASKED_CARD)
        system = System(kafka, redis.address, f"live{now_ms()}", scorecards=str(file))
        assert system.run("topics", "create").exit_code == 0
        load = os.getloadavg()[0]
        found = asyncio.run(measure(system, folder, count, gap_s))
    for name, value in [*rows(found), ("load before and after", f"{load:.1f}, {os.getloadavg()[0]:.1f}")]:
        print(f"{name:30}  {value}")


if __name__ == "__main__":
    main()
