"""What a lead costs in Redis beyond its state, when it uses everything that is kept for the board."""

from __future__ import annotations

import pytest

from streams.store.base import Commit
from streams.store.client import connect
from streams.store.history import MAX_POINTS, POINT, add
from streams.store.keys import shard_keys
from streams.store.redis import RedisStore

LEADS = 1000
MAX_BYTES = 800
"""For a history of one scorecard, with the id that it stands under."""


def full_history() -> bytes:
    """The longest one: as many points as there may be."""
    history, at_s = b"", 1_795_000_000
    while len(history) < MAX_POINTS * POINT.size:
        at_s += 1
        history = add(history, at_s, at_s % 97)
    return history


@pytest.mark.asyncio
async def test_a_full_history_is_within_its_bytes(redis_url: str, unique: str) -> None:
    store = RedisStore(redis_url, unique, partitions=1)
    ids = [f"3f2e4178-4fee-542d-8b16-{number:012}" for number in range(LEADS)]
    at_s, score = 1_795_000_000, 0.0
    for version in range(MAX_POINTS):
        at_s, score = at_s + 1, (score + 1) % 97
        after = f"s{version - 1}" if version else ""
        step = Commit(version, after, f"s{version}", {}, ranks={"card": dict.fromkeys(ids, score)}, second=at_s)
        await store.commit(0, step)
    lengths = {len(history) for history in await store.history(0, "card", ids)}
    client = connect(redis_url)
    used = await client.memory_usage(shard_keys(unique, 0, 1).histories("card"), samples=0) or 0
    await client.aclose()
    await store.wipe(0)
    await store.close()
    assert lengths == {len(full_history())} == {MAX_POINTS * POINT.size}
    assert used / LEADS <= MAX_BYTES
    print(f"a full history: {used / LEADS:.0f} bytes a lead, its id of {len(ids[0])} characters among them")
