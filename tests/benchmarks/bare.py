"""The collector's floor: a bare aiohttp handler that writes each body to Kafka unread and answers 200.

Run as ``python -m tests.benchmarks.bare KAFKA TOPIC IDEMPOTENT``, the last ``True`` or ``False``; prints its address.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec
import uvloop
from aiohttp import web
from aiokafka import AIOKafkaProducer


class Batch(msgspec.Struct):
    """A batch, cut into its events and no further."""

    batch: list[msgspec.Raw]


async def main(kafka: str, topic: str, idempotent: str) -> None:
    """Serve until killed."""
    cut = msgspec.json.Decoder(Batch).decode

    async def single(request: web.Request) -> web.Response:
        await producer.send_and_wait(topic, await request.read())
        return web.Response(body=b'{"success":true}')

    async def batch(request: web.Request) -> web.Response:
        """One record an event, as the collector writes them."""
        events = cut(await request.read()).batch
        await asyncio.gather(*[await producer.send(topic, bytes(event)) for event in events])
        return web.Response(body=b'{"success":true}')

    site = web.Application()
    site.router.add_post("/v1/t", single)
    site.router.add_post("/v1/batch", batch)
    careful = idempotent == "True"
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=careful) as producer:
        runner = web.AppRunner(site, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sys.stdout.write(f"listening on http://127.0.0.1:{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
