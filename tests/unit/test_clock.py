"""The clock that workers share."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from streams import clock
from streams.clock import MEASURE_S, SLOW_S, WRONG_MS, SharedClock

pytestmark = pytest.mark.asyncio
START_MS = 1_800_000_000_000


@dataclass
class Machine:
    """The clocks of a machine, set by the test."""

    wall_ms: int = START_MS
    up_s: float = 100.0

    def wait(self, seconds: float) -> None:
        self.wall_ms += round(seconds * 1000)
        self.up_s += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(clock, "now_ms", lambda: found.wall_ms)
    monkeypatch.setattr(clock, "monotonic_s", lambda: found.up_s)
    return found


def store(machine: Machine, ahead_ms: int, reply_s: float = 0.0) -> Callable[[], Awaitable[int]]:
    """A store whose clock is ahead of the machine's, and that replies after a while."""

    async def read_ms() -> int:
        machine.wait(reply_s / 2)
        there_ms = machine.wall_ms + ahead_ms
        machine.wait(reply_s / 2)
        return there_ms

    return read_ms


async def test_before_the_first_measurement_it_is_the_own_clock(machine: Machine) -> None:
    assert SharedClock().now_ms() == START_MS


async def test_it_is_the_time_of_the_store_between_measurements_too(machine: Machine) -> None:
    shared = SharedClock()
    await shared.measure(store(machine, 7200_000, reply_s=0.1))
    machine.wait(3)
    assert shared.now_ms() == machine.wall_ms + 7200_000
    machine.wall_ms -= 600_000  # somebody sets the clock of the machine
    assert shared.now_ms() == START_MS + 3100 + 7200_000


async def test_it_never_goes_back(machine: Machine) -> None:
    shared = SharedClock()
    await shared.measure(store(machine, 5000))
    before = shared.now_ms()
    await shared.measure(store(machine, -5000))
    assert shared.now_ms() == before
    machine.wait(11)
    assert shared.now_ms() == before + 1000


async def test_a_slow_reply_counts_only_where_there_is_no_newer_one(machine: Machine) -> None:
    shared = SharedClock()
    await shared.measure(store(machine, 1000, reply_s=2 * SLOW_S))
    assert shared.now_ms() == machine.wall_ms + 1000
    await shared.measure(store(machine, 2000, reply_s=2 * SLOW_S))
    assert shared.now_ms() == machine.wall_ms + 1000
    machine.wait(11 * MEASURE_S)
    await shared.measure(store(machine, 2000, reply_s=2 * SLOW_S))
    assert shared.now_ms() == machine.wall_ms + 2000


async def test_a_wrong_clock_is_reported_once_and_when_it_is_right_again(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    offsets: list[float] = []
    shared = SharedClock(offsets.append)
    with caplog.at_level(logging.WARNING):
        for ahead_ms in (0, -WRONG_MS - 1, -WRONG_MS - 1, 0):
            await shared.measure(store(machine, ahead_ms))
    assert offsets == pytest.approx([0, 1.001, 1.001, 0], abs=1e-6)
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "this machine's clock is 1.0 s ahead of that of Redis",
        "this machine's clock agrees with that of Redis again",
    ]
