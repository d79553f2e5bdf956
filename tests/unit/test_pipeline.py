"""The life of a batch: in which order it goes, and what one step holds."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streams.environment import Environment
from streams.events.records import fingerprint
from streams.metrics import Metrics
from streams.mismatch import Mismatch
from streams.scorefile import load_file
from streams.scoring.lead import Lead
from streams.scoring.rules import Rules
from streams.scoring.stored import decode
from streams.shard.conflict import Conflict
from streams.shard.shard import Shard
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner, Topics
from tests.support.implementations import in_use

pytestmark = pytest.mark.usefixtures("implementation")

DAY_MS = 86_400_000
RULES = Rules(load_file(Path(__file__).parents[2] / "scorecards.yaml"), DAY_MS)


def demo(offset: int, lead_id: str, event: str = "Demo Requested") -> Any:
    """An alert's worth of an event."""
    call = {"type": "track", "event": event, "userId": lead_id, "messageId": f"m{offset}",
            "context": {"traits": {"title": "CTO", "employees": 450}}}  # fmt: skip
    return SimpleNamespace(
        offset=offset, key=lead_id.encode(), value=json.dumps(call).encode(), timestamp=DAY_MS + offset, headers=()
    )


def click(offset: int) -> Any:
    """An event that counts however often it happens."""
    return demo(offset, "ana", "Email Link Clicked")


async def opened(store: MemoryStore, reached: list[str] | None = None) -> Shard:
    """A shard of a worker of its own; what it does is noted."""
    noted = [] if reached is None else reached

    async def note(step: str) -> None:
        noted.append(step)

    env = Environment(
        store, Topics(), Partitioner(1), Metrics(), f"worker-{id(noted)}", reached=note, implementation=in_use()
    )
    shard = Shard(0, RULES, env)
    shard.relay = lambda entries: noted.append("relayed") if entries else None
    await shard.open()
    return shard


async def test_state_outbox_and_checkpoint_are_of_the_same_step() -> None:
    store = MemoryStore()
    shard = await opened(store)
    for first in (0, 10, 30):
        records = [demo(first, f"u{first}"), demo(first + 3, f"v{first}")]
        await shard.score_batch(records)
        fields = (await store.control(0)).fields
        assert int(fields["ckpt"]) == first + 4
        assert fields["fingerprint"] == fingerprint(records[-1])
        assert None not in await store.load(0, [f"u{first}", f"v{first}"])
        assert int(fields["sequence"]) == len(await store.outbox(0))
    assert (await store.control(0)).version == 3


async def test_nothing_is_sent_before_it_is_committed() -> None:
    reached: list[str] = []
    shard = await opened(MemoryStore(), reached)
    await shard.score_batch([demo(0, "ana")])
    assert reached == ["fetched", "scored", "commit_sent", "committed", "relayed"]


async def test_a_step_that_meets_another_writer_changes_and_sends_nothing() -> None:
    store, reached = MemoryStore(), list[str]()
    late, early = await opened(store, reached), await opened(store)
    await early.score_batch([demo(0, "ana")])
    before = await store.control(0), await store.outbox(0)
    with pytest.raises(Conflict):
        await late.score_batch([demo(0, "ana"), demo(1, "ben")])
    assert (await store.control(0), await store.outbox(0)) == before
    assert await store.load(0, ["ben"]) == [None]
    assert reached == ["fetched", "scored", "commit_sent"]


async def test_a_shard_that_others_wrote_is_read_again_and_goes_on_from_there() -> None:
    store = MemoryStore()
    late, early = await opened(store), await opened(store)
    await late.score_batch([click(0)])
    await early.open()
    await early.score_batch([click(1)])
    with pytest.raises(Conflict):
        await late.sync_store()
    await late.open()
    assert late.position.checkpoint == 2
    await late.score_batch([click(1), click(2)])
    [blob] = await store.load(0, ["ana"])
    lead = decode(blob or b"")
    assert isinstance(lead, Lead)
    assert lead.count == [3]


async def test_a_damaged_lead_ends_the_step_with_its_name_and_a_remedy() -> None:
    store = MemoryStore()
    await (await opened(store)).score_batch([demo(0, "ana")])
    store._shards[0].leads["ana"] += b"?"
    shard = await opened(store)
    with pytest.raises(Mismatch, match=r"partition 0: .* damaged: .* \(lead 'ana'\).*`leadglow rebuild`"):
        await shard.score_batch([demo(1, "ana")])


async def test_times_that_cannot_be_read_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    shard = await opened(MemoryStore())
    for first in (0, 10):
        records = [demo(first + i, "ana") for i in range(3)]
        for record, time in zip(records, ("28/07/2022 21:43", "", "2022-07-28T21:43:35Z"), strict=True):
            record.value = json.dumps(json.loads(record.value) | {"timestamp": time}).encode()
        await shard.score_batch(records)

    assert shard.env.metrics.events.labels("unreadable_time")._value.get() == 2
    assert [each.levelname for each in caplog.records if "cannot be read" in each.getMessage()] == ["WARNING"]
    assert "28/07" not in caplog.text
