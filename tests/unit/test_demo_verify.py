"""The demo's own check accepts a right run, and can fail: every tampering is found."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.demo.generator import Traffic
from app.demo.run import _alert
from app.demo.servers import SCORECARD
from app.demo.verify import Alert, Run, verify
from streams.environment import Environment
from streams.events.outgoing import decode_outgoing
from streams.intake.adapt import Intake
from streams.metrics import Metrics
from streams.scorefile import load_file
from streams.scoring.lead import Lead
from streams.scoring.rules import Rules
from streams.scoring.stored import decode, encode
from streams.shard.shard import Shard
from streams.store.base import Entry
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner, Topics

START_MS = 1_795_309_200_000
STEP_MS = 200
PARTITIONS = 2
TOPICS = Topics()
RULES = Rules(load_file(SCORECARD))


@dataclass
class Rec:
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Iterable[tuple[str, bytes]]


class Log:
    """A Kafka in a few lines."""

    def __init__(self) -> None:
        self.logs: dict[tuple[str, int], list[Rec]] = defaultdict(list)

    def append(self, topic: str, partition: int, row: tuple[int, Any, Any, Any]) -> None:
        log = self.logs[topic, partition]
        at_ms, key, value, headers = row
        log.append(Rec(partition, len(log), at_ms, key, value, list(headers)))


async def a_run(events: int = 1200) -> Run:  # noqa: C901 - the whole system in thirty lines
    """Generated traffic through the real intake and shards, over a store in memory."""
    log, home, store, metrics = Log(), Partitioner(PARTITIONS), MemoryStore(), Metrics()
    traffic = Traffic(3, 50)
    for i in range(events):
        source, key, value = traffic.next(START_MS + i * STEP_MS)
        log.append(TOPICS.sources[source], 0, (START_MS + i * STEP_MS, key, value, ()))
    sources = {f"{name}:{p}": records for (name, p), records in log.logs.items()}
    done_ms = START_MS + events * STEP_MS
    output = Intake(TOPICS, home).adapt_records(sources, done_ms)
    for partition, rows in output.rows.items():
        for row in rows:
            log.append(TOPICS.lead_events, partition, row)
    for r in output.rejects:
        log.append(TOPICS.rejected, 0, (r.timestamp_ms, r.key, r.value, r.headers))

    def relay(entries: Sequence[Entry]) -> None:
        for r in (decode_outgoing(entry.payload) for entry in entries):
            partition = home(r.key.decode()) if r.topic == TOPICS.lead_events else 0
            log.append(r.topic, partition, (r.timestamp_ms, r.key, r.value, r.headers))

    env = Environment(store, TOPICS, home, metrics, "test")
    shards = [Shard(p, RULES, env) for p in range(PARTITIONS)]
    for shard in shards:
        shard.relay = relay
        await shard.open()
    while any(log.logs[TOPICS.lead_events, s.partition][s.position.checkpoint :] for s in shards):
        for shard in shards:
            waiting = log.logs[TOPICS.lead_events, shard.partition][shard.position.checkpoint :]
            await shard.score_batch(waiting)
    for shard in shards:
        await shard.update_ranking(list(shard.unpublished.versions))
        while await shard.advance_due(done_ms):
            pass
    return Run(
        done_ms,
        TOPICS,
        PARTITIONS,
        sources,
        [log.logs[TOPICS.lead_events, p] for p in range(PARTITIONS)],
        log.logs[TOPICS.rejected, 0],
        [_alert(record) for record in log.logs[TOPICS.handoff, 0]],
        {(p, lead_id): blob for p in range(PARTITIONS) async for lead_id, blob in store.scan(p)},
        int(metrics.events.labels("duplicates")._value.get()),
    )


async def test_a_run_agrees_with_itself_and_shows_everything_that_the_demo_is_about() -> None:
    run = await a_run()
    findings = verify(run, RULES)
    assert findings.mismatches == []
    assert findings.early_timers == 0
    assert findings.duplicates > 0
    assert findings.rejected == len(run.rejected) > 0
    assert findings.alerts == len(run.alerts) > 5
    assert {alert.cause for alert in run.alerts} >= {"event", "decay"}


def first_lead(run: Run) -> tuple[tuple[int, str], Lead]:
    for place, blob in sorted(run.states.items()):
        lead = decode(blob)
        if isinstance(lead, Lead) and lead.signals and lead.latches and lead.traits:
            return place, lead
    msg = "no lead with a stage"
    raise AssertionError(msg)


def with_lead(run: Run, change: Callable[[Lead], object]) -> Run:
    place, lead = first_lead(run)
    change(lead)
    return replace(run, states={**run.states, place: encode(lead)})


def heavier(lead: Lead) -> None:
    lead.amount[0] += 1


def promoted(lead: Lead) -> None:
    latch = next(iter(lead.latches.values()))
    latch.inside = not latch.inside


def renamed(lead: Lead) -> None:
    next(iter(lead.traits.values()))[0] = "somebody else"


TAMPERED: dict[str, Callable[[Run], Run]] = {
    "a score that is too high": lambda run: with_lead(run, heavier),
    "a stage that is wrong": lambda run: with_lead(run, promoted),
    "a trait that is wrong": lambda run: with_lead(run, renamed),
    "a lead that is missing": lambda run: replace(
        run, states={place: blob for place, blob in run.states.items() if place != first_lead(run)[0]}
    ),
    "an alert that is missing": lambda run: replace(run, alerts=run.alerts[1:]),
    "an alert too many": lambda run: replace(run, alerts=[*run.alerts, Alert("x", run.alerts[0].lead_id, 0, "event")]),
    "an alert of nobody": lambda run: replace(run, alerts=[*run.alerts, Alert("x", "nobody", 0, "event")]),
    "a rejected record that is missing": lambda run: replace(run, rejected=run.rejected[1:]),
    "an event that was lost on the way": lambda run: replace(
        run, lead_events=[run.lead_events[0][1:], *run.lead_events[1:]]
    ),
    "a record forwarded and lost": lambda run: replace(
        run,
        lead_events=[
            [r for r in log if not dict(r.headers)["leadglow-source"].startswith(b"~")] for log in run.lead_events
        ],
    ),
    "a duplicate that was counted": lambda run: replace(run, duplicates=run.duplicates - 1),
}


@pytest.mark.parametrize("what", TAMPERED)
async def test_it_finds(what: str) -> None:
    findings = verify(TAMPERED[what](await a_run()), RULES)
    assert findings.mismatches
    assert findings.early_timers == 0
