"""How often the lane of a shard checks for timed work, and whether there is some."""

from __future__ import annotations

from streams.shard.shard import Shard

TURN_S = 0.1
"""How long a lane waits for records before it checks for timed work, while there is some."""
IDLE_TURN_S = 2.0
"""How long it waits at most while there is none."""
TIMER_S = 0.25
"""The time between two readings of the schedule: leads that fall due meanwhile are advanced in one step."""


def has_timed_work(shard: Shard, now_ms: int) -> bool:
    """Whether leads of the shard are due, or are to be settled after a change of the scorecards."""
    return shard.next_due <= now_ms or shard.scorer.change is not None or not shard.position.ranked


def pause_s(shard: Shard, busy: bool) -> float:
    """How long a lane may wait for records: while nothing else is to be done, until the next crossing."""
    now_ms = shard.env.clock.now_ms()
    if busy or shard.unpublished.versions or has_timed_work(shard, now_ms):
        return TURN_S
    due_s = (shard.next_due - now_ms) / 1000
    return min(max(due_s, TURN_S), IDLE_TURN_S)
