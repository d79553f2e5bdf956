"""Idle leads are forgotten by a running worker, and by a rebuild at the same instants."""

from __future__ import annotations

from typing import Any

from streams.clock import now_ms
from streams.shard.alert import rfc3339
from streams.units import DAY_MS, HOUR_MS
from tests.support.servers import Running
from tests.support.system import System, WorkerProcess
from tests.support.waiting import wait_for


def visit(message_id: str, **ids: str) -> dict[str, Any]:
    return {"type": "page", "messageId": message_id, "properties": {"url": "https://a.example/pricing"}, **ids}


def exported(system: System) -> list[str]:
    return sorted(system.run("leads", "export", "--at", "2099-01-01T00:00:00Z").stdout.splitlines())


def forgotten(worker: WorkerProcess) -> float:
    return worker.metric("leadglow_events_total", outcome="forgotten")


def test_an_idle_visitor_leaves_everything_and_a_rebuild_forgets_it_again(
    kafka: Running, redis_url: str, unique: str
) -> None:
    system, now = System(kafka, redis_url, unique, accelerator="off", retention_days="3650"), now_ms()
    assert system.run("topics", "create").exit_code == 0
    events = [
        (now - 100 * DAY_MS, visit("m1", anonymousId="gone")),
        (now - 61 * DAY_MS, visit("m2", anonymousId="back")),
        (now - 61 * DAY_MS, visit("m3", userId="known")),
        (now - HOUR_MS, visit("m4", anonymousId="back")),
    ]
    with system.worker() as worker:
        worker.wait_ready()
        system.send(events)
        wait_for(lambda: forgotten(worker) == 2, "forgotten", said=lambda: str(forgotten(worker)))
        assert system.run("lead", "show", "gone").exit_code == 3
        assert system.json("lead", "show", "back")["first_seen_at"] == rfc3339(now - HOUR_MS)
        assert [row["lead_id"] for row in system.json("leads", "top")] == ["back", "known"]
        scores = system.settings.lead_scores
        wait_for(lambda: any(each.value is None for each in system.records(scores)), "a tombstone")
        live = exported(system)
        status, said = worker.stop()
        assert status == 0
        assert "signals last longer: " in said
    assert system.run("rebuild", "--yes").exit_code == 0
    with system.worker() as worker:
        wait_for(lambda: forgotten(worker) == 2, "forgotten again")
        wait_for(lambda: exported(system) == live, "the same leads")
