"""``leadglow backtest`` over the log of a running worker gives exactly the alerts that it sends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from app.demo.generator import Traffic
from streams.clock import now_ms
from tests.support.servers import Running
from tests.support.system import ROOT, System, WorkerProcess
from tests.support.waiting import wait_for

DEMO = ROOT / "app/demo/scorecard.yaml"
HOUR_MS = 3_600_000
STEP_MS = 400
EVENTS = 120


def events() -> Iterator[tuple[int, dict[str, Any]]]:
    """Traffic of two hours ago: every lead has cooled since, so the live run is over."""
    traffic, began_ms = Traffic(1, 6), now_ms() - 2 * HOUR_MS
    for at_ms in range(began_ms, began_ms + EVENTS * STEP_MS, STEP_MS):
        try:
            call = json.loads(traffic.next(at_ms).value or b"")
        except ValueError:
            continue
        if isinstance(call, dict):
            yield at_ms, call


def test_the_alerts_of_the_published_file_are_those_of_handoff(
    kafka: Running, redis_server: Running, tmp_path: Path
) -> None:
    lower = tmp_path / "lower.yaml"
    lower.write_text(re.sub(r"enter: \d+, leave: \d+", "enter: 12, leave: 6", DEMO.read_text()))
    names = {"scorecards": str(DEMO), "accelerator": "off"}  # it takes seconds to start
    system = System(kafka, redis_server.address, f"backtest{now_ms()}", **names)
    assert system.run("topics", "create").exit_code == 0
    sent = list(events())

    def live() -> list[str]:
        return sorted(json.loads(record.value)["id"] for record in system.records(system.settings.handoff))

    def replayed() -> list[str]:
        return sorted(alert["id"] for alert in system.json("backtest", str(lower))["alerts"])

    def taken(worker: WorkerProcess, count: int) -> bool:
        return worker.metric("leadglow_records_total", stage="intake") >= count

    with system.worker() as worker:
        worker.wait_ready()
        for count in (EVENTS // 2, len(sent)):
            system.send(sent[:count] if count == EVENTS // 2 else sent[EVENTS // 2 :])
            wait_for(partial(taken, worker, count), "forwarded")
            published = system.run("scorecards", "publish", str(lower), "--yes")
            assert published.exit_code == 0, published.output
        system.wait_until_scored()
        system.wait_until_published()
        wait_for(lambda: live() == replayed(), "alerts", said=lambda: f"live {live()}, replayed {replayed()}")
        assert worker.stop()[0] == 0
    assert len(live()) > 3
    report = system.json("backtest", str(DEMO), "--against", str(lower))
    assert (
        report["publications"]
        == "the log holds 1 publication after the one in force at its start; this file was used throughout"
    )
    assert report["against"]["publications"] == (
        "the log holds 1 publication after the one in force at its start; the scorecards changed at the same places"
    )


def test_a_topic_without_events_is_a_sentence(kafka: Running, redis_server: Running) -> None:
    system = System(kafka, redis_server.address, f"empty{now_ms()}", accelerator="off")
    missing = system.run("backtest", str(DEMO))
    assert "run `leadglow topics create` first" in missing.output
    assert system.run("topics", "create").exit_code == 0
    empty = system.run("backtest", str(DEMO))
    assert (empty.exit_code, empty.output.strip()) == (1, f"leadglow: {system.settings.lead_events} has no events.")
