"""When a destination may be sent to: its circuit breaker and its rate. Pure: time and chance are arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FAILURES: Final = 5
"""So many failures in a row open the breaker."""
FIRST_OPEN_S: Final = 10.0
MAX_OPEN_S: Final = 300.0


@dataclass(slots=True)
class Gate:
    """The state of one destination, which all its routes share."""

    gap_ms: float = 0.0
    """The time from one message to the next."""
    disabled: str = ""
    """Why nothing is sent until the routes file changes; empty while it is in use."""
    open: bool = False
    """Whether the breaker is open: only one attempt at a time, after a pause."""
    _failures: int = 0
    _openings: int = 0
    _probing: bool = False
    _next_ms: float = 0.0

    def wait_ms(self, now_ms: float) -> float | None:
        """How long to wait before the next attempt; None until something else happens."""
        if self.disabled or (self.open and self._probing):
            return None
        return max(self._next_ms - now_ms, 0.0)

    def begin(self, now_ms: float) -> None:
        """Note that an attempt begins."""
        self._next_ms = max(self._next_ms, now_ms + self.gap_ms)
        self._probing = self.open

    def succeed(self) -> None:
        """Note that the destination answered as it should: the breaker closes."""
        self.open = self._probing = False
        self._failures = self._openings = 0

    def fail(self, now_ms: float, chance: float) -> None:
        """Note a failure; some in a row open the breaker, each time for longer."""
        self._failures += 1
        if self._failures < FAILURES or (self.open and not self._probing):
            return
        self.open, self._probing = True, False
        open_s = min(FIRST_OPEN_S * 2.0 ** min(self._openings, 20), MAX_OPEN_S) * (1 - chance / 4)
        self._openings += 1
        self._next_ms = max(self._next_ms, now_ms + open_s * 1000)

    def hold(self, now_ms: float, seconds: float) -> None:
        """Send nothing for a while, because the destination asked so."""
        self._probing = False
        self._next_ms = max(self._next_ms, now_ms + seconds * 1000)

    def abandon(self) -> None:
        """Note that an attempt ended without an outcome."""
        self._probing = False
