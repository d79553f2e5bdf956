"""Where a restored shard stands, and how it continues after a gap."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from unittest.mock import AsyncMock

import pytest
from typer.testing import CliRunner

from app.checkup.findings import Level
from app.checkup.kafka_checks import check_log
from app.cli import lead_log, restore
from app.cli.root import build
from app.log_gaps import LogState, ShardPlace, fields_after_gap
from app.settings import Settings
from streams.shard.in_force import InForce
from streams.shard.position import Position
from streams.store.base import Control
from tests.support.publications import Log

CARD = """
leadglow: 1
signals: {visit: {event: page, half_life: 1d}}
scorecards: {default: {points: {visit: POINTS}, stages: [{name: hot, enter: 9, leave: 4, handoff: true}]}}
"""


def shard(checkpoint: int, first: int, end: int, in_force: InForce | None = None, version: int = 1) -> ShardPlace:
    """A shard that has scored up to ``checkpoint``, and what its log has left."""
    position = Position(checkpoint, 0, b"print", 1_790_000_000_000, {"web:0": 7}, sequence=5)
    fields = position.to_fields() | (in_force or InForce()).to_fields()
    return ShardPlace(0, Control(version, "step", fields if version else {}), first, end, 1_790_000_060_000)


def lost(first: int, end: int) -> ShardPlace:
    """A shard that was scored according to Kafka, but has no state."""
    return replace(shard(0, first, end, version=0), was_scored=True)


@pytest.mark.parametrize(
    ("place", "state", "missing", "waiting"),
    [
        (shard(4, 0, 9), LogState.CONTINUES, 0, 5),
        (shard(9, 9, 9), LogState.CONTINUES, 0, 0),
        (shard(4, 6, 9), LogState.GAP, 2, 3),
        (shard(4, 9, 9), LogState.GAP, 5, 0),
        (shard(10, 6, 9), LogState.BEYOND, 0, 0),
        (shard(0, 0, 9), LogState.CONTINUES, 0, 9),
        (shard(0, 6, 9), LogState.GAP, 6, 3),  # as of a partition that was added: nothing was scored yet
        (shard(0, 6, 6), LogState.GAP, 6, 0),
        (shard(6, 6, 9), LogState.CONTINUES, 0, 3),  # emptied by a rebuild
        (lost(0, 9), LogState.EMPTY, 0, 9),
        (lost(6, 9), LogState.GAP, 6, 3),
        (lost(6, 6), LogState.GAP, 6, 0),
        (shard(0, 0, 0, version=0), LogState.CONTINUES, 0, 0),
        (shard(0, 0, 9, version=0), LogState.CONTINUES, 0, 9),  # a new system on a topic with records
        (shard(0, 6, 9, version=0), LogState.CONTINUES, 0, 3),
        (shard(0, 6, 6, version=0), LogState.CONTINUES, 0, 0),
    ],
)
def test_a_shard_is_compared_with_its_log(place: ShardPlace, state: LogState, missing: int, waiting: int) -> None:
    assert (place.state, place.missing, place.waiting) == (state, missing, waiting)


def test_a_lost_shard_continues_after_the_records_from_before_a_repartition() -> None:
    kept = replace(lost(0, 9), divided=7)

    assert (kept.state, kept.missing, kept.waiting) == (LogState.GAP, 7, 2)
    assert kept.to_json()["missing"]["last_offset"] == 6
    assert fields_after_gap(kept, None)["ckpt"] == b"7"
    assert replace(lost(0, 6), divided=7).state is LogState.BEYOND
    assert fields_after_gap(replace(lost(8, 9), divided=7), None)["ckpt"] == b"8"
    assert fields_after_gap(replace(shard(4, 6, 9), divided=7), None)["ckpt"] == b"6"


def test_a_gap_has_offsets_and_a_time_span() -> None:
    assert shard(4, 6, 9).to_json()["missing"] == {
        "first_offset": 4, "last_offset": 5, "offsets": 2,
        "after": "2026-09-21T14:13:20.000Z", "before": "2026-09-21T14:14:20.000Z",
    }  # fmt: skip


def test_the_doctor_names_the_partitions_that_workers_refuse() -> None:
    (fault,) = check_log([shard(4, 0, 9), replace(shard(4, 6, 9), partition=1), replace(shard(9, 0, 4), partition=2)])
    assert (fault.level, fault.text[:32]) == (Level.FAULT, "partitions 1, 2 cannot continue,")
    (fault,) = check_log([shard(4, 0, 9), replace(lost(0, 9), partition=1)])
    assert (fault.level, fault.text[:28]) == (Level.FAULT, "partition 1 cannot continue,")
    assert check_log([shard(4, 0, 9)])[0].level is Level.OK


async def test_a_worker_that_goes_on_meanwhile_is_not_beyond_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    scored, store = 4, AsyncMock()

    async def control(partition: int) -> Control:
        return Control(1, "step", {"ckpt": b"%d" % scored})

    async def read_ends(settings: Settings) -> lead_log.LogEnds:
        nonlocal scored
        scored += 5  # what arrives after this moment is scored at once
        return lead_log.LogEnds({0: 0}, {0: 4}, {})

    monkeypatch.setattr(lead_log, "read_divided", AsyncMock(return_value={0: 3}))
    store.control = control
    monkeypatch.setattr(lead_log, "open_store", lambda settings: nullcontext(store))
    monkeypatch.setattr(lead_log, "read_ends", read_ends)
    (place,) = await lead_log.read_places(Settings(partitions=1))
    assert (place.state, place.divided) == (LogState.CONTINUES, 0)


async def test_a_namespace_without_state_cannot_begin_with_records_from_before_a_repartition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = AsyncMock(control=AsyncMock(return_value=Control()))
    monkeypatch.setattr(lead_log, "open_store", lambda settings: nullcontext(store))
    monkeypatch.setattr(lead_log, "read_ends", AsyncMock(return_value=lead_log.LogEnds({0: 2, 1: 0}, {0: 9, 1: 4}, {})))
    monkeypatch.setattr(lead_log, "read_divided", AsyncMock(return_value={0: 7}))

    old, added = await lead_log.read_places(Settings(partitions=2, rebuild_when_lost=True))

    assert (old.state, old.missing, added.state) == (LogState.GAP, 7, LogState.CONTINUES)
    assert [each.level for each in check_log([old, added])] == [Level.FAULT]


@pytest.mark.parametrize(
    ("place", "status", "words"),
    [
        (shard(4, 0, 9), 0, ""),
        (shard(0, 0, 0, version=0), 78, "is LEADGLOW_NAMESPACE right?"),
        (shard(4, 6, 9), 1, "`leadglow restore --accept-gap`"),
        (shard(9, 0, 4), 78, "set LEADGLOW_KAFKA"),
        (lost(6, 9), 78, "Redis has no state"),
        (shard(0, 6, 9, version=0), 78, "nothing to restore: start the workers."),
        (replace(shard(0, 0, 9, version=0), divided=7), 78, "nothing to restore: run `leadglow rebuild --after-rep"),
    ],
)
def test_the_command_names_the_ways_out(
    place: ShardPlace, status: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(settings: Settings) -> list[ShardPlace]:
        return [place]

    monkeypatch.setattr(restore, "read_places", read)
    result = CliRunner().invoke(build(["restore"]), ["restore"])
    assert result.exit_code == status
    assert words in result.stderr
    assert ("4 to 5" in result.stdout) == (place.state is LogState.GAP and place.position.checkpoint == 4)


def test_after_a_gap_only_position_and_owner_change() -> None:
    place = shard(4, 6, 9, InForce(0, started={0: 0}))
    after = fields_after_gap(place, None)

    assert {name for name, value in after.items() if place.control.fields.get(name) != value} == {
        "ckpt", "fingerprint", "owner",
    }  # fmt: skip
    assert Position.from_fields(after).checkpoint == 6


async def test_scorecards_published_within_the_gap_come_into_force_at_its_end() -> None:
    log = Log()
    for points in ("1", "2", "3"):
        await log.publish(CARD.replace("POINTS", points))
    async with log.open_topic() as topic:
        first, second, third = topic.catalog.published.values()
        changed_at = max(record.offset for record in log.records["lead-events", 0])
        between = fields_after_gap(shard(0, changed_at, 9, InForce(first.place)), topic.catalog)
        whole = fields_after_gap(shard(0, changed_at + 1, 9, InForce(first.place)), topic.catalog)
        unfinished = InForce(second.place, before=first.place)
        settled = fields_after_gap(shard(0, changed_at + 1, 9, unfinished), topic.catalog)

    assert InForce.from_fields(between).place == second.place
    assert InForce.from_fields(whole).place == third.place
    assert InForce.from_fields(whole).before == first.place
    assert InForce.from_fields(settled).before == first.place
