"""The scripts that read rankings in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoScriptError

from streams.store.scripts import load_script

Script = tuple[str, str]
"""The text of a script, and its SHA-1."""
PAGE = load_script("ranked")
COUNT = load_script("count_ranked")
PICK = load_script("pick_ranked")


async def run_read_only(client: Redis | RedisCluster, script: Script, key: str, argv: Sequence[str | int]) -> list[Any]:
    """Run a script by the read-only commands, which replicas accept, too."""
    text, sha = script
    try:
        found: list[Any] = await client.evalsha_ro(sha, 1, key, *argv)
    except NoScriptError:
        found = await client.eval_ro(text, 1, key, *argv)
    return found


def places_in(reply: Sequence[bytes]) -> list[tuple[str, float]]:
    """(lead id, place) of each lead in {id, negated place, ...}."""
    return [(reply[i].decode(), -float(reply[i + 1])) for i in range(0, len(reply), 2)]
