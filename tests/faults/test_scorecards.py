"""Scorecards change while events arrive, and workers end in the middle of it."""

from __future__ import annotations

import signal

import orjson
import pytest

from streams.exits import Exit
from streams.store.base import Commit, Verdict
from tests.faults.feeding import feed
from tests.faults.oracle import Found, counted, disagreements
from tests.faults.rig import Rig, Worker, until
from tests.faults.workload import Workload


def change(rig: Rig) -> None:
    """Change the weights of signals in the file of the workers."""
    old = rig.scorecards.read_text()
    rig.scorecards.write_text(
        old.replace("email_click: 3", "email_click: 30").replace("demo_request: 40", "demo_request: 4")
    )


async def rescored(rig: Rig, version: str = "") -> Found:
    """Wait until every lead is settled by a version; then compare states and alerts with the model."""
    version = version or rig.rules.version

    async def done() -> bool:
        controls = [await rig.store.control(p) for p in range(rig.partitions)]
        return all(
            control.fields.get("scorecards", b"").decode() == version and not control.fields.get("before")
            for control in controls
        )

    await until("every lead settled by the new scorecards", done, rig.said)
    found = await rig.promise_kept()
    assert len(found.alerts) == len(set(found.alerts))
    return found


async def test_new_weights_apply_to_all_leads_at_once(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker()
    await feed(rig, workload, 6)
    await rig.settled()
    await rig.send(workload.take(300))
    change(rig)
    await feed(rig, workload, 4)
    version = rig.rules.version
    await rescored(rig)
    values = rig.handed_off()
    assert [value for value in values if value["data"]["cause"] == "scorecard_changed"]
    last = {record.key: orjson.loads(record.value) for records in rig.of("lead-scores").values()
            for record in records if record.value is not None}  # fmt: skip
    assert {row["version"] for row in last.values()} <= {version, *_versions(values)}
    assert await worker.metric("leadglow_file_reload_errors_total") == 0


def _versions(values: list[dict[str, dict[str, dict[str, str]]]]) -> set[str]:
    return {value["data"]["scorecard"]["version"] for value in values}


async def test_a_restarted_worker_with_an_old_file_uses_the_published_version(rig: Rig, workload: Workload) -> None:
    rig.start_worker()
    await feed(rig, workload, 3)
    old = rig.directory / "old.yaml"
    old.write_text(rig.scorecards.read_text())
    change(rig)
    await rescored(rig)
    late = rig.start_worker(scorecards=old)
    await feed(rig, workload, 3)

    async def warned() -> bool:
        return "leadglow scorecards rollback" in late.log

    await until("the warning", warned, rig.said)
    await rescored(rig)
    assert len((await rig.catalog()).published) == 2


async def test_a_file_that_would_send_too_many_alerts_is_held_back(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker(most_model_alerts=0)
    await feed(rig, workload, 6)
    await rig.settled()
    version = rig.rules.version
    change(rig)

    async def held() -> bool:
        return await worker.metric("leadglow_scorecards_held_total") > 0

    await until("the brake", held, rig.said)
    await rescored(rig, version)
    status, said = await rig.command("scorecards", "publish", str(rig.scorecards), most_model_alerts=0)
    assert (status, "LEADGLOW_MOST_MODEL_ALERTS" in said) == (Exit.CHECK_FAILED, True), said
    before = set(rig.alerts())
    status, said = await rig.command("scorecards", "publish", str(rig.scorecards), "--yes", "--quiet")
    assert status == 0, said
    await rescored(rig)
    causes = {value["data"]["cause"] for value in rig.handed_off() if value["id"] not in before}
    assert "scorecard_changed" not in causes


async def test_after_a_rollback_and_a_rebuild_alerts_and_stages_agree(rig: Rig, workload: Workload) -> None:
    rig.start_worker()
    await feed(rig, workload, 6)
    await rig.settled()
    first = rig.rules.version
    rig.scorecards.write_text(rig.scorecards.read_text().replace("enter: 45, leave: 30", "enter: 16, leave: 8"))
    await rescored(rig)
    await feed(rig, workload, 2)
    status, said = await rig.command("scorecards", "rollback", first[:12], "--yes")
    assert status == 0, said
    found = await rescored(rig, first)
    await feed(rig, workload, 2)
    found = await rescored(rig, first)
    assert any(alert["data"]["stage"]["kind"] == "left" for alert in found.handed_off)
    assert not disagreements(found)
    status, said = await rig.command("rebuild", "--yes")
    assert status == 0, said
    again = await rescored(rig, first)
    assert set(again.alerts) == set(found.alerts)


def write_version(rig: Rig, number: int) -> str:
    """Write a scorecard file by which many leads enter or leave a stage."""
    path = rig.directory / f"version{number}.yaml"
    bounds = f"enter: {(20, 40)[number % 2]}, leave: {10 + number}"
    path.write_text(rig.scorecards.read_text().replace("enter: 45, leave: 30", bounds))
    return str(path)


async def shards_of(rig: Rig, worker: Worker) -> set[int]:
    return {p for p, owner in enumerate(await rig.owners()) if f"-{worker.pid}-" in owner}


async def move_shards(rig: Rig, victim: Worker) -> None:
    """Wait until a worker has died, and others have taken its shards over."""
    await victim.ended()
    await rig.forget_dead()

    async def moved() -> bool:
        return not await shards_of(rig, victim)

    await until("the move of the shards", moved, rig.said)


async def kill_command(rig: Rig, step: str, *arguments: str) -> None:
    """Run a command that is killed at a step."""
    status, said = await rig.command("scorecards", *arguments, "--yes", crash_at=step)
    assert status == -signal.SIGKILL, said


@pytest.mark.usefixtures("_apache_kafka")
async def test_publishers_are_killed_at_each_step_while_a_worker_dies_and_its_shards_move(
    rig: Rig, workload: Workload
) -> None:
    """Publications are repeated or finished; each record is scored by the version that the log names."""
    first = rig.rules.version
    await kill_before_and_after_the_text(rig)
    for _ in range(3):
        rig.start_worker()
    await feed(rig, workload, 4)
    await kill_between_control_records(rig, workload)
    await kill_command(rig, "scorecards_control:4", "publish", write_version(rig, 2))
    await kill_command(rig, "scorecards_published", "rollback", first)
    status, said = await rig.command("scorecards", "rollback", first)  # a worker may have finished it already
    assert (status, first[:12] in said) == (0, True), said
    await feed(rig, workload, 2)
    found = await rescored(rig, first)
    assert not found.catalog.unfinished()
    assert counted(rig.rules, found, "email_click") == workload.clicks
    assert len({alert["data"]["scorecard"]["version"] for alert in found.handed_off}) > 2
    assert not disagreements(found)


async def kill_before_and_after_the_text(rig: Rig) -> None:
    """Nothing is published; then it is, on no partition: the same command finishes it. No worker does it before."""
    status, said = await rig.command("scorecards", "publish", str(rig.scorecards))
    assert status == 0, said
    before, path = (await rig.catalog()).published, write_version(rig, 0)
    await kill_command(rig, "scorecards_ready", "publish", path)
    assert (await rig.catalog()).published == before
    await kill_command(rig, "scorecards_published", "publish", path)
    status, said = await rig.command("scorecards", "list")
    assert (status, "unfinished" in said, "same command" in said) == (0, True, True), said
    status, said = await rig.command("scorecards", "publish", path)
    assert (status, "had been interrupted, and is finished" in said) == (0, True), said


async def kill_between_control_records(rig: Rig, workload: Workload) -> None:
    """A worker is killed once a shard has changed; another one takes its shards over, and finishes the publication."""
    await rescored(rig, await latest_version(rig))
    await kill_command(rig, "scorecards_control:2", "publish", write_version(rig, 1))
    await rig.send(workload.take(200))
    latest = (await rig.catalog()).latest
    assert latest is not None

    async def has_changed() -> bool:
        return int((await rig.store.control(0)).fields["place"]) == latest.place

    await until("the change of the first shard", has_changed, rig.said)
    victim = next(worker for worker, shards in [(w, await shards_of(rig, w)) for w in rig.workers] if 0 in shards)
    victim.kill()
    await move_shards(rig, victim)
    await rescored(rig, await latest_version(rig))

    async def finished() -> bool:
        return not (await rig.catalog()).unfinished()

    await until("the end of the publication", finished, rig.said)


async def latest_version(rig: Rig) -> str:
    latest = (await rig.catalog()).latest
    assert latest is not None
    return latest.version


async def test_a_bad_file_changes_nothing(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker()
    await feed(rig, workload, 3)
    good = rig.scorecards.read_text()
    rig.scorecards.write_text(good.replace("email_click: 3", "email_klick: 3"))

    async def refused() -> bool:
        return await worker.metric("leadglow_file_refused") > 0

    await until("the refusal", refused)
    await feed(rig, workload, 3)
    rig.scorecards.write_text(good)
    await rig.promise_kept()
    assert worker.status is None


async def test_a_worker_that_dies_while_leads_are_settled_leaves_none_out(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker(crash_at="scorecards_changed:3")
    await feed(rig, workload, 6)
    await rig.settled()
    await rig.send(workload.take(600))
    change(rig)
    await worker.ended()
    await rig.forget_dead()
    rig.start_worker()
    await feed(rig, workload, 4)
    found = await rescored(rig)
    assert counted(rig.rules, found, "email_click") == workload.clicks


async def test_a_worker_refuses_scorecards_that_it_does_not_know(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker()
    await feed(rig, workload, 2)
    await rig.settled()
    worker.kill()
    control = await rig.store.control(0)
    unknown = {**control.fields, "place": b"1000"}
    assert await rig.store.commit(0, Commit(control.version, control.step, "test", unknown)) is Verdict.OK
    await rig.forget_dead()
    refused = rig.start_worker()
    assert await refused.ended() == Exit.REFUSED
    assert "LEADGLOW_SCORECARDS_TOPIC" in refused.log
