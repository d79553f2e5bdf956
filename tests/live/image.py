"""Build the image from deploy/docker/Dockerfile, and run it as any user, without rights, with a read-only root.

``python -m tests.live.image`` needs root, debootstrap, podman and runc. A Debian 13 with its own Python stands in
for the image of the FROM line, where no registry is to be had; ``--pull`` takes the real one. All is in a store
of its own, deleted afterwards. Packages are reached as this machine reaches them: its certificates and pip's file are
mounted in the build.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

from app.embedded.child import run_child, temporary_folder
from app.embedded.server import free_port
from tests.live.steps import timed_step
from tests.support.own_servers import own_servers
from tests.support.probes import read_status
from tests.support.servers import Running
from tests.support.system import ROOT, System
from tests.support.waiting import wait_for

DOCKER: Final = ROOT / "deploy/docker"
CONFIG: Final = ROOT / "deploy/compose/config"
IN_IMAGE: Final = Path("/etc/leadglow")
BASE: Final = "docker.io/library/python"
PATH: Final = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
PACKAGES: Final = "ca-certificates,netbase,python3,python3-pip,python3-venv,tzdata"
AS_OFFICIAL: Final = """
set -e
for each in python python3; do ln -s /usr/bin/python3 /usr/local/bin/$each; done
for each in pip pip3; do ln -s /usr/bin/pip3 /usr/local/bin/$each; done
rm -rf /usr/lib/python3*/EXTERNALLY-MANAGED /var/cache/apt/* /var/lib/apt/lists/*
find / -xdev -name '*.pyc' -delete
"""
"""Python and pip where the official image has them, and no compiled modules, as there."""
MOUNTED: Final = ("/etc/pip.conf", "/etc/ssl/certs")
RIGHTS: Final = (
    "--read-only", "--read-only-tmpfs=false", "--user=12345:0", "--cap-drop=all", "--security-opt=no-new-privileges",
    "--pids-limit=512", "--memory=2g", "--ulimit=nofile=10000:10000", "--ulimit=nproc=4096:4096", "--no-healthcheck",
)  # fmt: skip
"""What an operator takes away; without a limit of its own, podman raises those of this machine."""
SOURCES: Final = "web-events,email-events,crm-events"
MOST_S: Final = 1800
LIVE_S, READY_S, STOP_S = 3.0, 20.0, 10.0
"""Limits of a start and a stop; what has to be compiled at the start is not ready within the second."""
PROCESSES: Final = {
    "worker": ("METRICS_PORT", ()),
    "collector": ("COLLECTOR_METRICS_PORT", ()),
    "board": ("BOARD_METRICS_PORT", ("--tmpfs=/tmp:mode=1777,size=256m",)),
    "notify": ("NOTIFY_METRICS_PORT", ("--env=INBOX_SECRET=whsec_bGVhZGdsb3ctY29tcG9zZS1pbmJveC1zZWNyZXQ=",)),
}
"""Command -> the setting that is the port of its probes, and its own options."""
CONTENTS: Final = """
import importlib.metadata, json, os, shutil
places = [place for place, folders, _ in os.walk("/") if not place.startswith(("/proc", "/sys", "/dev"))]
print(json.dumps({
    "packages": {each.name: each.version for each in importlib.metadata.distributions()},
    "tools": [each for each in ("gcc", "cc", "make", "git", "uv") if shutil.which(each)],
    "writable": [place for place in places if os.access(place, os.W_OK)],
    "user": [os.getuid(), os.getgid()],
}))
"""


class Images:
    """Images and containers in a store of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def argv(self, *arguments: str) -> list[str]:
        """The command line of podman for this store; Debian's podman 4 knows mixed control groups by runc alone."""
        store = [f"--root={self._folder / 'root'}", f"--runroot={self._folder / 'run'}", "--runtime=runc"]
        return ["podman", *store, "--cgroup-manager=cgroupfs", "--events-backend=none", *arguments]

    def podman(self, *arguments: str) -> str:
        """Run podman to its end; returns its output."""
        return run_child(self.argv(*arguments), MOST_S)

    def logs(self, name: str) -> str:
        """What a container has said."""
        return run_child(["sh", "-c", 'exec "$@" 2>&1', "sh", *self.argv("logs", name)], MOST_S)

    def make_base(self) -> None:
        """Make an image with Debian's Python under the name of the official one."""
        tag = re.findall(r"^ARG PYTHON=(.+)$", (DOCKER / "Dockerfile").read_text(), re.M)[0]
        root, archive = self._folder / "base", self._folder / "base.tar"
        run_child(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "trixie", str(root)], MOST_S)
        run_child(["chroot", str(root), "sh", "-c", AS_OFFICIAL], MOST_S)
        run_child(["tar", "-C", str(root), "--one-file-system", "-cf", str(archive), "."], MOST_S)
        self.podman("import", f"--change=ENV PATH={PATH}", str(archive), f"{BASE}:{tag}")
        shutil.rmtree(root)
        archive.unlink()

    def build(self) -> None:
        """Build the image as the Dockerfile says."""
        mounts = [f"--volume={each}:{each}:ro" for each in MOUNTED if Path(each).exists()]
        how = ["--format=docker", "--isolation=chroot", "--pull=missing", *mounts]
        self.podman("build", *how, f"--file={DOCKER / 'Dockerfile'}", "--tag=leadglow", str(ROOT))

    def run(self, *command: str, entrypoint: str = "leadglow") -> str:
        """Run a program of the image to its end, without a network; returns its output."""
        return self.podman("run", "--rm", "--network=none", *RIGHTS, f"--entrypoint={entrypoint}", "leadglow", *command)

    @contextmanager
    def started(self, command: str, *options: str) -> Iterator[str]:
        """A container of the image on this machine's network, removed afterwards; yields its name."""
        name, *words = command.split()
        how = ["--detach", f"--name={name}", "--network=host", *RIGHTS, *options]
        self.podman("run", *how, "leadglow", name, *words)
        try:
            yield name
        finally:
            self.podman("rm", "--force", name)

    def status(self, name: str) -> int:
        """The exit status of a container that has ended."""
        return int(self.podman("inspect", "--format={{.State.ExitCode}}", name))


@contextmanager
def own_images() -> Iterator[Images]:
    """A store, deleted afterwards with all that runs in it."""
    with temporary_folder("leadglow-image-") as folder:
        images = Images(folder)
        try:
            yield images
        finally:
            images.podman("rm", "--all", "--force")
            images.podman("rmi", "--all", "--force")


def options_of(kafka: Running, redis: Running) -> list[str]:
    """The options of a container for a system on these servers, with the files of the compose file."""
    files = {"scorecards": "scorecards", "collector_keys": "keys", "board_access": "access", "notify_routes": "routes"}
    places = {name: str(IN_IMAGE / f"{file}.yaml") for name, file in files.items()}
    hosts = {f"{name}host": "127.0.0.1" for name in ("metrics_", "collector_", "board_")}
    ports = {f"{name}_port": str(free_port()) for name in ("collector", "board")}
    env = System(kafka, redis.address, "image", sources=SOURCES, **hosts, **ports, **places).env
    return [f"--volume={CONFIG}:{IN_IMAGE}:ro", *(f"--env={name}={value}" for name, value in env.items())]


def _answers(url: str) -> bool:
    return read_status(url) == 200


def measure(images: Images, command: str, options: list[str]) -> tuple[float, float, float]:
    """Seconds until a process answers ``/live`` and is ready, and from SIGTERM to its end; fails if one is too long."""
    setting, own = PROCESSES[command]
    port, took = free_port(), []
    began_s = time.monotonic()
    with images.started(command, *options, *own, f"--env=LEADGLOW_{setting}={port}") as name:
        for path in ("/live", "/ready"):
            url = f"http://127.0.0.1:{port}{path}"
            wait_for(partial(_answers, url), url, said=lambda: images.logs(name))
            took.append(time.monotonic() - began_s)
        began_s = time.monotonic()
        images.podman("stop", "--time=30", name)
        took.append(time.monotonic() - began_s)
        assert images.status(name) == 0, images.logs(name)
    live_s, ready_s, stop_s = took
    assert (live_s < LIVE_S, ready_s < READY_S, stop_s < STOP_S) == (True, True, True), (command, took)
    return live_s, ready_s, stop_s


def check_contents(images: Images) -> str:
    """Compare what is in the image with the pinned packages; returns its size."""
    found: dict[str, Any] = json.loads(images.run("-c", CONTENTS, entrypoint="python"))
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", (DOCKER / "requirements.txt").read_text(), re.M)
    own = {(canonicalize_name(name), version) for name, version in found["packages"].items()} - set(pins)
    assert [name for name, _ in own] == ["leadglow"], own
    assert (found["tools"], found["writable"], found["user"]) == ([], [], [12345, 0]), found
    images.run("--python", "/opt/leadglow", "check", entrypoint="pip")
    size = int(images.podman("image", "inspect", "--format={{.Size}}", "leadglow"))
    return f"{len(found['packages'])} packages, {size / 1e6:.0f} MB"


def main() -> None:
    """Build it, and start each process."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.image", description=__doc__)
    parser.add_argument("--pull", action="store_true", help="pull the base image; nothing stands in for it")
    parser.add_argument("--times", type=int, default=3, help="starts of each process")
    options = parser.parse_args()
    if os.geteuid() != 0 or not all(map(shutil.which, ("debootstrap", "podman", "runc"))):
        parser.error("run it as root, with debootstrap, podman and runc installed")
    seconds: dict[str, float] = {}
    with own_images() as images:
        if not options.pull:
            with timed_step(seconds, "base image", print):
                images.make_base()
        with timed_step(seconds, "build", print):
            images.build()
        print(check_contents(images))
        with own_servers("leadglow-image-servers-") as (kafka, redis, _):
            its = options_of(kafka, redis)
            with images.started("topics create", *its) as name:
                images.podman("wait", name)
                assert images.status(name) == 0, images.logs(name)
            for command in [each for each in PROCESSES for _ in range(options.times)]:
                live_s, ready_s, stop_s = measure(images, command, its)
                print(f"{command}: /live after {live_s:.2f} s, /ready after {ready_s:.2f} s, stopped in {stop_s:.2f} s")


if __name__ == "__main__":
    main()
