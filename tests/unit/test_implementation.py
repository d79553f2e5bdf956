"""Which implementation scores, and what happens where the two differ."""

from __future__ import annotations

import builtins
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import msgspec
import pytest

from streams.crosscheck import EVERY, CheckedCodec, CheckedScorer, Difference
from streams.environment import Environment
from streams.events.codec import Codec, Decoded
from streams.events.rejects import Reject
from streams.exits import Exit
from streams.implementation import REFERENCE, AcceleratorMissing, Choice, Implementation, choose
from streams.metrics import Metrics
from streams.scoring.event import LeadEvent
from streams.scoring.interface import Batch
from streams.scoring.lead import Lead
from streams.scoring.outcome import Outcome
from streams.scoring.scorer import Scorer
from streams.scoring.stored import encode
from streams.shard.lane import ShardLane
from streams.shard.shard import Shard
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner, Topics
from tests.unit.test_pipeline import RULES, demo

ROOT = Path(__file__).parents[2]
needs_accelerator = pytest.mark.skipif(choose().name == "reference", reason="no accelerator")


class WrongScorer(Scorer):
    """A scorer that forgets to alert."""

    def finish(self) -> Outcome:
        outcome = super().finish()
        outcome.crossings = []
        return outcome


class WrongCodec(Codec):
    """A codec that takes no user for a known one."""

    def decode_batch(self, records: Sequence[Any], owners: Sequence[Any]) -> Decoded[Batch]:
        decoded = super().decode_batch(records, owners)
        for i in range(len(decoded.batch)):
            event: Any = decoded.batch.input(i)
            event.known = False
        return decoded


def checked(scorer: type[Scorer] = Scorer, codec: type[Codec] = Codec) -> Implementation:
    def new_scorer(*of: Any) -> Any:
        return CheckedScorer(scorer(*of), Scorer(*of))

    def new_codec(*of: Any) -> CheckedCodec:
        return CheckedCodec(codec(*of), Codec(*of))

    return Implementation("checked", new_scorer, new_codec, REFERENCE.murmur2)


async def opened(implementation: Implementation) -> tuple[Shard, MemoryStore]:
    store = MemoryStore()
    env = Environment(store, Topics(), Partitioner(1), Metrics(), "worker", implementation=implementation)
    shard = Shard(0, RULES, env)
    await shard.open()
    return shard, store


@pytest.fixture
def _not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the accelerator impossible to import."""
    real = builtins.__import__

    def refuse(name: str, *of: Any) -> Any:
        if name.startswith("streams.accelerator"):
            msg = "No module named 'numba'"
            raise ImportError(msg)
        return real(name, *of)

    monkeypatch.setattr(builtins, "__import__", refuse)


@pytest.mark.usefixtures("_not_installed")
def test_without_the_accelerator_the_reference_scores_unless_it_was_asked_for() -> None:
    assert choose("off") is REFERENCE
    assert (choose("auto").name, choose("auto").reason) == ("reference", "No module named 'numba'")
    choices: tuple[Choice, ...] = ("on", "check")
    for choice in choices:
        with pytest.raises(AcceleratorMissing, match=r"No module named 'numba'.*leadglow\[fast\]"):
            choose(choice)


def test_a_worker_that_must_have_the_accelerator_ends_with_one_sentence_without_it() -> None:
    command = "import sys; sys.modules['streams.accelerator'] = None; from app.__main__ import main; main()"
    env = {"LEADGLOW_ACCELERATOR": "on", "LEADGLOW_METRICS_PORT": "0", "LEADGLOW_SCORECARDS": "scorecards.yaml"}
    done = subprocess.run(
        [sys.executable, "-c", command, "worker"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == Exit.REFUSED
    assert done.stderr.count("\n") == 1
    assert "pip install 'leadglow[fast]'" in done.stderr


@needs_accelerator
def test_the_accelerator_scores_where_it_is_installed() -> None:
    choices: tuple[Choice, ...] = ("auto", "on", "check", "off")
    names = [choose(choice).name for choice in choices]
    assert names == ["accelerator", "accelerator", "checked accelerator", "reference"]


@pytest.mark.parametrize("accelerated", [False, pytest.param(True, marks=needs_accelerator)])
async def test_a_checked_shard_gives_the_results_of_the_reference_if_both_agree(accelerated: bool) -> None:
    records = [demo(i, f"u{i % 40}", ("Demo Requested", "Email Link Clicked")[i % 3 > 0]) for i in range(400)]
    shard, store = await opened(choose("check") if accelerated else checked())
    reference, expected = await opened(REFERENCE)
    for first in range(0, 400, 50):
        for each in (shard, reference):
            await each.score_batch(records[first : first + 50])
            await each.update_ranking(sorted(each.unpublished.versions))
            await each.advance_due(records[first + 49].timestamp + 86_400_000)
    assert sorted([item async for item in store.scan(0)]) == sorted([item async for item in expected.scan(0)])
    assert await store.due(0, float("inf"), 100) == await expected.due(0, float("inf"), 100)
    assert len(await store.outbox(0)) == len(await expected.outbox(0)) > 0


@pytest.mark.parametrize("wrong", [checked(scorer=WrongScorer), checked(codec=WrongCodec)])
async def test_a_step_in_which_they_differ_is_dropped_and_the_reference_goes_on(wrong: Implementation) -> None:
    shard, store = await opened(wrong)
    records = [demo(i, f"u{i}") for i in range(EVERY)]
    with pytest.raises(Difference):
        await shard.score_batch(records)
    assert (await store.control(0)).version == 0
    shard.use_reference()
    await shard.open()
    await shard.score_batch(records)
    assert len(await store.outbox(0)) == EVERY


async def test_a_lane_that_finds_a_difference_reports_it_and_reads_the_shard_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shard, store = await opened(checked(scorer=WrongScorer))
    metrics, cursor = shard.env.metrics, AsyncMock()
    channel: Any = SimpleNamespace(metrics=metrics)
    clock: Any = SimpleNamespace(now=lambda arrived_ms, caught_up: None)
    lane = ShardLane(shard, channel, clock, cursor)
    await lane.open(0, None)
    for _ in range(2):
        lane.enqueue([demo(i, f"u{i}") for i in range(EVERY)], EVERY)
        await lane._run_once()
    cursor.seek.assert_awaited_once_with(0)
    assert "continues with the reference" in caplog.text
    assert (await store.control(0)).version == 1
    assert metrics.registry.get_sample_value("leadglow_accelerator_differences_total") == 1


def test_a_difference_names_fields_and_no_values() -> None:
    event = LeadEvent("ana@acme.example", "page", (), "m-1", 0, 0)
    lead = Lead(0)
    lead.traits = {"email": ["ana@acme.example", 0, "m-1"]}
    pairs: list[tuple[object, object, str]] = [
        (event, msgspec.structs.replace(event, known=True), "fields known"),
        (event, None, "LeadEvent instead of NoneType"),
        (encode(lead), encode(Lead(0)), "fields traits"),
        (encode(lead), b"", r"\d+ bytes, expected 0"),
        ([event], [], "1 values, expected 0"),
        ({"card": {"ana": 1}}, {"card": {"ana": 2}}, "1 values, expected 1; of the common ones, 1 differ"),
        (Reject("empty", "ana"), Reject("empty", "eve"), "fields sentence"),
        (7, 8, "int"),
    ]
    for found, expected, detail in pairs:
        message = str(Difference("a result", found, expected))
        assert re.search(rf"differ in a result \({detail}", message)
        assert "ana" not in message


def test_a_lead_that_was_not_checked_from_the_beginning_of_a_step_is_not_checked_in_it() -> None:
    """Its outcome has a part that the reference knows nothing of."""
    scorer: Any = CheckedScorer(Scorer(RULES), Scorer(RULES))
    codec = Codec(RULES.paths)
    for first in range(0, 60, 20):
        batch = codec.decode_batch([demo(first + i, f"u{(first + i) % 30}") for i in range(20)], [""] * 20).batch
        for lead_id in scorer.missing(batch):
            scorer.put_lead(lead_id, None)
        scorer.apply_batch(batch)
    assert len(scorer.finish().all_blobs()) == 30
