"""How far timers may run while records are on their way to a shard."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.clock import SharedClock
from streams.shard.clock import ShardClock
from streams.shard.watermark import GRACE_MS, MAX_HOPS, Offsets, Reach, find_watermark

SOURCE = TP("web-events", 0)
LOG = [TP("lead-events", partition) for partition in range(3)]
NOW = 1_000_000


class Group:
    """Shards that score one record at each look if they are awake; each record says whom it is sent on to."""

    def __init__(self, source: list[list[int]], asleep: Mapping[int, int]) -> None:
        """``source`` has the route of each record: the shards that score it. A shard in ``asleep`` begins later."""
        self.source = list(source)
        self.forwarded_to = 0
        self.logs: list[list[list[int]]] = [[], [], []]
        self.scored = [0, 0, 0]
        self.waiting: list[list[list[int]]] = [[], [], []]
        self.written = [0, 0, 0]
        self.asleep = dict(asleep)
        self.looks = 0

    async def pause(self) -> None:
        self.looks += 1
        assert self.looks < 1000, "waits in vain"
        if self.forwarded_to < len(self.source):
            self._append(self.source[self.forwarded_to])
            self.forwarded_to += 1
        for shard in range(3):
            if self.waiting[shard]:
                self._append(self.waiting[shard].pop(0))
            if self.looks >= self.asleep.get(shard, 0) and self.scored[shard] < len(self.logs[shard]):
                route = self.logs[shard][self.scored[shard]]
                self.scored[shard] += 1
                if route:
                    self.written[shard] += 1
                    self.waiting[shard].append(route)

    def _append(self, route: list[int]) -> None:
        self.logs[route[0]].append(route[1:])

    @property
    def is_all_scored(self) -> bool:
        on_log = all(len(log) == scored for log, scored in zip(self.logs, self.scored, strict=True))
        return on_log and self.forwarded_to == len(self.source) and not any(self.waiting)

    async def source_ends(self) -> Offsets:
        return {SOURCE: len(self.source)}

    async def forwarded(self, targets: Offsets) -> Offsets:
        return {SOURCE: self.forwarded_to}

    async def log_ends(self) -> Offsets:
        return {tp: len(self.logs[tp.partition]) for tp in LOG}

    async def shards(self) -> Mapping[TP, Reach]:
        return {
            tp: Reach(self.scored[p], self.written[p], self.written[p] - len(self.waiting[p]))
            for p, tp in enumerate(LOG)
        }


ROUTES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=MAX_HOPS), max_size=8)


@given(ROUTES, st.dictionaries(st.integers(0, 2), st.integers(0, 30)), st.integers(0, 12))
async def test_the_watermark_passes_no_record_on_its_way(
    source: list[list[int]], asleep: Mapping[int, int], before: int
) -> None:
    """Whatever has happened before the round, wherever the records are."""
    group = Group(source, asleep)
    for _ in range(before):
        await group.pause()
    assert await find_watermark(group, NOW, group.pause) == NOW - GRACE_MS
    assert group.is_all_scored


async def test_a_quiet_group_is_not_waited_for() -> None:
    group = Group([], {})
    await find_watermark(group, NOW, group.pause)
    assert group.looks == 0


async def test_records_that_arrive_meanwhile_do_not_delay_it() -> None:
    group = Group([[0], [1, 2]], {2: 3})

    async def pause() -> None:
        group.source.append([0])
        await group.pause()

    await find_watermark(group, NOW, pause)
    assert group.looks < 20


@pytest.mark.parametrize(("watermark_ms", "timer_ms"), [(0, 0), (5_000, 5_000), (20_000, 9_000)])
def test_timers_run_up_to_the_watermark(watermark_ms: int, timer_ms: int) -> None:
    clock = ShardClock(SharedClock())
    clock.watermark_ms = watermark_ms
    assert clock.timer_ms(9_000) == timer_ms
