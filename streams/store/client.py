"""Creates a client for Redis or Valkey from a URL."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def connect(url: str) -> Redis | RedisCluster:
    """Create a client for the URL, or with ``?cluster=true`` a cluster client. Its own retries are switched off."""
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
