"""Times the steps of a live script."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def timed_step(seconds: dict[str, float], name: str, say: Callable[[str], object]) -> Iterator[None]:
    """Put the seconds of a step into ``seconds`` by its name, and say them."""
    began_s = time.monotonic()
    yield
    seconds[name] = time.monotonic() - began_s
    say(f"{name}: {seconds[name]:.1f} s")
