"""Scorecards change while events arrive, and workers end in the middle of it."""

from __future__ import annotations

from typing import Any

import orjson

from streams.exits import Exit
from streams.store.base import Commit, Verdict
from tests.faults.feeding import feed
from tests.faults.oracle import Found, counted
from tests.faults.rig import Rig, until
from tests.faults.workload import Workload


def change(rig: Rig) -> None:
    """Change the weights of signals in the file of the workers."""
    old = rig.scorecards.read_text()
    rig.scorecards.write_text(
        old.replace("email_click: 3", "email_click: 30").replace("demo_request: 40", "demo_request: 4")
    )


def handed_off(rig: Rig) -> list[Any]:
    return [orjson.loads(record.value) for records in rig.of("handoff").values() for record in records]


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
    values = handed_off(rig)
    assert [value for value in values if value["data"]["cause"] == "scorecard_changed"]
    last = {record.key: orjson.loads(record.value) for records in rig.of("lead-scores").values()
            for record in records if record.value is not None}  # fmt: skip
    assert {row["version"] for row in last.values()} <= {version, *_versions(values)}
    assert await worker.metric("leadglow_scorecard_reload_errors_total") == 0


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
    causes = {value["data"]["cause"] for value in handed_off(rig) if value["id"] not in before}
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
    told: dict[tuple[str, str, str], str] = {}
    for value in handed_off(rig):
        data = value["data"]
        told[value["subject"], data["scorecard"]["name"], data["stage"]["name"]] = data["stage"]["kind"]
    assert any(kind == "left" for kind in told.values())
    status, said = await rig.command("rebuild", "--yes")
    assert status == 0, said
    again = await rescored(rig, first)
    assert set(again.alerts) == set(found.alerts)


async def test_a_publisher_that_dies_in_between_leaves_nothing_half_done(rig: Rig, workload: Workload) -> None:
    """Three workers; the one that publishes is killed after two of the control records, and partitions move."""
    publisher = rig.start_worker(crash_at="scorecards_control:2")
    unchanging = rig.directory / "unchanging.yaml"
    unchanging.write_text(rig.scorecards.read_text())
    for _ in range(2):
        rig.start_worker(scorecards=unchanging)
    await feed(rig, workload, 6)
    await rig.send(workload.take(300))
    change(rig)
    await publisher.ended()
    await rig.forget_dead()
    await feed(rig, workload, 4)
    found = await rescored(rig)
    assert counted(rig.rules, found, "email_click") == workload.clicks
    assert not (await rig.catalog()).unfinished()


async def test_a_bad_file_changes_nothing(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker()
    await feed(rig, workload, 3)
    good = rig.scorecards.read_text()
    rig.scorecards.write_text(good.replace("email_click: 3", "email_klick: 3"))

    async def refused() -> bool:
        return await worker.metric("leadglow_scorecard_reload_errors_total") > 0

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
