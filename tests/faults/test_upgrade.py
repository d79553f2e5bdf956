"""Workers of the last release run beside those of this one, until the upgrade is finished."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from streams.store.format import FORMAT, NAME
from tests.faults.exchange import TIMES_OF_JOINED, exchange
from tests.faults.feeding import feed
from tests.faults.oracle import counted
from tests.faults.rig import Rig, until
from tests.faults.workload import Workload
from tests.support.last_release import unpack_release

OLDER = "tests.faults.older"


async def test_the_last_release_takes_over_from_this_one_until_the_end_of_the_upgrade(
    rig: Rig, workload: Workload, tmp_path: Path
) -> None:
    code = unpack_release(tmp_path / "last")
    last = partial(rig.start_worker, code=code, accelerator="off") if code else partial(rig.start_worker, module=OLDER)
    await rig.store.meta(NAME, str(FORMAT - 1))
    first = rig.start_worker()
    await feed(rig, workload, 3)
    await exchange(rig, workload, first, [last, rig.start_worker])
    status, said = await rig.command("upgrade", "--finish", "--yes")
    assert status == 0, said

    older = rig.start_worker(module=OLDER)
    assert await older.ended() == 78, older.log
    assert "run the newer release" in older.log
    await feed(rig, workload, 2)
    found = await rig.promise_kept(free=TIMES_OF_JOINED)
    assert counted(rig.rules, found, "email_click") == workload.clicks

    async def told() -> bool:
        return f"writing format {FORMAT}" in rig.workers[-2].log

    await until("a worker that writes the new format", told, rig.said)
