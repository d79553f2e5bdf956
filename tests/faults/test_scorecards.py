"""Scorecards that change while events flow."""

from __future__ import annotations

import orjson

from streams.scoring.crossing import flips
from streams.scoring.lead import Lead
from streams.scoring.score import read
from streams.scoring.stored import decode
from tests.faults.feeding import feed
from tests.faults.oracle import Found, differences
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
                        f"{lead_id} {rule.key}"
                        for rule in card.stages
                        if flips(rule, lead.latches.get(rule.key), lead, reading)
                    ]
    return wrong


async def test_new_weights_hold_for_everybody_at_once(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker()
    await feed(rig, workload, 6)
    await rig.settled()
    old = rig.scorecards.read_text()
    await rig.send(workload.take(300))
    rig.scorecards.write_text(
        old.replace("email_click: 3", "email_click: 30").replace("demo_request: 40", "demo_request: 4")
    )
    await feed(rig, workload, 4)
    version = rig.rules.version

    async def rescored() -> bool:
        controls = [await rig.store.control(p) for p in range(rig.partitions)]
        return all(control.fields["scorecards"].decode() == version for control in controls)

    await until("every lead read by the new scorecards", rescored)
    found = await rig.settled()
    assert stages_in_line(rig, found) == []
    problems = differences(rig.rules, rig.topic("lead-events"), found)
    assert [p for p in problems if "alert" not in p and ".latches" not in p] == []
    values = [orjson.loads(record.value) for records in rig.of("handoff").values() for record in records]
    assert [value for value in values if value["data"]["cause"] == "scorecard_changed"]
    last = {record.key: orjson.loads(record.value) for records in rig.of("lead-scores").values()
            for record in records if record.value is not None}  # fmt: skip
    assert {row["version"] for row in last.values()} <= {version, *_versions(values)}
    assert len(found.alerts) == len(set(found.alerts))
    assert await worker.metric("leadglow_scorecard_reload_errors_total") == 0


def _versions(values: list[dict[str, dict[str, dict[str, str]]]]) -> set[str]:
    return {value["data"]["scorecard"]["version"] for value in values}


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
