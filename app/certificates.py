"""Reads when the certificates of Kafka and Redis end, for metrics."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from prometheus_client import Gauge

from app.settings import Settings
from streams.clock import now_ms

log = logging.getLogger(__name__)
_tasks: set[asyncio.Task[None]] = set()
CHECK_S: Final = 3600.0
RETRY_S: Final = 60.0
ANSWER_S: Final = 10.0


def start_watching(settings: Settings, gauge: Gauge) -> None:
    """Export the ends of all certificates until the end of the process."""
    task = asyncio.create_task(watch_certificates(settings, gauge))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def watch_certificates(settings: Settings, gauge: Gauge) -> None:
    """Export the ends of all certificates for ever; returns at once if there are none."""
    servers = dict(_servers(settings))
    files = {
        "ca file of Kafka": (settings.kafka_ca_file, authorities_end_s),
        "client certificate": (settings.kafka_client_certificate, first_end_s),
    }
    given = {name: (path, read) for name, (path, read) in files.items() if path is not None}
    while servers or given:
        for name, (path, read) in given.items():
            with suppress(OSError, ValueError):  # Kafka's client reports that
                gauge.labels(name).set(await asyncio.to_thread(read, path))
        failed = [name for name, place in servers.items() if not await _export_end(gauge, name, *place)]
        await asyncio.sleep(RETRY_S if failed else CHECK_S)


def _servers(settings: Settings) -> Iterator[tuple[str, tuple[str, int]]]:
    """(address, (host, port)) of each server that is reached by TLS."""
    kafka = [f"//{server.strip()}" for server in settings.kafka.split(",")] if settings.kafka_tls else []
    redis = [url for url in (settings.redis, settings.board_redis) if url.startswith("rediss:")]
    for url, usual_port in (*product(kafka, [9092]), *product(redis, [6379])):
        place = urlsplit(url)
        if place.hostname:
            port = place.port or usual_port
            yield f"{place.hostname}:{port}", (place.hostname, port)


async def _export_end(gauge: Gauge, name: str, host: str, port: int) -> bool:
    """Export the end of a server's certificate; whether it could be read."""
    try:
        async with asyncio.timeout(ANSWER_S):
            gauge.labels(name).set(await read_end_s(host, port))
    except (OSError, TimeoutError, ValueError) as error:
        log.debug("the certificate of %s cannot be read: %r", name, error)
        return False
    return True


async def read_end_s(host: str, port: int) -> float:
    """When the certificate of a server ends, in seconds since the epoch, whether it is valid or not.

    Raises:
        OSError: the server does not respond by TLS.
    """
    anything = ssl.create_default_context()
    anything.check_hostname = False
    anything.verify_mode = ssl.CERT_NONE  # nothing is sent; one that has ended must be seen, too
    _, writer = await asyncio.open_connection(host, port, ssl=anything, server_hostname=host)
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    return x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()


def first_end_s(path: Path) -> float:
    """When the first of the certificates in a PEM file ends, in seconds since the epoch.

    Raises:
        ValueError: there is none.
    """
    return min(_ends_s(path))


def authorities_end_s(path: Path) -> float:
    """When the first valid certificate in a file of authorities ends, or the last one if all have ended.

    In seconds since the epoch. Bundles keep certificates that have ended for years.

    Raises:
        ValueError: there is none.
    """
    ends_s = _ends_s(path)
    return min((each for each in ends_s if each > now_ms() / 1000), default=max(ends_s))


def _ends_s(path: Path) -> list[float]:
    return [each.not_valid_after_utc.timestamp() for each in x509.load_pem_x509_certificates(path.read_bytes())]
