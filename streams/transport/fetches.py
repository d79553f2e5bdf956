"""How long a broker may delay the answer to a fetch without records."""

from __future__ import annotations

from collections import Counter
from typing import Any


class FetchWaits:
    """Lets a fetch wait longer if it asks for all partitions that it can get from a broker.

    A record of any of them ends the wait at once, so nothing arrives later. A fetch of some of them must be short:
    aiokafka sends a broker one fetch at a time, and the other partitions wait for its answer.
    """

    def __init__(self, fetcher: Any, wait_ms: int) -> None:
        """``wait_ms`` is the longer time; fetches of some partitions keep that of the fetcher."""
        self._fetcher = fetcher
        self._plan = fetcher._get_actions_per_node
        self._wait_ms = wait_ms
        fetcher._get_actions_per_node = self.plan

    def plan(self, assignment: Any) -> Any:
        """Return the actions that aiokafka plans: fetches by broker, and others."""
        actions = self._plan(assignment)
        if actions[0]:
            led = Counter(map(self._fetcher._select_read_replica, assignment.tps))
            for node_id, request in actions[0]:
                if sum(len(partitions) for _, partitions in request.topics) == led[node_id]:
                    request._max_wait_ms = self._wait_ms
        return actions
