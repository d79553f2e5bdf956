"""Writes events to the topic of sales, with one connection that is opened when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

SEND_S: Final = 6.0


class VerdictWriter:
    """Writes events; replaces its producer after a failure."""

    def __init__(self, create: Callable[[], Any], topic: str) -> None:
        """``create`` returns a producer that is not started yet."""
        self._create = create
        self._topic = topic
        self._producer: Any = None
        self._turn = asyncio.Lock()

    async def send(self, lead_id: str, event: bytes, at_ms: int) -> None:
        """Write an event; returns when Kafka has it.

        Raises:
            KafkaError: Kafka refuses it.
            TimeoutError: Kafka does not respond.
        """
        try:
            async with asyncio.timeout(SEND_S), self._turn:
                if self._producer is None:
                    self._producer = self._create()
                    await self._producer.start()
                await self._producer.send_and_wait(self._topic, event, key=lead_id.encode(), timestamp_ms=at_ms)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()


def sales_topic(sources: tuple[str, ...]) -> str:
    """The source topic of sales events: the one named after the CRM, else the last one."""
    return next((topic for topic in sources if "crm" in topic), sources[-1])
