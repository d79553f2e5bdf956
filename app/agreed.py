"""Reads what all processes of a system agree on in Redis, whatever the settings of this one are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.settings import Settings
from streams.partition_numbers import REPARTITION
from streams.store.client import connect
from streams.store.format import NAME as FORMAT_NAME
from streams.store.keys import meta_key


@dataclass(frozen=True, slots=True)
class Agreed:
    """What holds for all shards; texts are empty if nothing is noted."""

    partitions: int | None
    """The number of shards in force; None while there is no state."""
    plan: str
    """The plan of a repartition that has begun and not ended."""
    form: str
    """The format of the system, as it is noted."""


async def read_agreed(settings: Settings) -> Agreed:
    """Read it in one call.

    Raises:
        RedisError, RedisClusterException, OSError: Redis does not respond.
    """
    client: Any = connect(settings.redis)
    try:
        found = await client.hmget(meta_key(settings.namespace), ["partitions", REPARTITION, FORMAT_NAME])
    finally:
        await client.aclose()
    partitions, plan, form = ((each or b"").decode() for each in found)
    return Agreed(int(partitions) if partitions else None, plan, form)
