"""Events are read from the log at the places that a lead remembers."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import TopicPartition

from app import event_log
from app.event_log import EventLog
from streams.scoring.lead import Lead, id_hash
from streams.transport.topics import partition_of

PARTITIONS = 4


class Broker:
    """A log in memory, which is its own consumer."""

    def __init__(self, begin: int = 0) -> None:
        self.begin = begin
        self.logs: dict[int, list[Any]] = {partition: [] for partition in range(PARTITIONS)}
        self.fetched = 0
        self.started = 0
        self.is_away = False
        self._at = TopicPartition("", 0), 0

    def add(self, lead_id: str, message_id: str, partitions: int = PARTITIONS) -> int:
        log = self.logs[partition_of(lead_id, partitions)]
        value = orjson.dumps({"type": "page", "messageId": message_id, "properties": {"title": f"Page {message_id}"}})
        log.append(SimpleNamespace(offset=self.begin + len(log), value=value))
        return int(log[-1].offset)

    async def start(self) -> None:
        if self.is_away:
            raise KafkaConnectionError
        self.started += 1

    async def stop(self) -> None:
        self.started -= 1

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {place: log[0].offset if (log := self.logs[place.partition]) else 0 for place in places}

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {place: log[-1].offset + 1 if (log := self.logs[place.partition]) else 0 for place in places}

    def assign(self, places: list[TopicPartition]) -> None:
        (place,) = places
        self._at = place, 0

    def seek(self, place: TopicPartition, offset: int) -> None:
        self._at = place, offset

    def pause(self, place: TopicPartition) -> None:
        assert place == self._at[0]

    async def getmany(self, place: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, Any]:
        self.fetched += 1
        records = [each for each in self.logs[place.partition] if each.offset >= self._at[1]][:max_records]
        self._at = place, records[-1].offset + 1
        return {place: records}


def lead_with(*events: tuple[str, int], aliases: tuple[str, ...] = ()) -> Lead:
    lead = Lead(0)
    lead.aliases = list(aliases)
    for at, (message_id, offset) in enumerate(events):
        lead.remember(id_hash(message_id), at, (1,), offset)
    return lead


def titles(found: event_log.Found) -> set[str]:
    return {call["properties"]["title"] for call in found.calls.values()}


def log_of(broker: Broker) -> EventLog:
    return EventLog(lambda: broker, "lead-events", PARTITIONS)


@pytest.mark.parametrize("begin", [0, 2**32 - 50, 2**32 * 7 + 3])
async def test_events_are_found_by_the_ends_of_their_offsets(begin: int) -> None:
    broker = Broker(begin)
    events = [("m", offset := broker.add("u", "m"))]
    for i in range(300):
        broker.add("u", f"other-{i}")
    events += [(f"n{i}", broker.add("u", f"n{i}")) for i in range(30)]
    found = await log_of(broker).read_events("u", lead_with(*events))
    assert titles(found) == {"Page m", *(f"Page n{i}" for i in range(30))}
    assert found.failure == ""
    assert broker.fetched == 2
    assert offset == begin


async def test_events_of_a_joined_lead_are_found_in_the_partitions_of_its_old_ids() -> None:
    broker = Broker()
    ids = ["u", "a", "b", "c"]
    events = [(f"m-{each}", broker.add(each, f"m-{each}")) for each in ids for _ in range(2)]
    found = await log_of(broker).read_events("u", lead_with(*events, aliases=tuple(ids[1:])))
    assert titles(found) == {f"Page m-{each}" for each in ids}


async def test_events_from_before_a_repartition_are_found_in_the_partition_of_then() -> None:
    broker, former = Broker(), 2
    lead_id = next(each for each in map(str, range(99)) if partition_of(each, former) != partition_of(each, PARTITIONS))
    events = [("m", broker.add(lead_id, "m", former)), ("n", broker.add(lead_id, "n"))]
    log = log_of(broker)
    assert titles(await log.read_events(lead_id, lead_with(*events))) == {"Page n"}
    assert titles(await log.read_events(lead_id, lead_with(*events), [former])) == {"Page m", "Page n"}


async def test_another_event_at_the_place_of_one_is_not_shown() -> None:
    broker = Broker()
    broker.add("u", "another")
    found = await log_of(broker).read_events("u", lead_with(("m", 0), ("n", 2**31)))
    assert (found.calls, found.failure) == ({}, "")


async def test_an_event_is_not_read_twice_and_forgotten_with_the_log() -> None:
    broker = Broker()
    lead, log = lead_with(("m", broker.add("u", "m"))), log_of(broker)
    broker.add("u", "later")
    for _ in range(2):
        assert titles(await log.read_events("u", lead)) == {"Page m"}
    assert broker.fetched == 1
    del broker.logs[partition_of("u", PARTITIONS)][0]
    assert (await log.read_events("u", lead)).calls == {}


async def test_the_lead_is_shown_while_kafka_is_away() -> None:
    broker = Broker()
    lead, log = lead_with(("m", broker.add("u", "m"))), log_of(broker)
    broker.is_away = True
    assert (await log.read_events("u", lead)).failure == "unreachable"
    broker.is_away = False
    assert (await log.read_events("u", lead)).failure == "unreachable"  # it is not asked again at once
    assert (await log_of(broker).read_events("u", lead)).failure == ""


async def test_a_look_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "READ_S", 0.01)
    broker = Broker()
    lead, log = lead_with(("m", broker.add("u", "m"))), log_of(broker)

    async def answer_nothing(*_: Any, **__: Any) -> dict[Any, Any]:
        await asyncio.sleep(0)
        return {}

    monkeypatch.setattr(broker, "getmany", answer_nothing)
    found = await log.read_events("u", lead)
    assert (found.calls, found.failure) == ({}, "too_slow")
    await log.close()
    assert broker.started == 0


async def test_a_look_reads_a_bounded_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "MAX_BYTES", 100)
    broker = Broker()
    events = []
    for i in range(5):
        events.append((f"m{i}", broker.add("u", f"m{i}")))
        for k in range(200):
            broker.add("u", f"{i}-{k}")
    found = await log_of(broker).read_events("u", lead_with(*events))
    assert found.failure == "too_large"
    assert len(found.calls) == 2
