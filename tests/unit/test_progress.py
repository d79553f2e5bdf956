"""How far timers may run while other shards have records to score."""

from __future__ import annotations

import math

from faust.types import TP

from streams.environment import Environment
from streams.metrics import Metrics
from streams.shard.clock import ShardClock
from streams.shard.progress import LogProgress, Reach
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner, Topics

MINE, OTHER = TP("lead-events", 0), TP("lead-events", 1)
DONE = Reach(10, 9_000, 10)
ENV = Environment(MemoryStore(), Topics(), Partitioner(2), Metrics(), "worker")


def test_a_shard_with_old_records_to_score_holds_timers_back() -> None:
    progress = LogProgress(ENV)
    assert progress.note_look({MINE: DONE, OTHER: Reach(3, 5_000, 10)}) == 5_000
    assert progress.note_look({MINE: DONE, OTHER: Reach(7, 6_000, 15)}) == 6_000
    assert progress.note_look({MINE: DONE, OTHER: Reach(12, 8_000, 20)}) == math.inf


def test_records_that_arrived_since_the_last_looks_hold_no_timer_back() -> None:
    progress = LogProgress(ENV)
    looks = [{MINE: Reach(at, at * 100, at + 2)} for at in (8, 20, 30)]
    assert [progress.note_look(look) for look in looks][1:] == [math.inf, math.inf]


def test_a_shard_in_which_nothing_changes_is_not_waited_for() -> None:
    """The rest of the partition may be the marks of transactions."""
    progress = LogProgress(ENV)
    look = {MINE: DONE, OTHER: Reach(3, 5_000, 4)}
    assert [progress.note_look(look) for _ in range(3)] == [5_000, 5_000, math.inf]


def test_timers_run_no_further_than_all_shards_have_scored() -> None:
    clock = ShardClock(lambda: 9_000, ENV.clock)
    assert clock.timer_ms(9_000) == 9_000
    clock.log_reached_ms = 5_000
    assert clock.timer_ms(9_000) == 5_000


def test_no_timer_runs_while_events_wait_on_the_sources() -> None:
    """An event that was written to lead-events directly can be later than those that wait."""
    clock = ShardClock(lambda: 9_000, ENV.clock)
    clock.sources_behind = True
    assert clock.timer_ms(9_000) == 0
    clock.sources_behind = False
    assert clock.timer_ms(9_000) == 9_000


def test_after_a_backlog_at_the_sources_shards_are_waited_for_up_to_the_new_end() -> None:
    progress = LogProgress(ENV)
    progress.note_look({MINE: DONE, OTHER: DONE})
    progress.forget()
    assert progress.note_look({MINE: DONE, OTHER: Reach(10, 5_000, 20)}) == 5_000
    assert progress.note_look({MINE: DONE, OTHER: Reach(20, 8_000, 25)}) == math.inf
