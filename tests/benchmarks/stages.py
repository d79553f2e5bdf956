"""The time that events spend in each stage from the sender to the reader of ``handoff``, from the notes of a worker."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.measure import percentile

Note = tuple[str, str | int, int, int, float]
"""Stage, place, first and last offset there, and when these records reached the end of the stage."""
ON_SOURCE = ("source_fetch", "intake", "lead_events_produce")
ON_LEAD_EVENTS = ("lead_events_fetch", "fetched", "scored", "committed")
STAGES = {
    "source_produce": "sender: sent to acknowledged on the source topic",
    "source_fetch": "until the worker has fetched it",
    "intake": "intake: waiting and converting",
    "lead_events_produce": "until acknowledged on lead-events",
    "lead_events_fetch": "until the worker has fetched it",
    "fetched": "waiting for the shard",
    "scored": "scoring",
    "committed": "commit in Redis",
    "relay": "relay: alert acknowledged on handoff",
    "handoff_fetch": "until the reader has fetched it",
}


@dataclass(frozen=True)
class Trip:
    """One event and its alert, as the sender and the reader know them; places are partitions and offsets."""

    lead: str
    sent_s: float
    acknowledged_s: float
    seen_s: float
    source: tuple[int, int]
    lead_events: tuple[int, int]


class Notes:
    """The notes of a worker, found by place."""

    def __init__(self, notes: Iterable[Note]) -> None:
        self._by_place: dict[tuple[str, str | int], tuple[list[int], list[Note]]] = {}
        for note in notes:
            lasts, found = self._by_place.setdefault((note[0], note[1]), ([], []))
            lasts.append(note[3])
            found.append(note)

    def at_s(self, stage: str, place: str | int, offset: int = 0) -> float:
        """When the record with this offset reached the end of a stage."""
        lasts, found = self._by_place[stage, place]
        return found[bisect_left(lasts, offset)][4]

    def count(self, stage: str, start_s: float, end_s: float) -> int:
        """The sum of last offsets, which count things here, in a span of time."""
        places = [found for (name, _), (_, found) in self._by_place.items() if name == stage]
        return sum(note[3] for found in places for note in found if start_s <= note[4] <= end_s)

    def ends_s(self, trip: Trip) -> list[float]:
        """When each stage of a trip ended. A stage ends at the latest when the next one does: a reader may be faster
        than an acknowledgement."""
        ends_s = [
            trip.acknowledged_s,
            *(self.at_s(stage, *trip.source) for stage in ON_SOURCE),
            *(self.at_s(stage, *trip.lead_events) for stage in ON_LEAD_EVENTS),
            self.at_s("relay", trip.lead),
            trip.seen_s,
        ]
        for n in reversed(range(len(ends_s) - 1)):
            ends_s[n] = min(ends_s[n], ends_s[n + 1])
        return ends_s


def spent_ms(notes: Notes, trips: Sequence[Trip]) -> Mapping[str, Sequence[float]]:
    """Milliseconds in each stage, one per trip."""
    spent: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for trip in trips:
        before_s = trip.sent_s
        for stage, end_s in zip(STAGES, notes.ends_s(trip), strict=True):
            spent[stage].append((end_s - before_s) * 1000)
            before_s = end_s
    return spent


def lines(figures: Mapping[int, Mapping[str, Sequence[float]]]) -> list[str]:
    """The table of stages, a column pair for each rate."""
    rates = list(figures)
    if not rates:
        return []
    heads = "".join(f"{f'{rate:,}/s':>9}{'p50':>4}{'p99':>8}" for rate in rates)
    rows = [f"{'stage, ms':54}{heads}"]
    rows += [
        f"{text:54}" + "".join(f"{figures[rate][stage][0]:>13}{figures[rate][stage][1]:>8}" for rate in rates)
        for stage, text in STAGES.items()
    ]
    return rows


def summary(spent: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Median and 99th percentile of each stage."""
    return {stage: [percentile(values, 0.5), percentile(values, 0.99)] for stage, values in spent.items()}
