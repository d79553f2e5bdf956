"""How often an idle worker wakes, and how often it tries to connect while Kafka is away."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.structs import BrokerMetadata, TopicPartition

from streams.shard.turns import IDLE_TURN_S, TURN_S, pause_s
from streams.transport import reconnects
from streams.transport.fetches import FetchWaits
from streams.transport.reconnects import MAX_PAUSE_S, Reconnects

NOW_MS = 1_000_000
PLACES = [TopicPartition("web-events", partition) for partition in range(4)]


def shard(*, due_ms: float = math.inf, unpublished: Sequence[str] = (), ranked: bool = True, old: bool = False) -> Any:
    """A shard with this timed work."""
    return SimpleNamespace(
        next_due=due_ms,
        unpublished=SimpleNamespace(versions=dict.fromkeys(unpublished, 1)),
        scorer=SimpleNamespace(change=old or None),
        position=SimpleNamespace(ranked=ranked),
        env=SimpleNamespace(clock=SimpleNamespace(now_ms=lambda: NOW_MS)),
    )


def test_a_lane_without_work_wakes_every_other_second() -> None:
    assert pause_s(shard(), busy=False) == IDLE_TURN_S == 2
    assert pause_s(shard(due_ms=NOW_MS + 60_000), busy=False) == IDLE_TURN_S


def test_a_lane_wakes_for_the_next_crossing() -> None:
    assert pause_s(shard(due_ms=NOW_MS + 400), busy=False) == pytest.approx(0.4)
    assert pause_s(shard(due_ms=NOW_MS - 400), busy=False) == TURN_S


@pytest.mark.parametrize("work", [{"unpublished": ["ana"]}, {"ranked": False}, {"old": True}])
def test_a_lane_with_timed_work_wakes_soon(work: dict[str, Any]) -> None:
    assert pause_s(shard(**work), busy=False) == TURN_S


def test_a_busy_lane_wakes_soon() -> None:
    assert pause_s(shard(), busy=True) == TURN_S


# Fetches -------------------------------------------------------------------------------------------------------------


class Planner:
    """The part of aiokafka's fetcher that plans: two brokers, each leading two partitions."""

    def __init__(self, buffered: Sequence[TopicPartition]) -> None:
        """``buffered`` are partitions whose records nobody has taken yet."""
        self._records = dict.fromkeys(buffered, SimpleNamespace(calculate_backoff=lambda: 0))
        self._in_flight: set[int] = set()
        self._fetch_max_wait_ms, self._fetch_min_bytes, self._fetch_max_bytes = 20, 1, 1
        self._max_partition_fetch_bytes = self._isolation_level = 1
        self._client_rack = ""
        self._fetcher_timeout = 0.1

    def _get_actions_per_node(self, assignment: Any) -> Any:
        return Fetcher._get_actions_per_node(self, assignment)

    def _select_read_replica(self, place: TopicPartition) -> int:
        return int(place.partition) // 2


def waits_ms(*buffered: TopicPartition) -> dict[int, int]:
    """How long each broker may delay the answer to the next fetch."""
    fetcher = Planner(buffered)
    FetchWaits(fetcher, 200)
    subscription: Any = SubscriptionState()
    subscription.subscribe({"web-events"})
    subscription.assign_from_subscribed(set(PLACES))
    for place in PLACES:
        subscription.seek(place, 7)
    requests = fetcher._get_actions_per_node(subscription.subscription.assignment)[0]
    return {node: request._max_wait_ms for node, request in requests}


async def test_a_fetch_of_all_partitions_waits_longer() -> None:
    assert waits_ms() == {0: 200, 1: 200}


async def test_a_fetch_waits_shortly_while_another_partition_of_the_broker_is_busy() -> None:
    assert waits_ms(PLACES[0]) == {0: 20, 1: 200}


# Reconnects ----------------------------------------------------------------------------------------------------------


class Kafka:
    """A client of brokers that can be away, and a clock that only pauses move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *brokers: int) -> None:
        self.now_s = 0.0
        self.away = set(brokers)
        self.attempts: list[float] = []
        self.cluster = SimpleNamespace(brokers=lambda: [BrokerMetadata(each, "", 0, None) for each in brokers])
        self._get_conn: Any = self._attempt
        monkeypatch.setattr(reconnects, "monotonic_s", lambda: self.now_s)
        monkeypatch.setattr(reconnects, "sleep", self._sleep)
        Reconnects(self)

    async def _attempt(self, node_id: int, **_: Any) -> str | None:
        self.attempts.append(self.now_s)
        return None if node_id in self.away else "connected"

    async def _sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)

    async def connect(self, node_id: int) -> Any:
        """Connect as aiokafka does, a tenth of a second after the last attempt."""
        await self._sleep(0.1)
        return await self._get_conn(node_id, group=0)


async def test_an_outage_costs_few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka(monkeypatch, 1)
    while kafka.now_s < 60:
        assert await kafka.connect(1) is None
    assert len(kafka.attempts) < 70
    gaps = [after - before for before, after in zip(kafka.attempts, kafka.attempts[1:], strict=False)]
    assert max(gaps) <= MAX_PAUSE_S + 0.2


async def test_the_end_of_an_outage_ends_the_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka(monkeypatch, 1)
    for _ in range(20):
        await kafka.connect(1)
    kafka.away.clear()
    ended_s = kafka.now_s
    assert await kafka.connect(1) == "connected"
    assert kafka.now_s - ended_s <= MAX_PAUSE_S + 0.2
    kafka.away.add(1)
    began_s = kafka.now_s
    await kafka.connect(1)
    assert kafka.now_s - began_s == pytest.approx(0.1), "the first attempt of the next outage does not wait"


async def test_nothing_waits_for_one_of_several_brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka(monkeypatch, 1, 2)
    kafka.away.remove(2)
    for _ in range(20):
        await kafka.connect(1)
    assert kafka.now_s == pytest.approx(2)
