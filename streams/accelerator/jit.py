"""How functions are compiled, and where that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import numba

_config: Any = numba.config


def _sources(folder: Traversable) -> Iterator[bytes]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _sources(entry)
        elif entry.name.endswith(".py"):
            yield entry.read_bytes()


def _folder() -> str:
    """A folder of its own for each state of the sources, in NUMBA_CACHE_DIR or beside the package.

    Numba looks for changes in a function's own file only, and what is compiled has parts of others in it.
    """
    sources = files("streams")
    state = blake2b(b"\0".join(_sources(sources)), digest_size=8).hexdigest()
    return f"{_config.CACHE_DIR or sources / '__pycache__'}/compiled-{state}"


_config.CACHE_DIR = _folder()


def compiled(function: Any) -> Any:
    """Compile at the first call; kept for the next process where there is a place that can be written."""
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # there is no such place
        return numba.njit(function)
