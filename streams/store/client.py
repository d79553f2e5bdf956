"""Makes a client of Redis or Valkey from a URL."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def connect(url: str) -> Redis | RedisCluster:
    """A client for the URL; ``?cluster=true`` makes it one for a cluster. Retries are ours, not its."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    cluster = query.pop("cluster", "false").lower() == "true"
    kind: Any = RedisCluster if cluster else Redis
    client: Redis | RedisCluster = kind.from_url(
        urlunsplit(parts._replace(query=urlencode(query))),
        decode_responses=False,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
    )
    return client
