"""Counts the alerts of each published version of the scorecards. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from sys import intern
from typing import Any, Final, NamedTuple

from streams.events.times import parse_ms
from streams.scoring.stages import SCORECARD

MAX_KEPT: Final = 100_000
Counts = Counter[tuple[str, str, str, bool]]
"""(scorecard, stage, kind, whether the change of the scorecards itself caused it) -> number of alerts."""


class Sent(NamedTuple):
    """An alert: when it was sent, by which version, and about what."""

    at_ms: int
    version: str
    about: tuple[str, str, str, bool]


class InForce(NamedTuple):
    """A publication, and when it was made."""

    place: int
    version: str
    at_ms: int


class VersionAlerts:
    """The latest alerts, in short."""

    def __init__(self, most: int = MAX_KEPT) -> None:
        """Keep the latest ``most`` that were read."""
        self._kept: deque[Sent] = deque(maxlen=most)
        self.reads_all = False
        """Whether Kafka still had the first alert when the board began to read, and it was read."""
        self.began_ms: int | None = None
        """When the board began to read."""

    @property
    def since_ms(self) -> int | None:
        """The time of the oldest alert that is counted; None if all are, or none can be."""
        if self.reads_all and len(self._kept) < (self._kept.maxlen or 0):
            return None
        return min((each.at_ms for each in self._kept), default=self.began_ms)

    def add_alert(self, alert: dict[str, Any]) -> None:
        """Add an alert, in the form of ``alerts.alert_of``."""
        texts = (intern(str(alert[name])) for name in ("scorecard", "stage", "kind"))
        scorecard, stage, kind = texts
        about = (scorecard, stage, kind, alert.get("cause") == SCORECARD.name)
        self._kept.append(Sent(parse_ms(alert["at"]) or 0, intern(str(alert["version"])), about))

    def snapshot(self) -> list[Sent]:
        """The alerts now, for another thread."""
        return list(self._kept)


def count_alerts(sent: Iterable[Sent], publications: Sequence[InForce]) -> dict[int, Counts]:
    """The alerts of each publication, by its place; ``publications`` are in order.

    An alert has its version. If that was published several times, the last time before the alert counts.
    """
    by_version: dict[str, list[InForce]] = {}
    for each in publications:
        by_version.setdefault(each.version, []).append(each)
    found: dict[int, Counts] = {each.place: Counter() for each in publications}
    for alert in sent:
        if same := by_version.get(alert.version):
            at = [each for each in same if each.at_ms <= alert.at_ms] or same[:1]
            found[at[-1].place][alert.about] += 1
    return found
