"""A backtest of the live file over the live log gives the live alerts, however records were read and forwarded."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings

from app.backtest.log_replay import LogReplay
from app.backtest.records import Unreadable, origin_of
from app.demo.generator import Traffic
from app.demo.servers import SCORECARD
from streams.environment import Environment
from streams.metrics import Metrics
from streams.scorefile import load_file
from streams.scoring.rules import Rules
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner
from tests.properties.strategies import START_MS, chances
from tests.support.implementations import in_use
from tests.support.live_log import TOPICS, LiveLog

pytestmark = pytest.mark.usefixtures("implementation")
RULES = Rules(load_file(SCORECARD))
STEP_MS = 400
EVENTS = 250


async def a_live_log(chance: Random) -> tuple[LiveLog, int]:
    traffic = Traffic(chance.randrange(100), 12)
    messages = [(START_MS + i * STEP_MS, traffic.next(START_MS + i * STEP_MS)) for i in range(EVENTS)]
    live, until_ms = LiveLog(RULES, chance.randint(1, 3), in_use(), chance), START_MS + (EVENTS + 600) * STEP_MS
    await live.run(messages, until_ms)
    return live, until_ms


def replay_of(live: LiveLog, rules: Rules, until_ms: int) -> LogReplay:
    env = Environment(
        MemoryStore(), TOPICS, Partitioner(live.partitions), Metrics(), "backtest", implementation=in_use()
    )
    return LogReplay(rules, env, Unreadable(), dict.fromkeys(range(live.partitions), 0), until_ms)


def feed(replay: LogReplay, live: LiveLog, chance: Random) -> None:
    """Read the partitions in turns of random lengths."""
    at = dict.fromkeys(range(live.partitions), 0)
    while open_ := [p for p, begin in at.items() if begin < len(live.log[p])]:
        partition, count = chance.choice(open_), chance.randint(1, 80)
        replay.take_records(partition, live.log[partition][at[partition] : at[partition] + count])
        at[partition] += count


def alert_ids(replay: LogReplay) -> list[str]:
    return sorted(t.alert_id for t in replay.transitions() if t.is_alert)


@settings(max_examples=12)
@given(chances)
async def test_the_alerts_are_those_of_the_live_run(chance: Random) -> None:
    live, until_ms = await a_live_log(chance)
    replay = replay_of(live, RULES, until_ms)
    feed(replay, live, chance)
    replay.finish(until_ms)
    assert alert_ids(replay) == sorted(live.alert_ids)


async def test_the_compared_runs_have_alerts_and_forwarded_records() -> None:
    live, until_ms = await a_live_log(Random(1))
    replay = replay_of(live, RULES, until_ms)
    feed(replay, live, Random(1))
    replay.finish(until_ms)
    assert {t.cause for t in replay.transitions()} >= {"event", "decay", "merged"}
    assert any(origin_of(record) for record in live.log[0])
    assert len(alert_ids(replay)) > 3
