"""The HTTP server for ``/metrics``, ``/live`` and ``/ready`` of a process, on a separate port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from streams.connections import BoundedAppRunner

MAX_CONNECTIONS: Final = 64


async def serve(
    host: str,
    port: int,
    registry: CollectorRegistry,
    ready: Callable[[], bool],
    reason: Callable[[], str] | None = None,
) -> web.AppRunner:
    """Serve until the runner is cleaned up; ``runner.addresses`` contains the port in use.

    ``reason`` returns the text that ``/ready`` shows while the process is not ready.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # removes an unused second series of each counter

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))  # only OpenMetrics has exemplars
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def live(request: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def readiness(request: web.Request) -> web.Response:
        up = ready()
        why_not = {"reason": reason()} if reason and not up else {}
        return web.json_response({"ready": up, **why_not}, status=200 if up else 503)

    site = web.Application()
    site.add_routes([web.get("/metrics", metrics), web.get("/live", live), web.get("/ready", readiness)])
    runner = BoundedAppRunner(site, MAX_CONNECTIONS, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
