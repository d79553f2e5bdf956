"""Files with secrets: written so that only their owner can read them, and refused if others can."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from stat import S_IMODE
from typing import TypeVar

from streams.yamlfile.load import YamlFileError
from streams.yamlfile.tree import Mistake

T = TypeVar("T")
log = logging.getLogger(__name__)
OTHERS = 0o077
"""The permissions of the group and of everybody else."""


def check_private(path: Path) -> None:
    """Check that others cannot read a file, or that it is not ours to change, which is logged.

    Files of another owner, and those on a read-only mount, come from a deployment: Kubernetes gives Secrets to a
    group, and Compose mounts a folder of the host.

    Raises:
        YamlFileError: it is ours, and others can read it.
    """
    found, place = path.stat(), os.statvfs(path)
    if not found.st_mode & OTHERS:
        return
    message, remedy = f"others can read this file (mode {S_IMODE(found.st_mode):o})", f"run `chmod 600 {path}`"
    if found.st_uid == os.geteuid() and not place.f_flag & os.ST_RDONLY:
        raise YamlFileError(str(path), [Mistake(1, 1, message, remedy)])
    if found.st_mode & 0o007:
        log.warning("%s: %s: %s on the machine that it comes from", path, message, remedy)


def load_private(load: Callable[[Path], T], path: Path) -> T:
    """Load a file with secrets.

    Raises:
        YamlFileError: the file has mistakes, or others can read it.
    """
    loaded = load(path)
    check_private(path)
    return loaded


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from the first byte on.

    Raises:
        OSError: it cannot be written.
    """
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
