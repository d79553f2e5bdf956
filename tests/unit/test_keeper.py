"""Workers that publish their files, and what a log then says about the scorecards in force."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
from aiokafka.structs import TopicPartition

from app.cli.publish import list_row
from streams.events.outgoing import Outgoing
from streams.metrics import Metrics
from streams.mismatch import (
    LEAD_DAMAGED,
    REBUILD,
    REBUILD_AFTER,
    RECORD_CHANGED,
    RECORDS_DELETED,
    STATE_LOST,
    TOPIC_TRUNCATED,
    Mismatch,
    name_rebuild,
)
from streams.publishing import keeper as keeping
from streams.publishing.catalog import Catalog, Published
from streams.publishing.keeper import Brake, ScorecardsKeeper
from streams.publishing.records import Publication
from streams.publishing.scorecards import Scorecards
from streams.publishing.topic import ScorecardsTopic
from streams.publishing.writer import ScorecardsWriter, Superseded
from streams.scoring.rules import LATENESS_MS, Rules
from streams.transport.topics import Topics
from streams.yamlfile.watched import Watched
from tests.support.publications import PARTITIONS, Log, Reader, Stop

pytestmark = pytest.mark.asyncio
TEXT = """
leadglow: 1
signals: {view: {event: page, half_life: 1d}%s}
scorecards: {default: {points: {view: %d}%s}}
"""


def text(points: int, more: str = "", stages: str = "") -> str:
    return TEXT % (more, points, stages)


class Worker:
    """A worker's part in publishing, with a file of its own."""

    def __init__(self, log: Log, path: Path, points: int = 1, alerts: int = 0) -> None:
        self.path = path
        self.write(points)
        self.metrics = Metrics()
        self.topic = ScorecardsTopic("scorecards", LATENESS_MS, lambda: Reader(log))
        self.writer = ScorecardsWriter(self.topic, Topics(), PARTITIONS, log.deliver, log.time_ms)
        file = Watched(path, lambda p: Scorecards.read_file(p, LATENESS_MS), "scorecards")

        async def count_alerts(old: Rules, new: Rules) -> int:
            return alerts

        self.keeper = ScorecardsKeeper(self.topic, self.writer, file, Brake(50, count_alerts), "me", self.metrics)

    def write(self, points: int, more: str = "", stages: str = "") -> None:
        self.path.write_text(text(points, more, stages))
        os.utime(self.path, ns=(points, points))

    @property
    def points(self) -> float:
        """The points of the version published last."""
        latest = self.topic.catalog.latest
        assert latest is not None
        return self.topic.catalog.rules(latest.place).model.scorecards[0].points["view"].points


@pytest.fixture
def log() -> Log:
    return Log()


async def test_the_first_version_is_in_force_from_the_start_of_the_log(log: Log, tmp_path: Path) -> None:
    worker, other = Worker(log, tmp_path / "a"), Worker(log, tmp_path / "b")
    await worker.keeper.start()
    await other.keeper.start()
    assert (len(other.topic.catalog), log.changes(0)) == (1, [])
    assert other.topic.catalog.in_force_at(0, 0) == 0


async def test_versions_are_listed_without_control_characters(log: Log, tmp_path: Path) -> None:
    worker = Worker(log, tmp_path / "a")
    await worker.keeper.start()
    evil = Publication(id="x", version="v", text=text(1), author="\x1b]0;me", at_ms=0, note="a\nb\x1b[31m\u202e")
    row = list_row(Published(0, 1, evil), worker.topic.catalog)
    assert (row["by"], row["note"]) == ("]0;me", "a b [31m")


async def test_a_changed_file_is_published_once_to_every_partition(log: Log, tmp_path: Path) -> None:
    first, second = Worker(log, tmp_path / "a"), Worker(log, tmp_path / "b")
    for worker in (first, second):
        await worker.keeper.start()
    first.write(2)
    for worker in (first, second, first, second):
        await worker.keeper.check()
    second.write(2)  # the others' file arrives later
    await second.keeper.check()
    assert (first.points, second.points) == (2, 2)
    assert [log.changes(partition) for partition in range(PARTITIONS)] == [[1], [1], [1]]


async def test_workers_with_different_files_do_not_take_turns(log: Log, tmp_path: Path) -> None:
    first, second = Worker(log, tmp_path / "a", 1), Worker(log, tmp_path / "b", 2)
    await first.keeper.start()
    await second.keeper.start()
    for _ in range(3):
        for worker in (first, second, Worker(log, tmp_path / "c", 1)):
            await (worker.keeper.check() if worker in {first, second} else worker.keeper.start())
    assert (first.points, len(second.topic.catalog)) == (2, 2)


async def test_of_two_who_publish_at_once_the_later_one_changes_nothing(log: Log, tmp_path: Path) -> None:
    """Neither can see the other's publication before its own is written."""
    await log.publish(text(1))
    async with log.open_topic() as topic, log.open_topic() as another:
        place = topic.catalog.latest_place
        first = ScorecardsWriter(topic, Topics(), PARTITIONS, log.deliver, log.time_ms)

        async def publish_first(step: str) -> None:
            if step == "scorecards_ready":
                await first.publish(Scorecards.parse_text(text(2), "first", LATENESS_MS), "ana", place)

        second = ScorecardsWriter(another, Topics(), PARTITIONS, log.deliver, log.time_ms, publish_first)
        with pytest.raises(Superseded, match="ana published version 2"):
            await second.publish(Scorecards.parse_text(text(3), "second", LATENESS_MS), "tim", place)
        await topic.refresh()
        for catalog in (topic.catalog, another.catalog):
            assert [each.item.author for each in catalog] == ["somebody", "ana"]
    assert log.changes(0) == [1]


async def test_a_worker_offers_its_file_anew_after_another_publication(log: Log, tmp_path: Path) -> None:
    worker, other = Worker(log, tmp_path / "a"), Worker(log, tmp_path / "b")
    await worker.keeper.start()
    await other.keeper.start()
    worker.write(3)
    other.write(2)
    finish = worker.writer.finish

    async def be_late() -> None:
        worker.writer.finish = finish  # type: ignore[method-assign]
        await other.keeper.check()

    worker.writer.finish = be_late  # type: ignore[method-assign]
    await worker.keeper.check()
    await worker.keeper.check()
    assert (worker.points, len(worker.topic.catalog)) == (3, 3)


async def test_an_old_file_is_not_used(log: Log, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker(log, tmp_path / "a", 1)
    await worker.keeper.start()
    worker.write(2)
    await worker.keeper.check()
    late = Worker(log, tmp_path / "b", 1)
    await late.keeper.start()
    assert late.points == 2
    assert "leadglow scorecards rollback" in caplog.text


async def test_a_file_changed_back_is_published(log: Log, tmp_path: Path) -> None:
    worker = Worker(log, tmp_path / "a", 1)
    await worker.keeper.start()
    for points in (2, 1):
        worker.write(points)
        await worker.keeper.check()
    assert (worker.points, len(worker.topic.catalog)) == (1, 3)


async def test_a_file_that_would_send_too_many_alerts_is_held_back(
    log: Log, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(log, tmp_path / "a", 1, alerts=51)
    await worker.keeper.start()
    worker.write(2)
    await worker.keeper.check()
    assert worker.points == 1
    assert "51 alerts" in caplog.text
    assert worker.metrics.registry.get_sample_value("leadglow_scorecards_held_total") == 1


@pytest.mark.parametrize(
    ("signals", "warning"),
    [
        (("half_life: 1d", "half_life: 2d"), "earlier events of view do not count until"),
        (("half_life: 1d", "half_life: 1d, limit: 1/day"), "earlier events of view stay as they were counted"),
        (("half_life: 1d", "half_life: 1d, label: Visits"), ""),
    ],
)
async def test_a_changed_file_says_what_becomes_of_earlier_events(
    log: Log, tmp_path: Path, caplog: pytest.LogCaptureFixture, signals: tuple[str, str], warning: str
) -> None:
    worker = Worker(log, tmp_path / "a", 1)
    await worker.keeper.start()
    worker.path.write_text(text(1).replace(*signals))
    await worker.keeper.check()
    assert len(worker.topic.catalog) == 2
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [warning in each and "leadglow rebuild --backfill" in each for each in warned] == [True] * bool(warning)


@pytest.mark.parametrize("written", [1, 2, 3, 4])
async def test_what_a_publisher_leaves_unfinished_is_finished_by_others(
    log: Log, tmp_path: Path, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "UNFINISHED_S", 0.0)
    worker, other = Worker(log, tmp_path / "a"), Worker(log, tmp_path / "b")
    await worker.keeper.start()
    await other.keeper.start()
    worker.write(2)
    log.stop_after = written
    with pytest.raises(Stop):
        await worker.keeper.check()
    log.stop_after = 100
    await other.keeper.check()
    await other.keeper.check()
    assert [set(log.changes(partition)) for partition in range(PARTITIONS)] == [{1}, {1}, {1}]
    assert other.topic.catalog.unfinished() == []


async def test_a_log_without_its_start_begins_with_the_version_that_was_in_force_there(
    log: Log, tmp_path: Path
) -> None:
    await log.deliver([Outgoing("lead-events", b"u", b"{}", 0, [])] * 5, 1)
    worker = Worker(log, tmp_path / "a")
    await worker.keeper.start()
    worker.write(2)
    await worker.keeper.check()
    catalog = worker.topic.catalog
    assert [catalog.in_force_at(1, first) for first in (0, 5, 6)] == [0, 0, 1]


async def test_a_partition_that_was_added_begins_with_the_scorecards_in_force_then(log: Log, tmp_path: Path) -> None:
    worker = Worker(log, tmp_path / "a")
    await worker.keeper.start()
    worker.write(2)
    await worker.keeper.check()
    await worker.writer.note_repartition(2, dict.fromkeys(range(PARTITIONS), 1))

    topic = worker.topic
    assert [topic.catalog.in_force_at(partition, 0) for partition in (0, PARTITIONS, PARTITIONS + 5)] == [0, 1, 1]
    assert [await topic.place_at(partition, 1) for partition in range(PARTITIONS)] == [1] * PARTITIONS
    with pytest.raises(Mismatch, match="leadglow rebuild --after-repartition"):
        await topic.place_at(0, 0)


@pytest.mark.parametrize("first", [0, 1])
async def test_messages_name_the_rebuild_that_is_possible(
    log: Log, tmp_path: Path, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(log, tmp_path / "a")
    await worker.keeper.start()
    await worker.writer.note_repartition(2, {0: 1})
    (place,) = places = [TopicPartition("lead-events", 0)]
    monkeypatch.setattr(worker.topic, "_consumer", AsyncMock(**{"beginning_offsets.return_value": {place: first}}))

    has_older = await worker.topic.has_older("lead-events")

    assert has_older == (first == 0)
    assert worker.topic._consumer.beginning_offsets.await_args.args == (places,)
    for each in (STATE_LOST, TOPIC_TRUNCATED, RECORDS_DELETED, RECORD_CHANGED, LEAD_DAMAGED):
        text = name_rebuild(each, has_older)
        assert (REBUILD in text, REBUILD_AFTER in text) == (not has_older, has_older)


async def test_nobody_publishes_for_a_former_number_of_partitions(log: Log, tmp_path: Path) -> None:
    worker = Worker(log, tmp_path / "a")
    await worker.keeper.start()
    moved = ScorecardsWriter(worker.topic, Topics(), PARTITIONS + 1, log.deliver, log.time_ms)
    await moved.note_repartition(PARTITIONS, {})
    worker.write(2)
    with pytest.raises(Mismatch, match=f"set LEADGLOW_PARTITIONS={PARTITIONS + 1}"):
        await worker.keeper.check()
    assert len(worker.topic.catalog) == 1


async def test_publications_before_a_log_that_was_created_anew_are_in_force_from_its_start(
    log: Log, tmp_path: Path
) -> None:
    await log.deliver([Outgoing("lead-events", b"u", b"{}", 0, [])] * 5, 1)
    worker = Worker(log, tmp_path / "a")
    await worker.keeper.start()
    for points in (2, 3):
        worker.write(points)
        await worker.keeper.check()
    catalog = worker.topic.catalog
    assert catalog.lost({0: 2, 1: 7, 2: 2}) == []
    lost = catalog.lost({0: 2, 1: 5, 2: 2})
    assert [each.place for each in lost] == [1, 3]
    await worker.writer.begin_anew(lost)
    assert [catalog.in_force_at(partition, 0) for partition in range(PARTITIONS)] == [3, 3, 3]
    assert catalog.unfinished() == catalog.lost({}) == []


async def test_a_backfill_counts_new_signals_by_older_versions_too(log: Log, tmp_path: Path) -> None:
    worker = Worker(log, tmp_path / "a")
    await worker.keeper.start()
    worker.write(2, ", ask: {event: Asked}")
    await worker.keeper.check()
    catalog: Catalog = worker.topic.catalog
    values = (None,) * len(catalog.rules(0).paths)
    assert not catalog.rules(0).match("Asked", values).hits
    await worker.writer.backfill(1)
    assert [hit.rule.name for hit in catalog.rules(0).match("Asked", values).hits] == ["ask"]
    assert catalog.rules(0).version != catalog.rules(1).version


async def test_a_backfill_keeps_what_blocks_and_half_lives_of_the_later_version_need(log: Log, tmp_path: Path) -> None:
    worker = Worker(log, tmp_path / "a")
    await worker.keeper.start()
    more = ", ask: {event: Asked, half_life: {default: 7d, while: {call: 30d}}}, call: {event: Called}"
    stage = ", stages: [{name: hot, enter: 5, leave: 4, blocked_by: [{signal: view, for: 7d}]}]"
    worker.write(2, more, stage)
    await worker.keeper.check()
    catalog: Catalog = worker.topic.catalog
    before, after = Rules(catalog.rules(0).model, LATENESS_MS), catalog.rules(1)
    await worker.writer.backfill(1)
    assert catalog.rules(0).by_id.keys() == before.by_id.keys() | after.by_id.keys()
    assert catalog.rules(0).timed
    assert catalog.rules(0).signals_to_rebuild(before) == ["view"]


async def test_the_scorecards_of_an_earlier_version_of_leadglow_are_published_first(log: Log, tmp_path: Path) -> None:
    worker = Worker(log, tmp_path / "a", 2)
    former = Scorecards.parse_text(text(1), "former", LATENESS_MS)
    await worker.keeper.start(f"{former.version}\n{former.text}")
    assert next(each.version for each in worker.topic.catalog) == former.version
    assert worker.points == 2


async def test_a_record_that_cannot_be_read_is_refused(log: Log, tmp_path: Path) -> None:
    await log.deliver([Outgoing("scorecards", b"x", b'{"type":"later"}', 0, [])], 0)
    with pytest.raises(Mismatch, match="Run the same version of Leadglow everywhere"):
        await Worker(log, tmp_path / "a").keeper.start()
