"""Asks processes whether they are ready."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import aiohttp

from app.settings import Settings

TIMEOUT: Final = aiohttp.ClientTimeout(total=3)
PORTS: Final = {
    "worker": "metrics_port",
    "collector": "collector_metrics_port",
    "board": "board_metrics_port",
    "notify": "notify_metrics_port",
}
"""Process -> the setting of the port of its probes."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A process as its probe describes it."""

    name: str
    url: str
    answers: bool
    is_ready: bool
    reason: str = ""


def local_urls(settings: Settings) -> dict[str, str]:
    """Process -> where its probes are on this machine, by the settings; not those with any free port."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.metrics_host, settings.metrics_host)
    ports = {name: getattr(settings, setting) for name, setting in PORTS.items()}
    return {name: f"http://{host}:{port}" for name, port in ports.items() if port}


async def probe_all(places: Iterable[tuple[str, str]]) -> list[Probe]:
    """Ask all processes at once; ``places`` are names and URLs."""
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        return list(await asyncio.gather(*(_probe(session, name, url) for name, url in places)))


async def _probe(session: aiohttp.ClientSession, name: str, url: str) -> Probe:
    try:
        async with session.get(f"{url}/ready") as answer:
            body = await answer.json(content_type=None)
            reason = str(body.get("reason", "")) if isinstance(body, dict) else ""
            is_ready = answer.status == 200
            return Probe(name, url, True, is_ready, reason if reason or is_ready else f"HTTP status {answer.status}")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Probe(name, url, False, False, str(error) or type(error).__name__)
