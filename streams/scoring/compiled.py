"""How functions are compiled."""

from __future__ import annotations

from typing import Any

from numba import njit


def compiled(function: Any) -> Any:
    """Compile at the first call; kept beside the source (or in NUMBA_CACHE_DIR) where that can be written."""
    try:
        return njit(cache=True)(function)
    except RuntimeError:  # there is no such place
        return njit(function)
