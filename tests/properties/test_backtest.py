"""A backtest of the live file over the live log gives the live alerts, however records were read and forwarded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backtest.log_replay import LogReplay
from app.backtest.records import Unreadable, origin_of
from app.demo.generator import Traffic
from app.demo.servers import SCORECARD
from streams.environment import Environment
from streams.events.changes import ScorecardsChange, decode_change
from streams.metrics import Metrics
from streams.publishing.publications import OneVersion, Publications
from streams.scorefile import load, load_file
from streams.scoring.rules import Rules
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner
from tests.properties.strategies import START_MS, chances
from tests.support.implementations import in_use
from tests.support.live_log import TOPICS, LiveLog

pytestmark = pytest.mark.usefixtures("implementation")
RULES = Rules(load_file(SCORECARD))
OTHER = Rules(
    load(
        """
leadglow: 1
signals:
  any_page: {event: page, half_life: 30s}
  product:  {event: page, where: {properties.path: {prefix: /product/}}, distinct: properties.path, half_life: never}
  asked:    {event: [Demo Requested, Webinar Attended, Ebook Downloaded], half_life: 1h, limit: 2/day}
scorecards:
  other:
    points: {any_page: 3, product: 5, asked: 20}
    fit: [{trait: employees, when: {gte: 200}, points: 5}]
    stages:
      - {name: warm, enter: 12, leave: 8, handoff: true}
      - {name: hot, enter: 30, leave: 25, handoff: true, cooldown: 1m}
"""
    )
)
LOWER = Rules(load(re.sub(r"enter: (\d+), leave: (\d+)", "enter: 12, leave: 6", SCORECARD.read_text())))
STEP_MS = 400
EVENTS = 160


async def a_live_log(
    chance: Random,
    rules: Rules = RULES,
    publications: Publications | None = None,
    changes: Mapping[int, ScorecardsChange] | None = None,
) -> tuple[LiveLog, int]:
    traffic = Traffic(chance.randrange(100), 6)
    messages = [(START_MS + i * STEP_MS, traffic.next(START_MS + i * STEP_MS)) for i in range(EVENTS)]
    live, until_ms = LiveLog(rules, chance.randint(1, 3), in_use(), chance), START_MS + (EVENTS + 600) * STEP_MS
    live.publications, live.changes = publications or OneVersion(), dict(changes or {})
    await live.run(messages, until_ms)
    return live, until_ms


async def replay_of(
    live: LiveLog,
    rules: Rules,
    until_ms: int,
    starts: Mapping[int, int] | None = None,
    publications: Publications | None = None,
) -> LogReplay:
    env = Environment(
        MemoryStore(), TOPICS, Partitioner(live.partitions), Metrics(), "backtest", implementation=in_use(),
        publications=publications or OneVersion(),
    )  # fmt: skip
    replay = LogReplay(rules, env, Unreadable(), starts or dict.fromkeys(range(live.partitions), 0), until_ms)
    await replay.open()
    return replay


async def feed(replay: LogReplay, live: LiveLog, chance: Random) -> None:
    """Read the partitions in turns of random lengths."""
    at = dict.fromkeys(range(live.partitions), 0)
    while open_ := [p for p, begin in at.items() if begin < len(live.log[p])]:
        partition, count = chance.choice(open_), chance.randint(1, 80)
        await replay.take_records(partition, live.log[partition][at[partition] : at[partition] + count])
        at[partition] += count


def alert_ids(replay: LogReplay) -> list[str]:
    return sorted(t.alert_id for t in replay.transitions() if t.is_alert)


@settings(max_examples=8)
@given(chances)
async def test_the_alerts_are_those_of_the_live_run(chance: Random) -> None:
    live, until_ms = await a_live_log(chance)
    replay = await replay_of(live, RULES, until_ms)
    await feed(replay, live, chance)
    await replay.finish(until_ms)
    assert alert_ids(replay) == sorted(live.alert_ids)


class Published:
    """Publications in memory: the rules of each place, and what each takes back."""

    backfill: int | None = None

    def __init__(self, rules: Sequence[Rules], undone: Mapping[int, frozenset[int]]) -> None:
        self.rules, self.undone = rules, undone

    async def place_at(self, partition: int, offset: int) -> int:
        return 0

    async def load_rules(self, place: int, partition: int) -> Rules:
        return self.rules[place]

    def undone_by(self, place: int) -> frozenset[int]:
        return self.undone.get(place, frozenset())


def some_publications(chance: Random) -> tuple[Published, dict[int, ScorecardsChange]]:
    """Changes to other scorecards, rollbacks, and quiet changes, at random messages."""
    rules, undone, changes = [RULES], dict[int, frozenset[int]](), dict[int, ScorecardsChange]()
    for place, number in enumerate(sorted(chance.sample(range(1, EVENTS), chance.randint(1, 4))), 1):
        back = chance.randrange(place) if chance.random() < 0.4 else None
        if back is not None:
            undone[place] = frozenset(range(back + 1, place))
        rules.append(chance.choice((LOWER, OTHER, RULES)) if back is None else rules[back])
        changes[number] = ScorecardsChange(place, rules[-1].version, chance.random() < 0.3)
    return Published(rules, undone), changes


@settings(max_examples=12)
@given(chances)
async def test_the_alerts_are_those_of_the_live_run_across_publications(chance: Random) -> None:
    publications, changes = some_publications(chance)
    live, until_ms = await a_live_log(chance, RULES, publications, changes)
    replay = await replay_of(live, publications.rules[-1], until_ms, None, publications)
    await feed(replay, live, chance)
    await replay.finish(until_ms)
    assert alert_ids(replay) == sorted(live.alert_ids)
    assert replay.shards[0].publications == {change.place for change in changes.values()}


@settings(max_examples=4)
@given(chances)
async def test_another_file_is_used_throughout(chance: Random) -> None:
    """It gives the same without the control records in the log."""
    live, until_ms = await a_live_log(chance, RULES, *some_publications(chance))
    found = []
    for _ in range(2):
        replay = await replay_of(live, OTHER, until_ms)
        await feed(replay, live, chance)
        await replay.finish(until_ms)
        found.append(alert_ids(replay))
        live.log = {p: [each for each in log if decode_change(each) is None] for p, log in live.log.items()}
    assert found[0] == found[1]


@settings(max_examples=5)
@given(st.integers(0, 2**32 - 1))
async def test_the_alerts_of_another_file_are_those_that_it_would_have_sent_live(seed: int) -> None:
    live, until_ms = await a_live_log(Random(seed))
    other, _ = await a_live_log(Random(seed), OTHER)
    replay = await replay_of(live, OTHER, until_ms)
    await feed(replay, live, Random(seed))
    await replay.finish(until_ms)
    assert alert_ids(replay) == sorted(other.alert_ids)


@settings(max_examples=5)
@given(chances)
async def test_a_log_without_its_beginning_is_scored_to_its_end(chance: Random) -> None:
    live, until_ms = await a_live_log(chance)
    gone = {p: chance.randint(0, len(live.log[p])) for p in range(live.partitions)}
    for p, count in gone.items():
        del live.log[p][:count]
    replay = await replay_of(live, RULES, until_ms, gone)
    await feed(replay, live, chance)
    await replay.finish(until_ms)
    ends = [gone[p] + len(live.log[p]) for p in range(live.partitions)]  # what is forwarded anew comes after them
    assert all(shard.done >= end for shard, end in zip(replay.shards, ends, strict=True))


async def test_the_compared_runs_have_alerts_and_forwarded_records() -> None:
    live, until_ms = await a_live_log(Random(2))
    replay = await replay_of(live, RULES, until_ms)
    await feed(replay, live, Random(1))
    await replay.finish(until_ms)
    assert {t.cause for t in replay.transitions()} >= {"event", "decay", "merged"}
    assert any(origin_of(record) for record in live.log[0])
    assert len(alert_ids(replay)) > 3
