"""A peer: Quix Streams with its own state (RocksDB and a changelog). At least once.

Run as ``python -m tests.benchmarks.quix KAFKA TOPIC EVENTS HANDOFF_TOPIC DATADIR SCORECARD``.
"""

from __future__ import annotations

import sys
from typing import Any
from uuid import uuid4

import quixstreams

from tests.benchmarks.decayed import COLD, Model
from tests.benchmarks.measure import Meter
from tests.benchmarks.mixed import lead_of


def main(kafka: str, topic: str, events: int, handoff: str, datadir: str, scorecard: str) -> None:
    """Handle that many records; the run ends with a checkpoint, so the state is durable then."""
    application = quixstreams.Application(
        broker_address=kafka,
        consumer_group=f"quix-{uuid4()}",
        auto_offset_reset="earliest",
        state_dir=datadir,
        loglevel="WARNING",
    )
    meter, model, entries = Meter(events), Model(scorecard), 0

    def score(event: dict[str, Any], state: Any) -> dict[str, Any] | None:
        nonlocal entries
        scored, entered = model.step(state.get("lead", COLD), event)
        state.set("lead", scored)
        if meter.add(1):
            application.stop()
        if not entered:
            return None
        entries += 1
        return {"lead": lead_of(event), "score": scored[0]}

    stream = application.dataframe(application.topic(topic, value_deserializer="json"))
    stream = stream.apply(score, stateful=True)
    stream = stream.filter(lambda alert: alert is not None)
    stream.to_topic(application.topic(handoff, value_serializer="json"))
    application.run()
    meter.report(f"quixstreams {quixstreams.__version__}", entries)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
