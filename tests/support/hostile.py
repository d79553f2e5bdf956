"""Answers of receivers that fail, stall, redirect and lie; to be given to ``receiving``."""

from __future__ import annotations

import asyncio
import gzip
from random import Random
from typing import Final

from tests.support.receivers import Receiver, Writes, response

SLOW_S: Final = 0.3
_OK: Final = b"HTTP/1.1 200 OK\r\n"


async def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection without an answer."""
    writer.transport.abort()


async def stall(writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def slow(writer: asyncio.StreamWriter) -> None:
    """Answer late, one byte after another."""
    for byte in response(200):
        await asyncio.sleep(SLOW_S / 50)
        writer.write(bytes([byte]))
    await writer.drain()


async def endless_body(writer: asyncio.StreamWriter) -> None:
    """Never stop after the status."""
    writer.write(_OK + b"transfer-encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()


async def endless_headers(writer: asyncio.StreamWriter) -> None:
    """Never stop before the body."""
    writer.write(_OK)
    while not writer.is_closing():
        writer.write(b"x-more: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


async def too_short(writer: asyncio.StreamWriter) -> None:
    """End before the announced length."""
    writer.write(_OK + b"content-length: 1000\r\n\r\nok")
    await writer.drain()
    writer.close()


async def too_long(writer: asyncio.StreamWriter) -> None:
    """Go on after the announced length, with an answer to a request that was not sent yet."""
    writer.write(response(200, b"ok") + response(200, b"again"))
    await writer.drain()


GARBAGE: Final = b"garbage\r\n\r\n"
BROKEN_CHUNKS: Final = _OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n"
BOMB: Final = response(200, gzip.compress(bytes(1 << 24)), content_encoding="gzip")
NO_SENSE: Final = response(200, b"\xff\x00{]", content_type="application/json")

DELIVERED: Final[dict[str, bytes | Writes]] = {
    "slow": slow,
    "an endless body": endless_body,
    "a body that is too short": too_short,
    "a body that is too long": too_long,
    "a compressed body that is large": BOMB,
    "a body without sense": NO_SENSE,
}
"""The status is 200, and nothing else counts."""


def failing(forbidden: str) -> dict[str, bytes | Writes]:
    """Answers after which an alert is tried again; ``forbidden`` is a URL that redirects lead to."""
    return {
        "status 500": response(500),
        "status 404": response(404),
        "a reset": reset,
        "garbage": GARBAGE,
        "broken chunks": BROKEN_CHUNKS,
        "endless headers": endless_headers,
        "a redirect to a private address": response(302, location=forbidden),
        "a redirect that keeps the method": response(307, location=forbidden),
        "a redirect to itself": response(308, location="/again"),
        "a broken redirect": response(302, location="http://[::1"),
    }


def answer_by_chance(receiver: Receiver, forbidden: str, chance: Random) -> None:
    """Let a receiver answer each request in another way."""
    ways = [*DELIVERED.values(), *failing(forbidden).values(), response(429, retry_after="0"), response(200)]

    async def answer(writer: asyncio.StreamWriter) -> None:
        way = chance.choice(ways)
        if isinstance(way, bytes):
            writer.write(way)
            await writer.drain()
        else:
            await way(writer)

    receiver.answers = [answer]
