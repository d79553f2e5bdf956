"""A bound is lowered on a live system, put back, and everything is scored again, by the commands of an operator."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.clock import now_ms
from tests.live.publication import Figures, Run
from tests.support.servers import Running
from tests.support.system import System
from tests.support.waiting import wait_for


@pytest.mark.usefixtures("_apache_kafka")  # the embedded broker gives wrong ends of partitions
def test_a_lowered_bound_is_confirmed_undone_and_rebuilt(
    kafka: Running, redis_url: str, unique: str, tmp_path: Path
) -> None:
    file = tmp_path / "scorecards.yaml"
    system = System(kafka, redis_url, unique, scorecards=str(file), most_model_alerts="3")
    figures = Run(system, file, Figures(leads=500, workers=2)).run()
    assert figures.are_right, "\n".join(": ".join(row) for row in figures.rows())


CARD = """
leadglow: 1
signals: {webinar: {event: Webinar, half_life: never}%s}
scorecards: {default: {points: {webinar: 1%s}, stages: [{name: hot, enter: 10, leave: 5, handoff: true}]}}
"""
VISITORS = 12


def visits(at_ms: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """(arrival, call): each visitor is unknown at first, and known after an identify call."""
    webinar, demo = ({"type": "track", "event": event} for event in ("Webinar", "Demo"))
    for name in range(VISITORS):
        visitor, user = {"anonymousId": f"a-{name}"}, {"userId": f"u-{name}"}
        identify: dict[str, Any] = {"type": "identify", "traits": {"name": "Ann"}, **user}
        for i, call in enumerate((webinar, demo, demo, identify, demo)):
            yield at_ms + 1000 * i, {"messageId": f"{name}-{i}", **visitor, **call}


def test_a_backfill_counts_what_visitors_did_before_they_were_known(
    kafka: Running, redis_url: str, unique: str, tmp_path: Path
) -> None:
    """What a visitor's shard has sent to another one was counted by the former scorecards."""
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(CARD % ("", ""))
    second.write_text(CARD % (", demo: {event: Demo, half_life: never}", ", demo: 5"))
    system = System(kafka, redis_url, unique, scorecards=str(first))
    assert system.run("topics", "create").exit_code == 0
    system.send(visits(now_ms() - 3_600_000))

    def scores() -> set[float]:
        result = system.run("leads", "export")
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        return {line["scorecards"]["default"]["score"] for line in lines if line["lead_id"].startswith("u-")}

    with system.worker() as worker:
        worker.wait_ready()
        wait_for(lambda: scores() == {1}, "all is scored", said=lambda: str(scores()))
        assert system.run("scorecards", "publish", str(second), "--yes").exit_code == 0
        held = system.run("rebuild", "--backfill", stdin="y", most_model_alerts="3")
        assert (held.exit_code, f"{VISITORS} alerts would be sent" in held.stdout) == (1, True), held.output
        for _ in range(2):  # a repetition finds what the first one has sent
            assert system.run("rebuild", "--backfill", "--yes").exit_code == 0
            wait_for(lambda: scores() == {16}, "all is counted", said=lambda: str(scores()))
        assert system.run("rebuild", "--yes").exit_code == 0
        wait_for(lambda: scores() == {16}, "all is scored again", said=lambda: str(scores()))
        again = system.run("rebuild", "--backfill", stdin="n")
        assert "No alert would be sent" in again.stdout
