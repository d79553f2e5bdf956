"""A backtest of the backlog, on one core, from the first record that is read until the results are measured.

Run as ``python -m tests.benchmarks.backtest KAFKA TOPIC EVENTS SCORECARD``.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time

from aiokafka import AIOKafkaConsumer

from app.backtest.session import Order, run_backtest
from app.backtest.topic import Topic
from streams.implementation import choose
from streams.scorefile import load_file
from streams.scoring.rules import Rules
from tests.benchmarks.measure import figures
from tests.benchmarks.workload import PARTITIONS


async def main(kafka: str, name: str, events: int, scorecard: str) -> None:
    """Replay the topic and report."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    implementation = choose("on")
    implementation.warm_up()
    order = Order(Rules(load_file(scorecard)), None, implementation)
    async with AIOKafkaConsumer(bootstrap_servers=kafka) as consumer:
        topic = await Topic.open(name, PARTITIONS, consumer)
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        findings = await run_backtest(topic, order, 0, lambda step, count: None)
        result: dict[str, object] = dict(
            figures(events, time.perf_counter() - began_s, time.process_time() - began_cpu_s)
        )
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result |= {"alerts": len(findings.alerts), "rss_peak_bytes": peak_bytes}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
