"""Lets test processes take turns where they fill a folder of ``build`` that they share."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn_at(folder: Path) -> Iterator[None]:
    """Wait until no other process is at work on this folder; the system ends the turn of a process that ends."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
