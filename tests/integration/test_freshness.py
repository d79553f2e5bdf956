"""Board and command line while no worker runs and events wait, and afterwards."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from streams.clock import now_ms
from streams.shard.alert import rfc3339
from streams.units import HOUR_MS
from tests.support.servers import Running
from tests.support.system import CollectorProcess, System
from tests.support.waiting import wait_for

SENTENCE = "No worker is running: new events are not scored."


@pytest.fixture
def stopped(kafka: Running, redis_url: str, unique: str) -> tuple[System, int]:
    """A system whose worker has stopped, with an event that waits; and the arrival of the last scored one."""
    system, arrival = System(kafka, redis_url, unique), now_ms() - HOUR_MS
    assert system.run("topics", "create").exit_code == 0
    with system.worker() as worker:
        worker.wait_ready()
        system.send([(arrival, visit("ann"))])
        wait_for(lambda: system.run("lead", "show", "ann").exit_code == 0, "scored")
        assert worker.stop()[0] == 0
    system.send([(now_ms(), visit("ben"))])
    return system, arrival


def visit(user: str) -> dict[str, Any]:
    return {"type": "page", "userId": user, "messageId": f"m-{user}", "properties": {"url": "https://a/pricing"}}


def read(board: CollectorProcess, path: str) -> tuple[Any, str]:
    """Headers and body of a response."""
    with urllib.request.urlopen(board.url + path, timeout=10) as response:
        return response.headers, response.read().decode()


def leads(board: CollectorProcess) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read(board, "/api/v1/leads")[1])
    return found


@pytest.mark.usefixtures("_apache_kafka")
def test_a_backlog_without_workers_is_said_everywhere_until_it_is_scored(stopped: tuple[System, int]) -> None:
    system, arrival = stopped
    exported = system.run("leads", "export")
    assert (exported.exit_code, len(exported.stdout.splitlines())) == (0, 1)
    assert f"until {rfc3339(arrival)} are scored. Events waiting: 1." in exported.stderr
    with system.board() as board:
        wait_for(lambda: leads(board)["freshness"] == "no_worker", "found out")
        assert leads(board)["scored_until"] == rfc3339(arrival)
        headers, _ = read(board, "/api/v1/leads/ann")
        assert headers["Leadglow-Scored-Until"] == rfc3339(arrival)
        assert f"NOTE: {SENTENCE}" in read(board, "/api/v1/leads.csv")[1].splitlines()[-1]
        for path in ("/", "/leads/ann", "/alerts", "/channels", "/scorecards", "/flow"):
            assert SENTENCE in read(board, path)[1], path
        assert 0 < board.metric("leadglow_board_lag_seconds") < HOUR_MS / 1000  # the event that waits is younger
        assert board.metric("leadglow_board_scored_until_seconds") == arrival / 1000
        wait_for(lambda: board.metric("leadglow_board_workers") == 0, "counted")

        with system.worker() as worker:
            wait_for(lambda: leads(board)["freshness"] == "current", "caught up")
            wait_for(lambda: {row["lead_id"] for row in leads(board)["leads"]} == {"ann", "ben"}, "ranked")
            wait_for(lambda: SENTENCE not in read(board, "/")[1], "said on the page")
            assert board.metric("leadglow_board_lag_seconds") < HOUR_MS / 1000
            wait_for(lambda: board.metric("leadglow_board_workers") == 1, "counted")
            assert system.run("leads", "export").stderr == ""
            assert worker.stop()[0] == 0
        assert board.stop()[0] == 0
