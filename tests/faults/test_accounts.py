"""Leads move between companies, are joined and erased while workers are killed: each account is what its leads give."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from random import Random
from typing import cast

from streams.scoring.account_state import Account
from streams.scoring.accounts import values_of
from streams.scoring.lead import Lead
from streams.scoring.score import published, read
from streams.scoring.stored import decode
from streams.transport.topics import partition_of
from tests.faults.feeding import feed, sharing
from tests.faults.oracle import Found
from tests.faults.rig import Rig, until
from tests.faults.workload import Sent, Workload

ACCOUNTS = """    accounts:
      key: company
      roll_up: {top: 3}
      stages:
        - {name: warm, enter: 40, leave: 30, handoff: true}
        - {name: target, enter: 110, leave: 90, handoff: true}
"""
KILLS = ("committed:12", "produced:5")
LEADS, COMPANIES = 40, 6


def moves(chance: Random, count: int) -> list[Sent]:
    """Some of the leads of the workload come to a company, or to another one, or to none."""
    found = []
    for i in range(count):
        company = chance.choice([*(f"Company {n}" for n in range(COMPANIES)), None])
        call = {"type": "identify", "userId": f"u{chance.randrange(LEADS)}", "traits": {"company": company}}
        sent_at = datetime.now(UTC).isoformat()
        found.append(json.dumps(call | {"messageId": f"move-{chance.random()}-{i}", "timestamp": sent_at}).encode())
    return [Sent("crm-events", 0, value) for value in found]


def erasures(rig: Rig) -> list[Sent]:
    """Records that ask to erase some of the leads: those without a value."""
    return [
        Sent("lead-events", partition_of(i, rig.partitions), cast(bytes, None), i.encode()) for i in ("u0", "u3", "u6")
    ]


def accounts_of(found: Found) -> dict[str, dict[str, int]]:
    """Company -> the scores of its leads, as its account knows them."""
    states = [decode(blob) for blobs in found.states.values() for blob in blobs.values()]
    accounts = [state for state in states if isinstance(state, Account) and state.members]
    return {each.value: {lead_id: member.score for lead_id, member in each.members.items()} for each in accounts}


def given(rig: Rig, found: Found, now_ms: int) -> dict[str, dict[str, int]]:
    """The same from the leads."""
    rules = rig.rules
    card, companies = rules.cards[0], dict[str, dict[str, int]]()
    for blobs in found.states.values():
        for lead_id, blob in blobs.items():
            lead = decode(blob)
            value = values_of(rules, lead).get(card.name)
            if isinstance(lead, Lead) and value is not None:
                score = published(read(card, lead, max(now_ms, lead.clock)).exact)
                companies.setdefault(value, {})[lead_id] = score
    return companies


async def checked(rig: Rig) -> Found:
    """Wait until every account is what its leads give, and compare with a replay of the log."""

    async def equal() -> bool:
        found = await rig.settled()
        return accounts_of(found) == given(rig, found, await rig.store.time_ms() - 250)

    await until("accounts that are what their leads give", equal, rig.said)
    return await rig.promise_kept()


async def test_accounts_are_what_their_leads_give_whatever_workers_die(rig: Rig) -> None:
    card = rig.scorecards.read_text()
    rig.scorecards.write_text(card.replace("    fit_max: 40\n", f"    fit_max: 40\n{ACCOUNTS}", 1))
    workload, chance = Workload(11, datetime.now(UTC), leads=LEADS), Random(11)
    killed = [rig.start_worker(kill) for kill in KILLS]

    await sharing(rig, *killed)
    while any(worker.status is None for worker in killed):
        await rig.send(moves(chance, 10))
        await feed(rig, workload, 1)
    assert [await worker.ended() for worker in killed] == [-signal.SIGKILL] * len(KILLS), rig.said()
    await rig.forget_dead()
    rig.start_worker()
    await rig.send([*moves(chance, 40), *erasures(rig), *workload.take(60)])
    found = await checked(rig)
    told = [alert for alert in found.handed_off if alert["type"].startswith("leadglow.account.")]
    assert len(accounts_of(found)) > COMPANIES // 2
    assert "leadglow.account.entered.v1" in {alert["type"] for alert in told}

    status, said = await rig.command("rebuild", "--yes")
    assert status == 0, said
    again = await checked(rig)
    assert sorted(again.alerts) == sorted(found.alerts)
