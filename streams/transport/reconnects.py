"""Pauses between attempts to connect to Kafka while no broker can be reached."""

from __future__ import annotations

from asyncio import sleep
from typing import Any

from streams.clock import monotonic_s

FIRST_PAUSE_S = 0.1
MAX_PAUSE_S = 1.0


class Reconnects:
    """Connects a client of aiokafka to brokers, with longer and longer pauses during an outage.

    Each task of a client tries to connect ten times a second, which costs several percent of a core and thousands of
    log lines in an outage.
    """

    def __init__(self, client: Any) -> None:
        """Take over the connects of a client."""
        self._client = client
        self._connect = client._get_conn
        self._failed: dict[Any, tuple[float, float]] = {}
        """Broker that cannot be reached -> when to try again on the monotonic clock, and the pause until then."""
        client._get_conn = self.connect

    async def connect(self, node_id: Any, **options: Any) -> Any:
        """Return a connection to a broker, or None if it cannot be reached."""
        if node_id in self._failed:
            wait_s = self._failed[node_id][0] - monotonic_s()
            if wait_s > 0 and self._is_outage:
                await sleep(wait_s)
        connection = await self._connect(node_id, **options)
        if connection is not None:
            self._failed.pop(node_id, None)
        else:
            self._note_failure(node_id)
        return connection

    @property
    def _is_outage(self) -> bool:
        """Whether no broker can be reached. Otherwise nothing waits: another broker may soon lead the partitions."""
        return all(broker.nodeId in self._failed for broker in self._client.cluster.brokers())

    def _note_failure(self, node_id: Any) -> None:
        now_s = monotonic_s()
        until_s, pause_s = self._failed.get(node_id, (0.0, FIRST_PAUSE_S / 2))
        if until_s <= now_s:  # else another task has noted the same attempt
            pause_s = min(2 * pause_s, MAX_PAUSE_S)
            self._failed[node_id] = now_s + pause_s, pause_s
