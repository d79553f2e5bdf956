"""Leads are divided among more partitions while a part of them waits, and the command is killed again and again."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from math import gcd
from pathlib import Path
from random import Random
from typing import Any

import pytest

from streams.events.codec import Codec
from streams.events.rejects import Reject
from streams.mismatch import REBUILD_AFTER
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
from tests.faults.test_redis import put_back, save
from tests.faults.workload import Sent, Workload

REFUSED = 78
OLD, NEW = 4, 12
KILLS = ("repartition_copied:2", "repartition_cleaned")


def play(rig: Rig, found: Found, shard: int, divided: dict[int, int]) -> Replay:
    """Score the records of a new shard's leads: those of the old partitions first, then its own."""
    old, new, rules = len(divided), rig.partitions, rig.rules
    homes, sources = [shard], dict[str, int]()
    replay = Replay(rules, lambda lead_id: partition_of(lead_id, new) == shard and partition_of(lead_id, old) in homes)
    for partition in [each for each in range(old) if (shard - each) % gcd(old, new) == 0]:
        homes, position = [partition], Position()
        play_records(replay, found.lead_events[partition][: divided[partition]], position)
        sources = {
            name: max(each.get(name, -1) for each in (sources, position.sources))
            for name in {**sources, **position.sources}
        }
    homes = [*range(old)]
    play_records(replay, found.lead_events[shard][divided.get(shard, 0) :], Position(sources=sources))
    return replay


def play_records(replay: Replay, records: Sequence[Any], position: Position) -> None:
    """Score records; then accounts forget the offsets of what leads gave them."""
    for record, item in read_log(Codec(replay.rules.paths), records, position):
        if not isinstance(item, Reject):
            replay.play(item, record.offset)
            replay.end_step()
    replay.blobs |= {i: without_offsets(blob) for i, blob in replay.blobs.items() if is_account(i)}
    replay.reload_leads()


def differences(rig: Rig, found: Found, divided: dict[int, int]) -> list[str]:
    """Leads, alerts and rows for results that are not as without a repartition."""
    problems, alerts, rows = list[str](), set[str](), set[str]()
    for shard in range(rig.partitions):
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


async def repartition(rig: Rig, total: int, crash_at: str = "") -> tuple[int, str]:
    return await rig.command("repartition", "--to", str(total), "--yes", crash_at=crash_at)


async def as_without(rig: Rig, divided: dict[int, int]) -> Found:
    """Wait until all is scored, and compare every lead and alert."""
    found = await rig.settled()
    problems = differences(rig, found, divided)
    assert not problems, "\n".join([*islice(problems, 20), rig.said()])
    assert found.alerts
    assert all(found.lead_events[shard] for shard in range(rig.partitions)), "every partition has records"
    return found


async def score_until_killed(rig: Rig, workload: Workload, chance: Random) -> None:
    """A worker with companies in the scorecards is killed while it scores, and more events come."""
    rig.accelerator = "off"  # it compiles or loads for seconds in each of many processes
    card = rig.scorecards.read_text()
    rig.scorecards.write_text(card.replace("    fit_max: 40\n", f"    fit_max: 40\n{ACCOUNTS}", 1))
    worker = rig.start_worker("committed:15")
    while worker.status is None:
        await rig.send(moves(chance, 10))
        await feed(rig, workload, 1, until_dead=worker)
    await rig.send(workload.take(60))
    await rig.forget_dead()


@pytest.mark.usefixtures("_apache_kafka")
async def test_leads_are_as_without_a_repartition_that_was_killed(rig: Rig) -> None:
    workload, chance = Workload(13, datetime.now(UTC), leads=LEADS), Random(13)
    await score_until_killed(rig, workload, chance)

    for kill in KILLS:
        status, said = await repartition(rig, NEW, kill)
        assert status == -signal.SIGKILL, said
    refused = rig.start_worker()
    assert await refused.ended() == REFUSED
    assert f"leadglow repartition --to {NEW}" in refused.log
    status, said = await repartition(rig, NEW)
    assert status == 0, said

    await rig.use_partitions(NEW)
    rig.start_worker()
    await rig.send([*moves(chance, 60), *workload.take(300)])
    await as_without(rig, (await rig.catalog()).divided)


async def refuses_the_older_state(rig: Rig, total: int) -> None:
    """Nothing takes a snapshot from before the repartition, and nothing is written for it."""
    before = await rig.versions()
    again = ("repartition", "--to", str(total), "--yes")
    for args, partitions in ((again, total), (("restore",), total), (("restore",), OLD), (("worker",), OLD)):
        status, said = await rig.command(*args, partitions=partitions)
        assert (status, "repartition --to" in said) == (REFUSED, False), said
        assert "--after-repartition" in said or f"set LEADGLOW_PARTITIONS={total}" in said, said
    assert await rig.versions() == before


async def refuses_no_state(rig: Rig) -> None:
    """Workers and ``restore`` name the rebuild that is possible after a repartition."""
    refused = rig.start_worker()
    assert await refused.ended() == REFUSED
    assert REBUILD_AFTER in refused.log
    status, said = await rig.command("restore", namespace=f"{rig.name}-new")
    assert (status, "is LEADGLOW_NAMESPACE right?" in said, REBUILD_AFTER in said) == (REFUSED, True, True), said


@pytest.mark.usefixtures("_apache_kafka")
async def test_partitions_that_were_added_by_other_tools_have_a_way_out(rig: Rig, tmp_path: Path) -> None:
    workload, chance, total = Workload(17, datetime.now(UTC), leads=LEADS), Random(17), OLD + 1
    await score_until_killed(rig, workload, chance)
    await save(rig)
    shutil.copy(rig.snapshot, backup := tmp_path / "backup.rdb")
    await rig.add_partitions("lead-events", total)
    refused = rig.start_worker()
    assert await refused.ended() == REFUSED
    assert f"leadglow repartition --to {total}" in refused.log
    keyed_anew = [call for call in workload.take(400) if call.value.startswith(b"{")][:40]
    await rig.send(Sent("lead-events", number % total, call.value) for number, call in enumerate(keyed_anew))

    for kill, expected in (("repartition_verified", -signal.SIGKILL), ("", 0)):
        status, said = await repartition(rig, total, kill)
        assert status == expected, said

    await rig.use_partitions(total)
    worker = rig.start_worker()
    await rig.send([*moves(chance, 60), *workload.take(300)])
    divided = (await rig.catalog()).divided
    found = await as_without(rig, divided)
    status, said = await rig.command("rebuild", "--yes")
    assert (status, "--after-repartition" in said) == (REFUSED, True), said

    await rig.stop_and_empty(worker)
    await refuses_no_state(rig)
    await put_back(rig, backup)
    await refuses_the_older_state(rig, total)
    assert (await rig.command("rebuild", "--after-repartition", "--yes"))[0] == 0
    rig.start_worker()
    rebuilt = await rig.settled()
    for shard in range(total):
        assert rebuilt.states[shard].keys() <= found.states[shard].keys()
        assert bool(rebuilt.states[shard]) == (divided.get(shard, 0) < len(found.lead_events[shard]))
