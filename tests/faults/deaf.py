"""The command ``leadglow``, but the worker stops fetching at SIGUSR1, like a consumer that fails silently."""

import asyncio
import signal
from typing import Any

import streams.engine
from app.cli.root import main
from streams.transport.consumer import Consumer

deaf = False
fetch = Consumer._getmany


def stop_fetching(*_: object) -> None:
    """Fetch nothing from now on."""
    global deaf  # noqa: PLW0603
    deaf = True


async def _getmany(self: Any, *args: Any) -> Any:
    if deaf:
        print("deaf", flush=True)
        await asyncio.Event().wait()
    return await fetch(self, *args)


consumer: Any = Consumer
consumer._getmany = _getmany
streams.engine.STUCK_S = 3.0
signal.signal(signal.SIGUSR1, stop_fetching)
main()
