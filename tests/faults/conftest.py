"""A Leadglow system for each fault test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest_asyncio

from tests.faults.rig import Rig
from tests.faults.workload import Workload
from tests.support.servers import Running


@pytest_asyncio.fixture
async def rig(kafka: Running, tmp_path: Path, unique: str) -> AsyncIterator[Rig]:
    """Topics and a Redis, without a worker."""
    made = Rig(kafka, tmp_path, unique)
    await made.open()
    yield made
    await made.close()


@pytest_asyncio.fixture
async def workload() -> Workload:
    """The same events for every test, apart from the time of day."""
    return Workload(7, datetime.now(UTC))
