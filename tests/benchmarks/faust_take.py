"""A peer: idiomatic Faust, ``take(1000)`` and a Redis pipeline. At most once.

Run as ``python -m tests.benchmarks.faust_take KAFKA TOPIC EVENTS HANDOFF_TOPIC DATADIR SCORECARD REDIS``.
"""

from __future__ import annotations

import os
import sys
from typing import Any
from uuid import uuid4

import faust
import orjson
from redis.asyncio import Redis

from tests.benchmarks.decayed import COLD, Model
from tests.benchmarks.measure import Meter
from tests.benchmarks.mixed import lead_of

LATENCY_S = 0.1


def build(kafka: str, topic: str, events: int, handoff: str, datadir: str, *, scorecard: str, redis_url: str) -> Any:
    """The Faust application with its one agent."""
    worker = faust.App(
        f"take-{uuid4()}",
        broker=f"kafka://{kafka}",
        datadir=datadir,
        web_enabled=False,
        topic_disable_leader=True,
        value_serializer="json",
    )
    alerts = worker.topic(handoff, value_serializer="json")
    meter, model, redis = Meter(events), Model(scorecard), Redis.from_url(redis_url)

    async def score(stream: Any) -> None:
        entries = 0
        async for batch in stream.take(1000, within=LATENCY_S):
            leads = list({lead_of(event) for event in batch})
            stored = await redis.mget(leads)
            states = {lead: orjson.loads(blob) if blob else COLD for lead, blob in zip(leads, stored, strict=True)}
            for event in batch:
                lead = lead_of(event)
                states[lead], entered = model.step(states[lead], event)
                if entered:
                    entries += 1
                    await alerts.send(key=lead, value={"lead": lead, "score": states[lead][0]})
            async with redis.pipeline(transaction=False) as pipe:
                for lead, state in states.items():
                    pipe.set(lead, orjson.dumps(state))
                await pipe.execute()
            if meter.add(len(batch)):
                meter.report(f"faust-streaming {faust.__version__}", entries)
                os._exit(0)  # the figures are out: no need to wait for an orderly leave

    worker.agent(worker.topic(topic, value_serializer="json"))(score)
    return worker


if __name__ == "__main__":
    kafka, topic, events, handoff, datadir, scorecard, redis_url = sys.argv[1:]
    application = build(kafka, topic, int(events), handoff, datadir, scorecard=scorecard, redis_url=redis_url)
    faust.Worker(application, loglevel="WARN", redirect_stdouts=False).execute_from_commandline()
