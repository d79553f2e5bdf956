"""Run the two commands of the README on a bare Debian: in a new root with Python and make alone, as an ordinary user.

``python -m tests.live.bare_debian bookworm trixie`` needs root and debootstrap. Each root has mounts and processes of
its own, which end with the script, and is deleted afterwards. Registries are reached as this machine reaches them:
its certificates, pip's settings and the variables of ``PASSED`` are copied into the root.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psutil

from app.embedded.child import run_child
from tests.live.steps import timed_step
from tests.support.system import ROOT
from tests.support.terminal import on_terminal

PACKAGES: Final = "python3,python3-venv,make,ca-certificates"
PASSED: Final = ("PIP_", "UV_", "SSL_CERT", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
COPIED: Final = ("etc/resolv.conf", "etc/hosts", "etc/pip.conf", "etc/ssl/certs/ca-certificates.crt")
USER: Final = 1000
HOME: Final = "home/ana"
PATH: Final = "/usr/local/bin:/usr/bin:/bin"
ENTER: Final = """
mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/dev/shm" &&
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts" && root=$1 && shift &&
chroot --userspec=1000:1000 "$root" /usr/bin/env -i "$@"
"""
"""Runs in mounts and processes of its own, so nothing has to be unmounted or ended. The shell ends with its parent, and
all others with it; `chroot` in its place would not, because it changes its user."""
MOST_S: Final = 1800
TESTS_S: Final = 3600
DEMO_S: Final = 180


class Root:
    """A bare system in a folder, with a clone of the repository in the user's home."""

    def __init__(self, folder: Path) -> None:
        """It is made by ``install``."""
        self._folder = folder

    def install(self, suite: str) -> None:
        """Install Debian with Python and make."""
        run_child(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(self._folder)], MOST_S)
        for name in COPIED:
            if Path("/", name).exists():
                shutil.copy(Path("/", name), self._folder / name)
        home = self._folder / HOME
        run_child(["chroot", str(self._folder), "useradd", "--create-home", f"--uid={USER}", "ana"], MOST_S)
        run_child(["git", "clone", "--quiet", f"file://{ROOT}", str(home / "leadglow")], MOST_S)
        run_child(["chown", "--recursive", f"{USER}:{USER}", str(home)], MOST_S)

    def argv(self, command: str) -> list[str]:
        """The command line that runs a shell command as the user, in the clone."""
        passed = [f"{name}={value}" for name, value in os.environ.items() if name.upper().startswith(PASSED)]  # noqa: TID251
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", ENTER, "enter"]
        own = [f"HOME=/{HOME}", f"PATH={PATH}", "LANG=C.UTF-8", "TERM=xterm-256color"]
        return [*enter, str(self._folder), *own, *passed, "/bin/sh", "-c", f"cd ~/leadglow && {command}"]

    def run(self, command: str, timeout_s: float = MOST_S) -> str:
        """Run a shell command to its end; returns its output."""
        return run_child(self.argv(f"{command} 2>&1"), timeout_s)

    def run_demo(self) -> None:
        """Run the demo until it shows leads, and stop it as a person does."""
        with on_terminal(self.argv("make demo"), columns=80, lines=24) as demo:
            demo.read_until(b"Hottest leads", DEMO_S)
            for process in psutil.Process(demo.process.pid).children(recursive=True):
                if process.cmdline()[-2:] == [".venv/bin/leadglow", "demo"]:
                    process.send_signal(signal.SIGINT)
            demo.read_until(b"stopped:", DEMO_S)
            assert demo.wait(DEMO_S) == 0, demo.tail()


@contextmanager
def bare_root(suite: str) -> Iterator[Root]:
    """A folder for a root, deleted afterwards."""
    with TemporaryDirectory(prefix=f"leadglow-{suite}-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Root(Path(folder))


def measure(suite: str, tests: str) -> dict[str, float]:
    """Seconds of each step; fails if a step does."""
    seconds: dict[str, float] = {}
    with bare_root(suite) as root:
        with timed_step(seconds, "debootstrap", print):
            root.install(suite)
        print(root.run("id -un; . /etc/os-release; echo $PRETTY_NAME; python3 --version"))
        with timed_step(seconds, "make setup", print):
            root.run("make setup")
        with timed_step(seconds, "make demo", print):
            root.run_demo()
        command = f".venv/bin/python -m pytest {tests}" if tests else "make test"
        with timed_step(seconds, command, print):
            print("\n".join(root.run(command, TESTS_S).splitlines()[-3:]))
    return seconds


def main() -> None:
    """Run it for each suite."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.bare_debian", description=__doc__)
    parser.add_argument("suites", nargs="+", metavar="SUITE", help="bookworm (Python 3.11) or trixie (3.13)")
    parser.add_argument("--tests", default="", metavar="OPTIONS", help="run `pytest OPTIONS` instead of `make test`")
    options = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        parser.error("run it as root, with debootstrap installed")
    for suite in options.suites:
        print(f"== {suite}", flush=True)
        measure(suite, options.tests)


if __name__ == "__main__":
    main()
