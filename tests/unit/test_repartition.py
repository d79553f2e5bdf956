"""What new shards begin with, and what is said when numbers of partitions do not agree."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest
from aiokafka.errors import KafkaConnectionError, PolicyViolationError, RequestTimedOutError, SaslAuthenticationFailed

from app import wiring
from app.cli import rebuild, repartition
from app.cli.errors import CommandError
from app.repartition import kafka_side
from app.repartition.controls import (
    NotFinished,
    ShardSplit,
    join_in_force,
    join_sources,
    make_control,
    moves_scores,
    parents_of,
)
from app.repartition.old_shards import OldShards
from app.repartition.plan import CannotRepartition, decode_plan
from app.repartition.run import Repartition
from app.settings import Settings
from app.settings_source import load_settings
from streams.implementation import REFERENCE
from streams.partition_numbers import Numbers, explain_partitions, explain_state, explain_topic, explain_unfinished
from streams.scoring.telling import Told
from streams.shard.in_force import InForce
from streams.shard.position import Position
from streams.store.base import Commit
from streams.store.format import FORMAT, NAME, SystemFormat
from streams.store.memory import MemoryStore
from streams.store.shard_copier import ShardCopier
from streams.transport.topics import partition_of

IN_FORCE = InForce(3, None, False, 50, {0: 0, 3: 50}, "v")


def control(
    checkpoint: int, sources: Mapping[str, int], in_force: InForce = IN_FORCE, told: int = 0
) -> dict[str, bytes]:
    position = Position(checkpoint, checkpoint, b"f%d" % checkpoint, 100 + checkpoint, dict(sources), 9)
    return position.to_fields() | in_force.to_fields() | Told(told).to_fields() | {"handoff": b"1", "waiting": b"0"}


@pytest.mark.parametrize(("old", "new"), [(4, 12), (4, 6), (3, 7), (1, 5)])
def test_every_lead_of_a_new_shard_comes_from_one_of_its_parents(old: int, new: int) -> None:
    for lead_id in map(str, range(200)):
        assert partition_of(lead_id, old) in parents_of(partition_of(lead_id, new), old, new)
    if new % old == 0:
        assert [list(parents_of(shard, old, new)) for shard in range(new)] == [[shard % old] for shard in range(new)]


def test_a_shard_goes_on_in_its_partition_and_an_added_one_begins_with_it() -> None:
    controls = [control(10, {"web:0": 5}, told=7), control(20, {"web:0": 8, "~0": 4096})]
    split = ShardSplit(controls, 4, {}, [70, 80])

    kept, added = make_control(split, 1), make_control(split, 3)

    assert Position.from_fields(kept) == Position(20, 20, b"f20", 120, {"web:0": 8, "~0": 4096})
    assert Position.from_fields(added) == Position(0, 0, b"", 120, {"web:0": 8, "~0": 4096})
    assert (kept["handoff"], make_control(split, 2)["handoff"]) == (b"80", b"70")
    assert (Told.from_fields(make_control(split, 2)).latest_ms, InForce.from_fields(added)) == (7, IN_FORCE)
    assert {added["sequence"], added["waiting"]} == {b"0"}


def test_shards_without_events_stay_without() -> None:
    split = ShardSplit([{}, control(20, {})], 4, {}, [0])
    assert [bool(make_control(split, shard)) for shard in range(4)] == [False, True, False, True]


def test_an_event_that_is_still_to_be_forwarded_to_one_of_two_shards_is_not_taken_for_a_repeated_one() -> None:
    parents = [{"web:0": 5, "web+0:0": 2, "~1": 8}, {"web:0": 9, "~1": 4}]

    with pytest.raises(NotFinished, match="web:0 is forwarded up to 7 of 10"):
        join_sources(parents, {"web:0": 7})

    assert join_sources(parents, {"web:0": 10}) == {"web:0": 9, "web+0:0": 2, "~1": 8}
    assert join_sources(parents[:1], {}) == parents[0]


@pytest.mark.parametrize(
    "other",
    [InForce(4, None, False, 50, {}, "v"), InForce(3, 0, False, 50, {}, "v"), InForce(3, None, False, 50, {}, "old")],
)
def test_shards_with_other_scorecards_are_not_joined(other: InForce) -> None:
    with pytest.raises(NotFinished):
        join_in_force([IN_FORCE, other])


def test_joined_shards_have_the_first_start_of_each_publication() -> None:
    other = InForce(3, None, False, 60, {0: 0, 3: 40}, "v")
    assert join_in_force([IN_FORCE, other]) == InForce(3, None, False, 60, {0: 0, 3: 40}, "v")


def test_topics_whose_partitions_divide_both_numbers_keep_leads_in_theirs() -> None:
    assert not moves_scores(4, 12, [4, 2, 1])
    assert moves_scores(4, 12, [8])
    assert moves_scores(4, 6, [4])


def test_every_message_about_numbers_says_what_to_do() -> None:
    run = "run `leadglow repartition --to 12`, and set LEADGLOW_PARTITIONS=12"
    assert run in explain_partitions("events", Numbers(4, 12, 4))  # partitions were added to the topic
    assert run in explain_partitions("events", Numbers(12, 12, 4))
    assert run in explain_partitions("events", Numbers(12, 4, 4))
    assert run in explain_topic("events", 12, 4)
    assert run in explain_topic("events", 4, 12)
    assert run in explain_state(12, 4)
    assert "has 1 partition instead" in explain_topic("events", 12, 1)
    assert "holds state for 1 partition: set" in explain_state(1, 1)
    assert explain_partitions("events", Numbers(4, 12, 12)).endswith(": set LEADGLOW_PARTITIONS=12.")
    assert explain_partitions("events", Numbers(8, 4, None)).endswith(": set LEADGLOW_PARTITIONS=4.")
    assert "another one than before" in explain_partitions("events", Numbers(12, 4, 12))
    assert "--cancel` while the topic has 4" in explain_unfinished('{"old": 4, "new": 12}')
    assert "--cancel" not in explain_unfinished('{"old": 4, "new": 12, "step": "rename"}')


class Grown:
    """A repartition from 4 to 12 in Redis, and a topic with as many partitions as it is told."""

    old, new = 4, 12

    def __init__(self, topic: int, monkeypatch: pytest.MonkeyPatch, plan: str = '{"old":4,"new":12}') -> None:
        self.topic, self.plan, self.dropped = topic, plan, 0
        self.begun = plan
        monkeypatch.setattr(kafka_side, "read_topics_of", self.read_topics_of)

    async def read_topics_of(self, settings: Settings) -> dict[str, int]:
        return {settings.lead_events: self.topic}

    async def read_meta(self, name: str) -> str:
        return self.plan

    async def replace_plan(self, expected: str, plan: str) -> bool:
        assert expected == self.plan
        self.plan = plan
        return True

    async def drop_copies(self) -> None:
        assert self.plan != self.begun, "a command beside it could still switch to the copies"
        self.dropped += 1

    def repartition(self) -> Repartition:
        return Repartition(load_settings({}), REFERENCE, cast(ShardCopier, self), lambda *_: None)


async def test_copies_may_be_removed_until_the_topic_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = Grown(4, monkeypatch)
    assert await begun.repartition().cancel() == 4
    assert (begun.plan, begun.dropped) == ("", 1)

    by_other_tools = Grown(24, monkeypatch)
    assert await by_other_tools.repartition().cancel() == 24
    assert by_other_tools.dropped == 1

    grown = Grown(12, monkeypatch)
    with pytest.raises(CannotRepartition, match=r"12 partitions already.*`leadglow repartition --to 12`"):
        await grown.repartition().cancel()
    assert (bool(grown.plan), grown.dropped) == (True, 0)


async def test_the_old_shards_write_the_format_of_the_system() -> None:
    store, topics, partitioner = MemoryStore(), SimpleNamespace(lead_events="l"), SimpleNamespace(partitions=0)
    await store.meta(NAME, str(FORMAT))
    env: Any = SimpleNamespace(format=SystemFormat(store), topics=topics, partitioner=partitioner, clock=None)
    nothing: Any = AsyncMock(assign=Mock())
    await OldShards(env, nothing, nothing, nothing).open()
    assert env.format.written == FORMAT


async def test_a_rebuild_begins_after_a_repartition_only_where_older_records_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def read_divided(settings: Settings) -> dict[int, int]:
        return {0: 10, 1: 10, 2: 10}

    monkeypatch.setattr(rebuild, "read_divided", read_divided)
    monkeypatch.setattr(rebuild, "_require_no_repartition", AsyncMock())
    monkeypatch.setattr(rebuild, "_find_older", AsyncMock(return_value=None))
    assert await rebuild._find_begin(load_settings({}), {0: 4, 1: 12, 2: 10, 3: 0}, after_repartition=True) == {0: 10}


# Sources ----------------------------------------------------------------------------------------------------


class Log:
    """A consumer of a source topic: its first offset, its end, and what the group has committed."""

    def __init__(self, first: int, end: int, committed: int | None) -> None:
        self._first, self._end, self._committed = first, end, committed
        self.start = self.stop = AsyncMock()

    async def beginning_offsets(self, places: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(places, self._first)

    async def end_offsets(self, places: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(places, self._end)

    async def committed(self, place: Any) -> int | None:
        return self._committed


@pytest.mark.parametrize(
    ("log", "is_forwarded"),
    [
        (Log(0, 20, 10), True),
        (Log(0, 20, 9), False),
        (Log(0, 20, None), False),
        (Log(12, 12, None), True),  # retention has emptied a topic that left LEADGLOW_SOURCES
        (Log(12, 20, None), True),
        (Log(12, 20, 3), True),
        (Log(0, 4, 4), True),  # created anew
        (None, True),  # deleted
    ],
)
async def test_what_is_gone_need_not_be_forwarded(
    log: Log | None, is_forwarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read_topics(admin: Any, names: set[str], configs: bool) -> dict[str, Any]:
        return {} if log is None else {name: SimpleNamespace(partitions=1) for name in names}

    monkeypatch.setattr(kafka_side, "read_topics", read_topics)
    monkeypatch.setattr(wiring, "make_admin", lambda settings: AsyncMock())
    monkeypatch.setattr(kafka_side, "make_group_consumer", lambda settings: log)
    settings, store = load_settings({}), MemoryStore()
    await store.commit(0, Commit(0, "", "step", Position(sources={"web:0": 9}).to_fields()))
    env: Any = Mock(store=store, partitioner=Mock(partitions=1))
    nothing: Any = AsyncMock()

    unforwarded = await OldShards(env, nothing, nothing, nothing)._find_unforwarded(
        partial(kafka_side.read_source_logs, settings)
    )

    assert bool(unforwarded) is not is_forwarded
    if is_forwarded:
        assert join_sources([{"web:0": 9}, {}], await kafka_side.read_forwarded(settings, ["web:0"])) == {"web:0": 9}


# Workers ----------------------------------------------------------------------------------------------------


class Noted:
    """The plan in Redis, without leads."""

    old, new = 4, 12

    def __init__(self) -> None:
        self.plan = ""

    async def read_meta(self, name: str) -> str:
        return self.plan

    async def replace_plan(self, expected: str, plan: str, **fields: str) -> bool:
        assert expected == self.plan
        self.plan = plan
        return True

    async def count_leads(self) -> int:
        return 0


async def run_beside(monkeypatch: pytest.MonkeyPatch, noted: Noted, *looks: list[str]) -> str:
    """Run where each look at the group finds these workers; returns why it is refused."""
    left = [*looks]

    async def wait(settings: Settings) -> list[str]:
        return left.pop(0)

    @asynccontextmanager
    async def open_noted(settings: Settings, to: int) -> AsyncIterator[Any]:
        yield noted, None

    monkeypatch.setattr(kafka_side, "wait_for_no_workers", wait)
    monkeypatch.setattr(repartition, "_open", open_noted)
    with pytest.raises(CommandError) as caught:
        await repartition._run(Settings(partitions=4), 12, lambda *_: None)
    assert caught.value.status == 78
    return str(caught.value)


async def test_a_repartition_begins_only_without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = Noted()

    said = await run_beside(monkeypatch, noted, ["w on 10.0.0.1"])

    assert said.startswith("1 worker still runs: w on 10.0.0.1. Stop it first")
    assert noted.plan == ""
    assert "--cancel" not in said


async def test_a_refusal_after_the_beginning_names_the_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = Noted()

    said = await run_beside(monkeypatch, noted, [], ["a on h", "b on h"])

    assert said.startswith("2 workers still run: a on h, b on h. Stop them first")
    assert "leadglow repartition --cancel" in said
    assert decode_plan(noted.plan) is not None


async def test_the_wait_for_workers_ends_in_time_however_slowly_kafka_responds(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, asked = [0.0], []

    async def slow(settings: Settings) -> list[str]:
        asked.append(now_s[0])
        now_s[0] += 5
        return ["w on h"]

    monkeypatch.setattr(kafka_side, "list_workers", slow)
    monkeypatch.setattr(kafka_side, "monotonic_s", lambda: now_s[0])
    monkeypatch.setattr(kafka_side, "AGAIN_S", 0)

    assert await kafka_side.wait_for_no_workers(Settings(partitions=4)) == ["w on h"]
    assert asked[-1] < 20


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PolicyViolationError("at most 8 partitions"), "responds with an error"),
        (KafkaConnectionError("Unable to bootstrap"), "refuses the log-in"),
        (RequestTimedOutError(), "refuses the log-in"),
        (TimeoutError(), "refuses the log-in"),
    ],
)
def test_the_message_names_what_ended_the_command_and_not_an_earlier_failure(error: Exception, words: str) -> None:
    @repartition._faults(Settings(partitions=4))
    def fail() -> None:
        logging.getLogger("aiokafka").warning("Failed to connect: %s", SaslAuthenticationFailed("earlier"))
        raise error

    with pytest.raises(CommandError, match=words):
        fail()
