"""How often the lane of a shard checks for timed work."""

from __future__ import annotations

from streams.shard.shard import Shard

TURN_S = 0.1
"""How long a lane waits for records before it checks for timed work, while there is some."""
IDLE_TURN_S = 2.0
"""How long it waits at most while there is none."""
TIMER_S = 0.25
"""The time between two readings of the schedule: leads that fall due meanwhile are advanced in one step."""


def pause_s(shard: Shard, busy: bool) -> float:
    """How long a lane may wait for records: while nothing else is to be done, until the next crossing."""
    if busy or shard.unpublished.versions or shard.scorer.change is not None or not shard.position.ranked:
        return TURN_S
    due_s = (shard.next_due - shard.env.clock.now_ms()) / 1000
    return min(max(due_s, TURN_S), IDLE_TURN_S)
