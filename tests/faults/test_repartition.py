"""Leads are divided among more partitions while a part of them waits, and the command is killed again and again."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any

import pytest

from streams.events.codec import Codec
from streams.events.rejects import Reject
from streams.scoring.account_ids import is_account
from streams.scoring.lead import Lead
from streams.scoring.replay import Replay
from streams.scoring.sales_rows import encode_rows
from streams.scoring.stored import decode
from streams.scoring.stored_accounts import without_offsets
from streams.shard.log import read_log
from streams.shard.position import Position
from streams.transport.topics import partition_of
from tests.faults.feeding import feed
from tests.faults.oracle import Found, facts
from tests.faults.rig import Rig
from tests.faults.test_accounts import ACCOUNTS, LEADS, moves
from tests.faults.workload import Workload

OLD, NEW = 4, 12
KILLS = ("repartition_copied:2", "repartition_verified", "repartition_cleaned")


def play(rig: Rig, found: Found, shard: int, divided: dict[int, int]) -> Replay:
    """Score the records of a new shard's leads: those of the old shard first, then its own."""
    parent = shard % OLD
    before, own = found.lead_events[parent][: divided[parent]], found.lead_events[shard]
    after = own[divided[parent] :] if shard == parent else own
    rules, position = rig.rules, Position()
    replay = Replay(rules, lambda lead_id: partition_of(lead_id, NEW) == shard)
    for records in (before, after):
        for record, item in read_log(Codec(rules.paths), records, position):
            if not isinstance(item, Reject):
                replay.play(item, record.offset)
                replay.end_step()
        replay.blobs |= {i: without_offsets(blob) for i, blob in replay.blobs.items() if is_account(i)}
        replay.reload_leads()
    return replay


def differences(rig: Rig, found: Found, divided: dict[int, int]) -> list[str]:
    """Leads, alerts and rows for results that are not as without a repartition."""
    problems, alerts, rows = list[str](), set[str](), set[str]()
    for shard in range(NEW):
        replay, actual = play(rig, found, shard, divided), found.states[shard]
        for lead_id, blob in actual.items():
            state, mine = decode(blob), replay.state(lead_id)
            if isinstance(state, Lead) and isinstance(mine, Lead) and state.clock > mine.clock:
                replay.advance_lead(lead_id, state.clock)
                replay.end_step()
        problems += [f"{lead_id} in {shard}" for lead_id in actual.keys() ^ replay.blobs.keys()]
        for lead_id in actual.keys() & replay.blobs.keys():
            one, other = (facts_of(lead_id, blobs[lead_id]) for blobs in (actual, replay.blobs))
            problems += [
                f"{lead_id}.{name}: {one.get(name)} instead of {other[name]}"
                for name in other
                if one.get(name) != other[name]
            ]
        alerts |= {each.transition.alert_id for each in replay.crossings if each.transition.is_alert}
        rows |= {text for _, text in encode_rows(replay.sales)}
    problems += [f"alert {each}" for each in alerts ^ set(found.alerts)]
    return problems + [f"row {each}" for each in rows ^ found.sales]


def facts_of(lead_id: str, blob: bytes) -> dict[str, Any]:
    """What must be equal, apart from the offsets of accounts."""
    return facts(decode(without_offsets(blob) if is_account(lead_id) else blob))


@pytest.mark.usefixtures("_apache_kafka")
async def test_leads_are_as_without_a_repartition_that_was_killed(rig: Rig) -> None:
    card = rig.scorecards.read_text()
    rig.scorecards.write_text(card.replace("    fit_max: 40\n", f"    fit_max: 40\n{ACCOUNTS}", 1))
    workload, chance = Workload(13, datetime.now(UTC), leads=LEADS), Random(13)
    worker = rig.start_worker("committed:15")
    while worker.status is None:
        await rig.send(moves(chance, 10))
        await feed(rig, workload, 1, until_dead=worker)
    await rig.send(workload.take(60))
    await rig.forget_dead()

    for kill in KILLS:
        status, said = await rig.command("repartition", "--to", str(NEW), "--yes", crash_at=kill)
        assert status == -signal.SIGKILL, said
    refused = rig.start_worker()
    assert await refused.ended() == 78
    assert f"leadglow repartition --to {NEW}" in refused.log
    status, said = await rig.command("repartition", "--to", str(NEW), "--yes")
    assert status == 0, said

    await rig.use_partitions(NEW)
    divided = (await rig.catalog()).divided
    rig.start_worker()
    await rig.send([*moves(chance, 60), *workload.take(300)])
    found = await rig.settled()
    problems = differences(rig, found, divided)
    assert not problems, "\n".join([*islice(problems, 20), rig.said()])
    assert found.alerts
    assert all(found.lead_events[shard] for shard in range(NEW)), "every partition has records"
