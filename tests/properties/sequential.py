"""Scoring as it is meant, slow and plain: all events of a lead are kept, and each input works everything out anew.

It knows scorecards and events, and nothing of how the scorer keeps, bounds and searches. Nothing is ever forgotten
here, so histories must keep to what the scorer remembers.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from streams.scoring.event import ANONYMOUS, Identity, Join, Retract, join
from streams.scoring.lead import id_hash
from streams.scoring.sales_blocks import expand_sales
from streams.scoring.scorecard import Block, Condition, FitLine, Group, Model, Scorecard, Signal, Stage
from streams.scoring.verdicts import Verdict
from tests.properties.strategies import Fact

PLAIN_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
UNIT = 10**9
LOST_HALF_LIVES = 40
REMEMBERED_IDS = 128
REMEMBERED_EVENTS = 60
MAX_LOOKS = 20_000


@dataclass(frozen=True)
class Happened:
    """An event arrives."""

    fact: Fact
    arrival: int
    lead_id: str


@dataclass(frozen=True)
class Arriving:
    """Everything of a lead that gave way."""

    lead_id: str
    origin: str
    person: Person | None
    arrival: int


Item = Happened | Join | Retract | Arriving


@dataclass
class Turn:
    """A stage was entered or left."""

    lead_id: str
    card: str
    stage: str
    kind: str
    at_ms: int
    cause: str
    is_alert: bool
    joined_to: str = ""
    tolerance_ms: float = 0.0


@dataclass
class Latch:
    """Where somebody stands with a stage."""

    inside: bool = False
    silent: bool = False
    published_at: int | None = None
    by: str = ""


@dataclass
class Person:
    """One lead: what it did, what was taken back, and the stages that it is in."""

    clock: int
    events: dict[str, Fact] = field(default_factory=dict)
    taken_back: set[str] = field(default_factory=set)
    traits: dict[str, tuple[int, str, Any]] = field(default_factory=dict)
    latches: dict[tuple[str, str], Latch] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """All verdicts of sales, those taken back included."""
    decided: bool = False
    """Whether its stages were decided since its first record; if not, time does it."""
    summed: tuple[Any, dict[str, list[tuple[int, float]]]] = (None, {})
    """What counts, by signal, and for how many events and retractions that was worked out."""


@dataclass(frozen=True)
class Gone:
    """A lead that gave way, the events that it counted or sent on, and those that count for nothing."""

    target: Identity
    events: dict[str, None]
    taken_back: set[str]


class Sequential:
    """All leads of a history."""

    def __init__(self, model: Model) -> None:
        """Start with nobody."""
        self.model = expand_sales(model)
        self.people: dict[str, Person | Gone] = {}
        self.turns: list[Turn] = []
        self.waiting: list[Item] = []
        self.close = False
        """A score came so close to a bound that rounding decides, or hovered around one."""
        self.forgotten = False
        """An event came again, or was taken back, after so many others that the scorer no longer knows it."""
        self.carried: set[str] = set()
        """Events whose retractions are sent on with what the events were counted as."""

    # Inputs ---------------------------------------------------------------------------------------------------

    def take(self, item: Item) -> None:
        """Apply one input to the lead that it is for."""
        state = self.people.get(item.lead_id)
        if isinstance(item, Join):
            self._join(item, state)
        elif isinstance(state, Gone):
            self._send_on(item, state)
        elif isinstance(item, Happened):
            self._happen(item, state)
        elif isinstance(item, Retract):
            self._take_back(item, state)
        else:
            self._arrive(item, state)

    def deliver(self, at: int) -> None:
        """Deliver one of the records that wait."""
        self.take(self.waiting.pop(at))

    def _person(self, lead_id: str, state: Person | None, now_ms: int) -> Person:
        person = self.people[lead_id] = state or Person(now_ms)
        if now_ms > person.clock:
            self.advance(lead_id, person, now_ms)
            person.clock = now_ms
        return person

    def _send_on(self, item: Happened | Retract | Arriving, state: Gone) -> None:
        if isinstance(item, Retract):
            self._note_retraction(item, state)
            self.waiting.append(Retract(state.target.id, item.message_id, item.arrival))
            return
        new = isinstance(item, Happened) and item.fact.message_id not in state.taken_back
        if new and isinstance(item, Happened) and self._counts(item.fact):
            if item.fact.message_id in state.events:
                self._note_repetition(item.fact, state)
                return
            state.events[item.fact.message_id] = None
        self.waiting.append(replace(item, lead_id=state.target.id))

    def _counts(self, fact: Fact) -> bool:
        return any(_matches(signal, fact) for signal in self.model.signals)

    def _happen(self, item: Happened, state: Person | None) -> None:
        fact, person = item.fact, self._person(item.lead_id, state, item.arrival)
        for name, value in (fact.traits or {}).items():
            row = (fact.at, fact.message_id, value)
            person.traits[name] = max(person.traits.get(name, row), row, key=lambda row: row[:2])
        if fact.verdict is not None:
            said = fact.verdict
            person.verdicts[fact.message_id] = Verdict(
                fact.at, said.kind, id_hash(fact.message_id), said.detail, said.by
            )
        new = self._counts(fact) and fact.message_id not in person.events and fact.message_id not in person.taken_back
        if new:
            person.events[fact.message_id] = fact
        elif fact.message_id in person.events:
            self._note_repetition(fact, person)
        if new or fact.traits is not None or not person.decided:
            self._settle(item.lead_id, person, "event", fact.message_id)

    def _note_repetition(self, fact: Fact, state: Person | Gone) -> None:
        """See whether so many events came in between, some of them late, that the scorer no longer knows the id."""
        later = _later(fact.message_id, state.events) + 2 * len(state.taken_back)
        self.forgotten = self.forgotten or later >= REMEMBERED_IDS

    def _note_retraction(self, item: Retract, state: Person | Gone) -> None:
        """See whether so many came in between that the scorer no longer knows what the event was counted as."""
        if item.message_id in state.events and item.message_id not in self.carried:
            self.carried.add(item.message_id)
            self.forgotten = self.forgotten or _later(item.message_id, state.events) >= REMEMBERED_EVENTS

    def _take_back(self, item: Retract, state: Person | None) -> None:
        person = self._person(item.lead_id, state, item.arrival)
        known = item.message_id in person.events and item.message_id not in person.taken_back
        if known:
            self._note_retraction(item, person)
        person.taken_back.add(item.message_id)
        if known:
            self._settle(item.lead_id, person, "retracted", revoked={item.message_id})

    def _join(self, item: Join, state: Person | Gone | None) -> None:
        if isinstance(state, Gone):
            onward = join(state.target, item.greater, item.arrival, item.explicit)
            if state.target != item.greater and onward is not None:
                self.waiting.append(onward)
            return
        if state is not None:
            if item.lesser.kind == ANONYMOUS and state.aliases and not item.explicit:
                return
            self.advance(item.lead_id, state, item.arrival)
            state.clock = max(state.clock, item.arrival)
        known, nothing = (state.events, set(state.taken_back)) if state else ({}, set())
        self.people[item.lead_id] = Gone(item.greater, dict.fromkeys(known), nothing)
        self.waiting.append(Arriving(item.greater.id, item.lead_id, state, item.arrival))
        if state is not None:
            for (card, stage), latch in state.latches.items():
                if latch.inside:
                    is_alert = not latch.silent and self._stage(card, stage).handoff
                    self.turns.append(
                        Turn(item.lead_id, card, stage, "left", state.clock, "merged", is_alert, item.greater.id)
                    )

    def _arrive(self, item: Arriving, state: Person | None) -> None:
        other = item.person
        person = self._person(item.lead_id, state, max(item.arrival, other.clock if other else 0))
        person.aliases |= {item.origin}
        if other is None:
            return
        revoked = (person.events.keys() & other.taken_back) | (other.events.keys() & person.taken_back)
        person.aliases |= other.aliases
        person.events |= other.events
        person.taken_back |= other.taken_back
        person.verdicts |= other.verdicts
        for name, row in other.traits.items():
            person.traits[name] = max(person.traits.get(name, row), row, key=lambda row: row[:2])
        self._absorb(item.lead_id, person, other, revoked)
        self._settle(item.lead_id, person, "merged", revoked=revoked)

    def _absorb(self, lead_id: str, person: Person, other: Person, revoked: set[str]) -> None:
        """Inside if either was, where the score allows it; published if the other's entry was."""
        for card in self.model.scorecards:
            for stage in card.stages:
                theirs = other.latches.get((card.name, stage.name))
                if theirs is None:
                    continue
                mine = person.latches.setdefault((card.name, stage.name), Latch())
                times = [t for t in (mine.published_at, theirs.published_at) if t is not None]
                mine.published_at = max(times, default=None)
                published = mine.inside and not mine.silent
                if not theirs.inside or published or (mine.inside and theirs.silent):
                    continue
                if not self._holds(card, stage, person, theirs.by in revoked):
                    continue
                if mine.inside:
                    self._turn(lead_id, person, card, stage, "merged", "")
                self._turn(lead_id, person, card, stage, "merged", theirs.by, theirs.silent)

    def _holds(self, card: Scorecard, stage: Stage, person: Person, revoked: bool) -> bool:
        reading = self.read(card, person, person.clock)
        self._look_closely(*reading, stage)
        enough = reading[0] >= units(stage.enter) or not revoked
        return enough and self._applies(card, person) and not self._leaves(stage, person, person.clock, *reading)

    # Stages ---------------------------------------------------------------------------------------------------

    def advance(self, lead_id: str, person: Person, to_ms: int) -> None:
        """Let time pass: every change happens at its own instant."""
        if not person.decided:
            self._settle(lead_id, person, "decay")
        for _ in range(1000):
            times = [self._first(card, person, person.clock, to_ms) for card in self.model.scorecards]
            found = min((t for t in times if t is not None), default=None)
            if found is None:
                return
            person.clock = found
            self._settle(lead_id, person, "decay")
        self.close = True

    def _settle(self, lead_id: str, person: Person, cause: str, by: str = "", revoked: Collection[str] = ()) -> None:
        person.decided = True
        for card in self.model.scorecards:
            reading, applies = self.read(card, person, person.clock), self._applies(card, person)
            for stage in card.stages:
                latch = person.latches.get((card.name, stage.name), Latch())
                if cause != "decay" and applies:
                    self._look_closely(*reading, stage)
                false = latch.inside and latch.by in revoked and reading[0] < units(stage.enter)
                if not applies and latch.inside:
                    self._turn(lead_id, person, card, stage, "not_applicable", by)
                elif applies and (false or self._flips(stage, latch, person, person.clock, *reading)):
                    self._turn(lead_id, person, card, stage, cause, by)

    def _applies(self, card: Scorecard, person: Person) -> bool:
        return _says(card.applies_to, {name: row[2] for name, row in person.traits.items()})

    def _look_closely(self, exact: float, engagement: float, _fit: float, stage: Stage) -> None:
        for value, bound in ((exact, stage.enter), (exact, stage.leave), (engagement, _least(stage.keep_engagement))):
            self.close = self.close or 0 < abs(value - units(bound)) < 20

    def _flips(  # noqa: PLR0917
        self, stage: Stage, latch: Latch, person: Person, now_ms: int, exact: float, engagement: float, fit: float
    ) -> bool:
        if latch.inside:
            return self._leaves(stage, person, now_ms, exact, engagement, fit)
        return (
            exact >= units(stage.enter)
            and fit >= units(_least(stage.needs_fit))
            and engagement >= units(_least(stage.needs_engagement))
            and all(self._has(name, person, now_ms) for name in stage.needs_signals)
            and not self._leaves(stage, person, now_ms, exact, engagement, fit)
        )

    def _leaves(self, stage: Stage, person: Person, now_ms: int, exact: float, engagement: float, fit: float) -> bool:
        return (
            exact < units(stage.leave)
            or fit < units(_least(stage.keep_fit))
            or engagement < units(_least(stage.keep_engagement))
            or self._blocked(stage, person, now_ms)
        )

    def _blocked(self, stage: Stage, person: Person, now_ms: int) -> bool:
        return any(self._has(name, person, now_ms) for name in stage.blocked_by) or any(
            self._holds_back(block, person, now_ms) for block in stage.blocks
        )

    def _holds_back(self, block: Block, person: Person, now_ms: int) -> bool:
        """Whether a block holds: every event that matches counts here."""
        times = matched(self._signal(block.signal), person)
        if block.until:
            ends = matched(self._signal(block.until), person)
            return bool(times) and (not ends or times[-1] >= ends[-1])
        return bool(times) and now_ms - times[-1] < block.for_ms

    def _has(self, name: str, person: Person, now_ms: int) -> bool:
        """Whether a signal has an amount above 0."""
        signal = self._signal(name)
        if signal.window_ms:
            return _within(signal, person, now_ms) > 0
        self.close = self.close or _may_be_lost(signal, person)
        return any(amount > 0 for _, amount in counted(signal, person))

    def _signal(self, name: str) -> Signal:
        return next(signal for signal in self.model.signals if signal.name == name)

    def _turn(  # noqa: PLR0917
        self,
        lead_id: str,
        person: Person,
        card: Scorecard,
        stage: Stage,
        cause: str,
        by: str,
        silent: bool | None = None,
    ) -> None:
        latch, now = person.latches.setdefault((card.name, stage.name), Latch()), person.clock
        if latch.inside:
            latch.inside, kind = False, "left"
            if cause == "retracted" and not latch.silent:
                latch.published_at = None
        else:
            latch.inside, kind, latch.by = True, "entered", by
            cooling = latch.published_at is not None and now - latch.published_at < stage.cooldown_ms
            latch.silent = not stage.handoff or card.shadow or (cooling if silent is None else silent)
            if not latch.silent:
                latch.published_at = now
        is_alert = stage.handoff and not card.shadow and not latch.silent
        tolerance = self._tolerance_ms(card, person, now) if cause == "decay" else 0.0
        self.turns.append(Turn(lead_id, card.name, stage.name, kind, now, cause, is_alert, tolerance_ms=tolerance))

    def _tolerance_ms(self, card: Scorecard, person: Person, now_ms: int) -> float:
        """How far rounding parts to a billionth of a point can move a crossing."""
        slope = abs(self.read(card, person, now_ms + 1000)[0] - self.read(card, person, now_ms - 1000)[0])
        return 2 + 2000 * 20 / max(slope, 1)

    def _stage(self, card: str, stage: str) -> Stage:
        return next(s for c in self.model.scorecards if c.name == card for s in c.stages if s.name == stage)

    # Scores ---------------------------------------------------------------------------------------------------

    def read(self, card: Scorecard, person: Person, now_ms: int) -> tuple[float, float, float]:
        """The exact score, engagement and fit, in billionths of a point."""
        if not self._applies(card, person):
            return 0, 0, 0
        parts = self._parts(card, person, now_ms)(now_ms)
        return self._sum(card, person, parts)

    def _parts(self, card: Scorecard, person: Person, since_ms: int) -> Callable[[int], dict[str, float]]:
        """Each signal's contribution as a function of time, from an instant until the next step."""
        sums, steady = [], dict[str, float]()
        for signal in self.model.signals:
            if signal.name not in card.points:
                continue
            events, points = counted(signal, person), card.points[signal.name]
            cap = units(points.cap)
            if signal.window_ms:
                part = round(points.points * UNIT * _within(signal, person, since_ms))
                steady[signal.name] = max(min(part, cap), -cap)
            elif events:
                half_life_ms = self._half_life_ms(signal, person, since_ms)
                last = max(at for at, _ in events)
                total = sum(amount * 2.0 ** ((at - last) / half_life_ms) for at, amount in events)
                sums.append((signal.name, points.points, cap, last, half_life_ms, total))
            if points.absent and not self._has(signal.name, person, since_ms):
                steady[signal.name] = units(points.absent)

        def at(now_ms: int) -> dict[str, float]:
            parts = {}
            for name, points, cap, last, half_life_ms, total in sums:
                part = round(points * UNIT * total * 2.0 ** ((last - now_ms) / half_life_ms))
                parts[name] = max(min(part, cap), -cap)
            return parts | steady

        return at

    def _half_life_ms(self, signal: Signal, person: Person, now_ms: int) -> float:
        states = (half_life for guard, half_life in signal.while_half_lives if self._has(guard, person, now_ms))
        return next(states, signal.half_life_ms)

    def _steps(self, person: Person, start_ms: int, end_ms: int) -> list[int]:
        """Start, end, and all instants between them at which an amount or a block may change at once."""
        found = {start_ms, end_ms}
        for signal in self.model.signals:
            if signal.window_ms:
                found.update(at + signal.window_ms for at, _ in counted(signal, person))
        for block in (block for card in self.model.scorecards for stage in card.stages for block in stage.blocks):
            found.update(at + block.for_ms for at in matched(self._signal(block.signal), person))
        return sorted(at for at in found if start_ms <= at <= end_ms)

    def _sum(self, card: Scorecard, person: Person, parts: dict[str, float]) -> tuple[float, float, float]:
        left, engagement = dict(parts), 0.0
        for category in card.categories:
            total = sum(left.pop(name, 0) for name in category.signals)
            engagement += min(max(total, units(category.minimum)), units(category.maximum))
        engagement += sum(left.values())
        traits = {name: row[2] for name, row in person.traits.items()}
        fit = min(units(card.fit_max), sum(units(_worth(line, traits)) for line in card.fit))
        return min(max(engagement + fit, units(card.minimum)), units(card.maximum)), engagement, fit

    # The next change by decay ---------------------------------------------------------------------------------

    def _first(self, card: Scorecard, person: Person, start_ms: int, end_ms: int) -> int | None:
        """The first instant in (start, end] at which a stage changes."""
        if not card.stages or start_ms >= end_ms or not self._applies(card, person):
            return None
        latches = [(stage, person.latches.get((card.name, stage.name), Latch())) for stage in card.stages]
        for begin, stop in pairwise(self._steps(person, start_ms, end_ms)):
            if stop - begin > 1 and (found := self._first_in_span(card, person, begin, stop - 1)) is not None:
                return found
            reading = self.read(card, person, stop)
            if any(self._flips(stage, latch, person, stop, *reading) for stage, latch in latches):
                return stop
        return None

    def _first_in_span(self, card: Scorecard, person: Person, start_ms: int, end_ms: int) -> int | None:
        """The same where amounts only fade: halves of the span, where the bounds allow it."""
        parts, looks = self._parts(card, person, start_ms), 0
        latches = [(stage, person.latches.get((card.name, stage.name), Latch())) for stage in card.stages]
        latches = [(s, latch) for s, latch in latches if latch.inside or not self._blocked(s, person, start_ms)]
        spans = [(start_ms, end_ms)]
        while spans:
            looks += 1
            if looks > MAX_LOOKS:
                self.close = True
                return None
            begin, end = spans.pop()
            ends = parts(begin), parts(end)
            low = self._sum(card, person, {name: min(ends[0][name], ends[1][name]) for name in ends[0]})
            high = self._sum(card, person, {name: max(ends[0][name], ends[1][name]) for name in ends[0]})
            if not any(self._flips(s, latch, person, end, *(low if latch.inside else high)) for s, latch in latches):
                continue
            if end - begin > 1:
                middle = (begin + end) // 2
                spans += [(middle, end), (begin, middle)]
            elif any(self._flips(s, latch, person, end, *self._sum(card, person, ends[1])) for s, latch in latches):
                return end
        return None


def _least(bound: float | None) -> float:
    return -math.inf if bound is None else bound


def _worth(line: FitLine, traits: dict[str, Any]) -> float:
    if line.times is None:
        return line.points if _says(line.when, traits) else 0.0
    number = _number(traits.get(line.trait))
    return 0.0 if number is None else min(max(number * line.times, line.minimum), line.maximum)


def _later(message_id: str, events: Iterable[str]) -> int:
    """How many events came after this one."""
    ids = list(events)
    return len(ids) - 1 - ids.index(message_id)


def _may_be_lost(signal: Signal, person: Person) -> bool:
    """Whether what is left is so small beside an event that was taken back that a sum in floats has lost it."""
    taken_back = [person.events[i] for i in person.taken_back & person.events.keys()]
    times = [fact.at for fact in taken_back if _matches(signal, fact)]
    left = [at for at, _ in counted(signal, person)]
    return bool(times and left) and max(times) - max(left) > LOST_HALF_LIVES * signal.half_life_ms


def counted(signal: Signal, person: Person) -> list[tuple[int, float]]:
    """(time, amount) of the events that count."""
    size = len(person.events), len(person.taken_back)
    if person.summed[0] != size:
        person.summed = size, {}
    known = person.summed[1]
    if signal.name not in known:
        known[signal.name] = _count(signal, person)
    return known[signal.name]


def _within(signal: Signal, person: Person, now_ms: int) -> float:
    """The amount of a signal with a window: of the latest 64 events that count, those within it."""
    count = sum(now_ms < at + signal.window_ms for at, _ in counted(signal, person)[-64:])
    return count if not signal.at_least else float(count >= signal.at_least)


def matched(signal: Signal, person: Person) -> list[int]:
    """The times of the events that match, in order."""
    facts = [f for f in person.events.values() if f.message_id not in person.taken_back and _matches(signal, f)]
    return sorted(fact.at for fact in facts)


def _count(signal: Signal, person: Person) -> list[tuple[int, float]]:
    """Values count once, at their earliest time, and of each bucket the earliest events."""
    facts = [f for f in person.events.values() if f.message_id not in person.taken_back and _matches(signal, f)]
    facts.sort(key=lambda fact: (fact.at, fact.message_id))
    if signal.distinct is not None:
        first: dict[tuple[type, Any], Fact] = {}
        for fact in facts:
            value = fact.properties[signal.distinct]
            first.setdefault((float if type(value) is int else type(value), value), fact)
        facts = list(first.values())[:64]
    kept, room = [], Counter[Any]()
    for fact in facts:
        bucket = _bucket(signal, fact.at)
        room[bucket] += 1
        if signal.limit is None or room[bucket] <= signal.limit.count:
            kept.append((fact.at, _amount(signal, fact) or 0.0))
    return kept


def _bucket(signal: Signal, at_ms: int) -> Any:
    period = signal.limit.period if signal.limit else "ever"
    if period == "ever":
        return 0
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    month = at.year * 12 + at.month - 1
    months = {"month": month, "quarter": month // 3, "year": at.year}
    return ({"hour": (at.date(), at.hour), "day": at.date(), "week": at.isocalendar()[:2]} | months)[period]


def _matches(signal: Signal, fact: Fact) -> bool:
    return (
        fact.name in signal.events
        and _says(signal.where, fact.properties)
        and (signal.distinct is None or fact.properties.get(signal.distinct) is not None)
        and _amount(signal, fact) is not None
    )


def _amount(signal: Signal, fact: Fact) -> float | None:
    if signal.amount is None:
        return 1.0
    value = fact.properties.get(signal.amount)
    number = _number(value)
    return None if number is None else min(max(number, 0.0), 1_000_000.0)


def _number(value: Any) -> float | None:
    """A number, or a text that spells one plainly."""
    spelled = isinstance(value, str) and PLAIN_NUMBER.fullmatch(value.strip())
    return float(value) if spelled or (isinstance(value, int | float) and not isinstance(value, bool)) else None


def _says(condition: Condition, values: dict[str, Any]) -> bool:
    if isinstance(condition, Group):
        found = [_says(member, values) for member in condition.members]
        return {"all": all(found), "any": any(found), "none": not any(found)}[condition.kind]
    value = values.get(condition.path)
    if condition.operator == "exists":
        return (value is not None) is condition.operand
    if condition.operator == "gte":
        number = _number(value)
        return number is not None and number >= condition.operand
    holds = condition.operand in (value if isinstance(value, list) else [value])
    return holds is (condition.operator == "equals")


def units(points: float) -> float:
    """Points in billionths."""
    return points if math.isinf(points) else round(points * UNIT)
