"""Scorecards change while events arrive."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import orjson

from streams.exits import Exit
from streams.scoring.crossing import flips
from streams.scoring.lead import Lead
from streams.scoring.score import read
from streams.scoring.stored import decode
from tests.faults.feeding import feed
from tests.faults.oracle import Found, counted, differences
from tests.faults.rig import Rig, until
from tests.faults.workload import Workload


def stages_in_line(rig: Rig, found: Found) -> list[str]:
    """Leads with a stage that their score, by the scorecards as they are now, does not bear out."""
    wrong = []
    for states in found.states.values():
        for lead_id, blob in states.items():
            lead = decode(blob)
            if isinstance(lead, Lead):
                for card in rig.rules.cards:
                    reading = read(card, lead, lead.clock)
                    wrong += [
                        f"{lead_id} {rule.key}" for rule in card.stages if flips(card, rule, lead, reading, lead.clock)
                    ]
    return wrong


def change(rig: Rig) -> None:
    """Change the weights of signals."""
    old = rig.scorecards.read_text()
    rig.scorecards.write_text(
        old.replace("email_click: 3", "email_click: 30").replace("demo_request: 40", "demo_request: 4")
    )


def handed_off(rig: Rig) -> list[Any]:
    return [orjson.loads(record.value) for records in rig.of("handoff").values() for record in records]


async def rescored(rig: Rig) -> Found:
    """Wait until every lead was scored by the new scorecards; then compare everything but alerts with the model."""

    async def done() -> bool:
        controls = [await rig.store.control(p) for p in range(rig.partitions)]
        return all(control.fields["scorecards"].decode() == rig.rules.version for control in controls)

    await until("every lead read by the new scorecards", done, rig.said)
    found = await rig.settled()
    assert stages_in_line(rig, found) == []
    problems = differences(rig.rules, rig.topic("lead-events"), found)
    # Redirects are not rescored: their memory names the signals of before.
    assert [p for p in problems if not any(part in p for part in ("alert", ".latches", ".memory"))] == []
    return found


async def test_new_weights_apply_to_all_leads_at_once(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker()
    await feed(rig, workload, 6)
    await rig.settled()
    await rig.send(workload.take(300))
    change(rig)
    await feed(rig, workload, 4)
    version = rig.rules.version
    found = await rescored(rig)
    values = handed_off(rig)
    assert [value for value in values if value["data"]["cause"] == "scorecard_changed"]
    last = {record.key: orjson.loads(record.value) for records in rig.of("lead-scores").values()
            for record in records if record.value is not None}  # fmt: skip
    assert {row["version"] for row in last.values()} <= {version, *_versions(values)}
    assert len(found.alerts) == len(set(found.alerts))
    assert await worker.metric("leadglow_scorecard_reload_errors_total") == 0


def _versions(values: list[dict[str, dict[str, dict[str, str]]]]) -> set[str]:
    return {value["data"]["scorecard"]["version"] for value in values}


async def test_workers_with_different_files_score_by_the_agreed_one(rig: Rig, workload: Workload) -> None:
    first = rig.start_worker()
    await feed(rig, workload, 3)
    other = rig.directory / "other.yaml"
    other.write_text(rig.scorecards.read_text().replace("email_click: 3", "email_click: 30"))
    refused = rig.start_worker(scorecards=other)
    assert await refused.ended() == Exit.REFUSED
    assert "leadglow scorecards publish FILE" in refused.log
    await rig.promise_kept()
    assert await rig.command("scorecards", "publish", str(other)) == (0, ANY)
    rig.scorecards = other
    rig.start_worker()
    await feed(rig, workload, 3)
    await rescored(rig)
    assert first.status is None


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


async def test_a_worker_that_dies_while_leads_are_read_anew_leaves_none_out(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker()
    await feed(rig, workload, 6)
    await rig.settled()
    await rig.send(workload.take(600))
    change(rig)

    async def begun() -> bool:
        await rig.read()
        return any(value["data"]["cause"] == "scorecard_changed" for value in handed_off(rig))

    await until("an alert because the scorecards changed", begun, rig.said)
    worker.kill()
    await rig.forget_dead()
    rig.start_worker()
    await feed(rig, workload, 4)
    found = await rescored(rig)
    assert counted(rig.rules, found, "email_click") == workload.clicks
