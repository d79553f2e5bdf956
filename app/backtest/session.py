"""Runs a backtest: finds the outcomes, replays the events by one or two scorecard files, and measures the results."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from app.backtest.log_replay import ExportReplay, LogReplay, Replay
from app.backtest.measure import View, measure_agreement, measure_card
from app.backtest.outcomes import LOST, WON, OutcomeFinder
from app.backtest.records import EventSource, Unreadable
from app.backtest.result import Result
from streams.environment import Environment
from streams.events.times import LAST_MS
from streams.implementation import Implementation
from streams.metrics import Metrics
from streams.publishing.publications import OneVersion, Publications
from streams.scoring.rules import CardRule, Rules
from streams.scoring.stages import Transition
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner, Topics

GC_THRESHOLD = 1_000_000


@dataclass(frozen=True, slots=True)
class Order:
    """What to replay."""

    rules: Rules
    against: Rules | None
    implementation: Implementation
    from_ms: int | None = None
    to_ms: int | None = None
    capacity: int | None = None
    won: Sequence[str] = WON
    lost: Sequence[str] = LOST
    publications: Publications = field(default_factory=OneVersion)
    """Those that the log refers to."""
    in_force: str = ""
    """The version in force at the end of the range. A file of this version changes with the log; any other does not."""

    def follows_log(self, rules: Rules) -> bool:
        """Whether the scorecards of a file change where they changed in the log."""
        return rules.version == self.in_force


@dataclass(slots=True)
class Findings:
    """The result of a backtest."""

    from_ms: int
    to_ms: int
    records: int
    leads: int
    cards: dict[str, View]
    """By the name of the scorecard."""
    against: dict[str, View]
    """The same by the other file, for each scorecard that it has, too."""
    agreement: dict[str, View]
    alerts: list[Transition]
    publications: int
    """Publications in the log that change the scorecards."""


class NoEvents(Exception):
    """No event arrived in the range."""


Progress = Callable[[str, int], None]
"""Called with the current step and the number of records read so far."""


async def run_backtest(source: EventSource, order: Order, end_ms: int, progress: Progress) -> Findings:
    """Replay a source. Without ``order.to_ms``, time passes until ``end_ms`` or the last event.

    Raises:
        NoEvents: no event arrived in the range.
        Mismatch: this version of Leadglow does not know a publication in the log, or cannot read it.
    """
    with rare_collections():
        return await _replay(source, order, end_ms, progress)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for reference cycles rarely, as a worker does: with many leads it takes long, and there are few."""
    before = gc.get_threshold()
    gc.set_threshold(GC_THRESHOLD, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Looked(NamedTuple):
    """What the first reading of the events finds: the outcomes, and the range."""

    finder: OutcomeFinder
    from_ms: int
    to_ms: int


async def find_outcomes(source: EventSource, order: Order, end_ms: int, progress: Progress) -> Looked:
    """Read the events for the outcomes and the range. Without ``order.to_ms`` it ends at ``end_ms`` or the last event.

    Raises:
        NoEvents: no event arrived in the range.
    """
    finder = OutcomeFinder(order.won, order.lost, order.from_ms or 0, LAST_MS if order.to_ms is None else order.to_ms)
    async for _, records in source.read():
        finder.look_at(records)
        progress("Looking for outcomes", source.taken)
    if finder.first_ms is None or finder.last_ms is None:
        raise NoEvents
    from_ms = finder.first_ms if order.from_ms is None else order.from_ms
    return Looked(finder, from_ms, max(finder.last_ms, end_ms) if order.to_ms is None else order.to_ms)


async def replay_events(
    source: EventSource, replays: Sequence[Replay], to_ms: int, report: Callable[[int], None]
) -> None:
    """Read all events into replays, and let time pass until ``to_ms``; ``report`` gets the number of records read."""
    async for partition, records in source.read():
        for replay in replays:
            await replay.take_records(partition, records)
        report(source.taken)
    for replay in replays:
        await replay.finish(to_ms)


async def _replay(source: EventSource, order: Order, end_ms: int, progress: Progress) -> Findings:
    finder, from_ms, to_ms = await find_outcomes(source, order, end_ms, progress)
    verdicts = finder.first_verdicts()
    questions = finder.questions(verdicts.values())
    replays = await _make_replays(source, order, to_ms)
    for replay in replays:
        replay.ask(questions)
    await replay_events(source, replays, to_ms, partial(progress, "Scoring"))
    results = [Result(replay, finder, from_ms, to_ms, verdicts, questions) for replay in replays]
    return _compare(results, order, finder.inside)


async def _make_replays(source: EventSource, order: Order, to_ms: int) -> list[Replay]:
    """A replay for each file. Only the first reports what cannot be read."""
    replays = [await open_replay(source, order, order.rules, to_ms, source.unreadable)]
    if order.against is not None:
        replays.append(await open_replay(source, order, order.against, to_ms, Unreadable()))
    return replays


async def open_replay(source: EventSource, order: Order, rules: Rules, to_ms: int, unreadable: Unreadable) -> Replay:
    """A replay by one file, at the first record."""
    env = Environment(
        MemoryStore(),
        Topics(lead_events=source.name if source.is_log else "event"),
        Partitioner(source.partitions, hashed=order.implementation.murmur2),
        Metrics(),
        "backtest",
        implementation=order.implementation,
        publications=order.publications if order.follows_log(rules) else OneVersion(),
    )
    if not source.is_log:
        return ExportReplay(rules, env, unreadable)
    replay = LogReplay(rules, env, unreadable, source.starts, to_ms)
    await replay.open()
    return replay


def _compare(results: list[Result], order: Order, records: int) -> Findings:
    mine, others = results[0], results[1:]
    cards = {card.name: measure_card(mine.run_of(card), order.capacity) for card in order.rules.cards}
    against: dict[str, View] = {}
    agreement: dict[str, View] = {}
    for other in others:
        for card, theirs in pair_cards(order.rules, other.rules):
            against[card.name] = measure_card(other.run_of(theirs), order.capacity)
            agreement[card.name] = measure_agreement(mine.side_of(card), other.side_of(theirs))
    alerts = sorted((t for t in mine.transitions if t.is_alert), key=lambda t: (t.at_ms, t.alert_id))
    return Findings(mine.from_ms, mine.to_ms, records, mine.leads, cards, against, agreement, alerts, mine.publications)


def pair_cards(rules: Rules, other: Rules) -> list[tuple[CardRule, CardRule]]:
    """The scorecards of two files with the same name; the only ones of two files belong together by any name."""
    if len(rules.cards) == len(other.cards) == 1:
        return [(rules.cards[0], other.cards[0])]
    by_name = {card.name: card for card in other.cards}
    return [(card, by_name[card.name]) for card in rules.cards if card.name in by_name]
