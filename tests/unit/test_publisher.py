"""Scores on lead-scores: every change is published once it happened, whatever else happens meanwhile."""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest

from streams.environment import Environment
from streams.metrics import Metrics
from streams.scorefile import load
from streams.scoring.rules import Rules
from streams.scoring.score import rank_of
from streams.shard.conflict import Conflict
from streams.shard.publisher import Publisher
from streams.shard.shard import Shard
from streams.store.base import Commit, Verdict
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner, Topics

START_MS = 1_795_400_000_000
HOUR_MS = 3_600_000
RULES = Rules(
    load(
        "leadglow: 1\n"
        "signals: {visit: {event: page, half_life: 1h}}\n"
        "scorecards:\n"
        "  main:\n"
        "    points: {visit: 20}\n"
        "    stages: [{name: hot, enter: 20, leave: 15}]\n"
    )
)


class Scores:
    """A producer that keeps what is sent to lead-scores, and can be made to wait."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def deliver_batches(self, topic: str, rows: dict[int, list[Any]]) -> None:
        await self.open.wait()
        for _, key, value, _ in rows[0]:
            self.rows.append((key.decode(), value and json.loads(value)))


def record(offset: int, lead_id: str, call: str = "page", after_ms: int = 0) -> Any:
    event = {"type": "track", "event": call} if call != "page" else {"type": "page"}
    value = json.dumps(event | {"messageId": str(offset), "userId": lead_id}).encode()
    return SimpleNamespace(offset=offset, key=lead_id.encode(), value=value, timestamp=START_MS + after_ms, headers=())


class Published:
    """One shard with its publisher."""

    def __init__(self, rules: Rules = RULES, **settings: Any) -> None:
        metrics = Metrics()
        self.scores = Scores()
        self.shard = Shard(0, rules, Environment(MemoryStore(), Topics(), Partitioner(1), metrics, "test", **settings))
        channel: Any = SimpleNamespace(producer=self.scores, topics=Topics(), metrics=metrics, score_partitions=1)
        self.publisher = Publisher(self.shard, channel)

    async def publish(self, after_ms: int = 0) -> list[tuple[str, Any]]:
        """What is sent when scores are published."""
        self.scores.rows.clear()
        await self.publisher.publish(START_MS + after_ms)
        if self.publisher.sending is not None and self.scores.open.is_set():
            await self.publisher.sending
        return [(key, value and (value["score"], value["stage"])) for key, value in self.scores.rows]


@pytest.fixture
async def published() -> Published:
    found = Published()
    await found.shard.open()
    return found


async def test_a_change_is_published_once(published: Published) -> None:
    await published.shard.score_batch([record(0, "u")])
    assert await published.publish() == [("u", (20, "hot"))]
    assert await published.publish() == []


async def test_an_event_that_changes_nothing_publishes_nothing(published: Published) -> None:
    await published.shard.score_batch([record(0, "u")])
    await published.publish()
    await published.shard.score_batch([record(1, "u", "Heartbeat")])
    assert await published.publish() == []


async def test_a_timers_change_is_published_even_if_an_event_without_effect_follows(
    published: Published,
) -> None:
    await published.shard.score_batch([record(0, "u")])
    await published.publish()
    while await published.shard.advance_due(START_MS + HOUR_MS):
        pass
    await published.shard.score_batch([record(1, "u", "Heartbeat", HOUR_MS)])
    assert await published.publish(HOUR_MS) == [("u", (10, None))]


async def test_records_of_an_interrupted_publication_are_sent_with_the_next(published: Published) -> None:
    await published.shard.score_batch([record(0, "u")])
    published.scores.open.clear()
    await published.publish()
    assert published.publisher.sending is not None
    published.publisher.sending.cancel()
    await asyncio.gather(published.publisher.sending, return_exceptions=True)
    await published.shard.score_batch([record(1, "u", "Heartbeat")])
    published.scores.open.set()
    assert await published.publish() == [("u", (20, "hot"))]


async def test_leads_are_scheduled_although_their_scores_cannot_be_sent(published: Published) -> None:
    published.scores.open.clear()
    for offset, lead_id in enumerate("uv"):
        await published.shard.score_batch([record(offset, lead_id)])
        await published.publish()
    assert published.publisher.sending is not None
    published.publisher.sending.cancel()
    assert await published.shard.env.store.due(0, START_MS + HOUR_MS, 10) == ["u", "v"]


async def test_a_shard_that_was_ranked_by_published_scores_is_ranked_anew(published: Published) -> None:
    shard, store = published.shard, published.shard.env.store
    await shard.score_batch([record(0, "u"), record(1, "v", after_ms=5)])
    await shard.update_ranking(["u", "v"])
    old = {**(await store.control(0)).fields, "ranking": b"1"}
    ranks: dict[str, dict[str, float | None]] = {"main": {"u": 20.0, "v": 20.0}}
    assert await store.commit(0, Commit(shard.version, shard.step, "before", old, ranks=ranks)) is Verdict.OK
    again = Shard(0, RULES, shard.env)
    await again.open()
    assert (again.scorer.change, again.position.ranked) == (None, False)
    await again.advance_leads(["u", "v"], START_MS + 5)
    await again.finish_rescoring()
    assert await store.top(0, "main", 2) == [("v", rank_of(20, START_MS + 5)), ("u", rank_of(19, START_MS))]
    after = Shard(0, RULES, shard.env)
    await after.open()
    assert after.position.ranked


async def test_a_score_that_was_read_later_than_the_ranking_shows_goes_again_when_it_is_as_shown() -> None:
    """Behind, the ranking shows a lead as of its own last event, and records tell it as of the last one of all."""
    card = "{main: {points: {visit: 20}, range: [0, 20]}}"
    capped = f"leadglow: 1\nsignals: {{visit: {{event: page, half_life: 1h}}}}\nscorecards: {card}\n"
    behind, minute_ms = Published(Rules(load(capped))), 60_000
    await behind.shard.open()
    await behind.shard.score_batch([record(0, "u"), record(1, "v", after_ms=10 * minute_ms)])
    assert sorted(await behind.publish(10 * minute_ms)) == [("u", (17, None)), ("v", (20, None))]
    await behind.shard.score_batch([record(2, "u", after_ms=11 * minute_ms)])
    assert await behind.publish(11 * minute_ms) == [("u", (20, None))]
    assert await behind.publish(11 * minute_ms) == []


async def test_scores_go_in_portions_and_a_lead_that_changes_all_the_time_keeps_none_waiting(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.shard.publisher.PORTION", 2)
    await published.shard.score_batch([record(i, f"u{i}") for i in range(5)])
    sent = [[lead_id for lead_id, _ in await published.publish()]]
    for offset in range(5, 7):
        assert published.publisher.more
        await published.shard.score_batch([record(offset, "u0")])
        sent.append([lead_id for lead_id, _ in await published.publish()])
    assert not published.publisher.more
    assert list(map(len, sent)) == [2, 2, 1]
    assert {lead_id for portion in sent for lead_id in portion} == {f"u{i}" for i in range(5)}
    assert await published.publish() == [("u0", (60, "hot"))]


async def test_the_next_portion_goes_only_when_the_one_before_was_taken(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.shard.publisher.PORTION", 1)
    await published.shard.score_batch([record(i, f"u{i}") for i in range(2)])
    published.scores.open.clear()
    await published.publish()
    assert published.publisher.sending is not None
    assert not published.publisher.more
    published.scores.open.set()
    await published.publisher.sending
    assert published.publisher.more
    await published.publisher.send_more(START_MS)
    await published.publisher.sending
    assert {lead_id for lead_id, _ in published.scores.rows} == {"u0", "u1"}


async def test_no_portion_takes_the_place_of_one_that_failed(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.shard.publisher.PORTION", 1)
    await published.shard.score_batch([record(i, f"u{i}") for i in range(2)])
    monkeypatch.setattr(published.scores, "deliver_batches", None)
    await published.publisher.publish(START_MS)
    failed = published.publisher.sending
    assert failed is not None
    with pytest.raises(TypeError):
        await failed
    await published.publisher.publish(START_MS)
    assert published.publisher.sending is failed


async def test_a_lead_that_had_to_make_room_in_memory_is_published_and_not_buried() -> None:
    small = Published(cache_leads=3)
    await small.shard.open()
    ids = [f"u{i}" for i in range(12)]
    await small.shard.score_batch([record(i, lead_id) for i, lead_id in enumerate(ids)])
    assert sorted(await small.publish()) == sorted((lead_id, (20, "hot")) for lead_id in ids)


async def test_leads_that_wait_are_not_listed_again_while_others_are_sent(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.shard.publisher.PORTION", 1)
    await published.shard.score_batch([record(i, f"u{i}") for i in range(3)])
    ranked: list[str] = []
    update_ranking = published.shard.update_ranking

    async def note(lead_ids: list[str]) -> None:
        ranked.extend(lead_ids)
        await update_ranking(lead_ids)

    monkeypatch.setattr(published.shard, "update_ranking", note)
    await published.publisher.publish(START_MS)
    assert sorted(ranked) == ["u0", "u1", "u2"]
    monkeypatch.setattr(published.shard.unpublished, "waiting", None)
    for _ in range(2):
        await asyncio.sleep(0)  # the portion before is sent
        await published.publisher.publish(START_MS)
    assert len(ranked) == 3


async def test_many_leads_are_ranked_in_several_turns_and_published_once_ranked(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.shard.publisher.RANKED", 2)
    await published.shard.score_batch([record(i, f"u{i}") for i in range(5)])
    turns = [len(await published.publish()) for _ in range(4)]
    assert turns == [2, 2, 1, 0]


async def test_scores_sent_before_the_store_lost_its_latest_steps_do_not_count_for_later_changes(
    published: Published,
) -> None:
    shard, store = published.shard, published.shard.env.store
    assert isinstance(store, MemoryStore)
    before = deepcopy(store._shards)
    published.scores.open.clear()
    await shard.score_batch([record(0, "u")])
    await published.publisher.publish(START_MS)
    store._shards = before
    with pytest.raises(Conflict):
        await shard.sync_store()
    await shard.open()
    await shard.score_batch([record(0, "u"), record(1, "u")])
    published.scores.open.set()
    assert published.publisher.sending is not None
    await published.publisher.sending
    assert await published.publish() == [("u", (40, "hot"))]
