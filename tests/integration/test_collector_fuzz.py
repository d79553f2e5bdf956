"""Broken requests of every kind; `python -m tests.fuzz.collector` sends more of them."""

import asyncio
from pathlib import Path

from tests.fuzz.collector import fuzz

REQUESTS = 10_000


def test_no_request_however_broken_meets_a_5xx_or_puts_rubbish_on_a_topic(tmp_path: Path) -> None:
    found = asyncio.run(fuzz(REQUESTS, 7, tmp_path))

    assert found.faults == []
    assert sum(found.statuses.values()) == REQUESTS
    assert found.statuses["200"] > REQUESTS / 4
    assert found.records > REQUESTS / 10
