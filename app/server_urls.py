"""Checks the addresses of Kafka and Redis; messages never contain a password."""

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

PORTS = range(1, 65536)
_SERVER = re.compile(r"(?:[^\s:/@\[\]]+|\[[0-9A-Za-z:.%]+\])(?::([0-9]{1,5}))?")


def kafka_servers(text: str) -> str:
    """Check bootstrap servers, and return them unchanged.

    Raises:
        ValueError: they are malformed.
    """
    found = [_SERVER.fullmatch(server.strip()) for server in text.split(",")]
    if not all(server and (server[1] is None or int(server[1]) in PORTS) for server in found):
        msg = f"must be host:port, or several separated by commas, with ports from 1 to {PORTS[-1]}"
        raise ValueError(msg)
    return text


def redis_url(text: str) -> str:
    """Check a URL, and return it unchanged.

    Raises:
        ValueError: the client does not accept it.
    """
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(_FORM) from None
    for wrong, problem in _checks_of_url(url, port):
        if wrong:
            raise ValueError(problem)
    return text


_FORM = (
    f"must be like redis://user:password@host:port/db, with a port from 1 to {PORTS[-1]} "
    "and %XX for special characters in a password"
)


def _checks_of_url(url: SplitResult, port: int | None) -> Iterator[tuple[bool, str]]:
    """Checks: (whether it is violated, message)."""
    yield url.scheme not in {"redis", "rediss", "unix"}, "must start with redis://, rediss:// or unix://"
    if url.scheme == "unix":
        wrong = bool(url.hostname) or not url.path
        yield wrong, "must name a socket after unix://, as in unix:///run/redis.sock"
    else:
        yield not url.hostname, "must name a host, as in redis://host:port/db"
        yield port is not None and port not in PORTS, _FORM
        numbered = re.fullmatch("/?[0-9]*/?", url.path)
        yield not numbered, "must end with the number of a database or with none, as in redis://host:port/db"
    yield (
        bool(url.query) and not _are_options_valid(url.geturl()),
        "has options after the ? that are unknown, do not fit its scheme or have a wrong value",
    )


def _are_options_valid(text: str) -> bool:
    """Whether the client accepts the options: only it knows which there are for which kind of connection."""
    from redis.exceptions import RedisClusterException, RedisError

    from streams.store.client import connect

    try:
        pool = getattr(connect(text), "connection_pool", None)
        if pool is not None:  # a client for a cluster has checked them already
            pool.make_connection()
    except (TypeError, ValueError, AttributeError, RedisError, RedisClusterException):
        return False
    return True
