"""Rates and rejects for the Flow page. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Final

from streams.shard.alert import rfc3339

MAX_REJECTS: Final = 200
RATE_S: Final = 10.0
ALERT_RATE_S: Final = 60.0


class RateMeter:
    """The growth of a number per second, over its latest samples."""

    def __init__(self, over_s: float = RATE_S) -> None:
        """Use samples of the last ``over_s`` seconds."""
        self._over_s = over_s
        self._seen: deque[tuple[float, float]] = deque()

    def add_sample(self, at_s: float, value: float) -> None:
        """Add the current value; a lower value than before restarts the measurement."""
        if self._seen and value < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((at_s, value))
        while len(self._seen) > 2 and self._seen[1][0] <= at_s - self._over_s:
            self._seen.popleft()

    @property
    def per_s(self) -> float:
        """The growth per second; 0 until there are two samples."""
        if len(self._seen) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return round((last - first) / (last_s - first_s), 3) if last_s > first_s else 0.0


class Rejects:
    """The latest records of rejected-events, without their contents."""

    def __init__(self) -> None:
        """There are none yet."""
        self._latest: deque[dict[str, Any]] = deque(maxlen=MAX_REJECTS)
        self.reasons: Counter[str] = Counter()

    def add_record(self, at_ms: int, headers: Mapping[str, bytes], size: int) -> None:
        """Add a record."""
        reason, message, source = (_text(headers.get(name)) for name in ("reason", "message", "leadglow-source"))
        self.reasons[reason if reason in self.reasons or len(self.reasons) < 100 else "other"] += 1
        row = {"at": rfc3339(at_ms), "reason": reason, "message": message, "source": source, "bytes": size}
        self._latest.append(row)

    def list_rows(self) -> list[dict[str, Any]]:
        """The records, newest first."""
        return sorted(self._latest, key=lambda row: row["at"], reverse=True)


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")[:500]


def alerts_per_s(instants_s: deque[float], now_s: float) -> float:
    """Alerts per second over the last minute."""
    while instants_s and instants_s[0] < now_s - ALERT_RATE_S:
        instants_s.popleft()
    return round(len(instants_s) / ALERT_RATE_S, 3)
