"""Define the contents of a scorecard file as plain values: signals, scorecards, stages.

``streams.scorefile`` reads and validates a file into these; the rest of
``streams.scoring`` works on them. Every duration is in milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from zlib import crc32

from streams.units import DAY_MS

LATER: Mapping[str, Any] = {"later": True}
"""Marks fields of the second version of the format: a file that does not use them keeps its version."""
CALL_TYPES = ("page", "screen", "identify", "group", "alias")
"""Segment call types that a signal may name in ``event``; for ``track``, it names the event instead."""

Period = Literal["hour", "day", "week", "month", "quarter", "year", "ever"]


@dataclass(frozen=True, slots=True)
class Test:
    """One operator on one path: ``properties.url`` contains ``/pricing``."""

    path: str
    operator: str
    operand: Any


@dataclass(frozen=True, slots=True)
class Group:
    """Nested conditions: ``all`` of them, ``any`` of them or ``none`` of them hold."""

    kind: Literal["all", "any", "none"]
    members: tuple[Condition, ...]


Condition = Test | Group
EVERYTHING = Group("all", ())
"""The condition that always holds."""


def paths_in(condition: Condition) -> Iterator[str]:
    """The paths that a condition reads, in order."""
    if isinstance(condition, Test):
        yield condition.path
    else:
        for member in condition.members:
            yield from paths_in(member)


YEAR_DAYS: Final = 365.2425
"""Of the Gregorian calendar, on average."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``count`` events of a signal within one UTC calendar bucket of event time."""

    count: int
    period: Period


@dataclass(frozen=True, slots=True)
class Signal:
    """What happened and how fast it fades; ``half_life_ms`` is infinite for ``never``."""

    name: str
    events: tuple[str, ...]
    where: Condition = EVERYTHING
    half_life_ms: float = math.inf
    limit: Limit | None = None
    distinct: str | None = None
    amount: str | None = None
    label: str = field(default="", metadata=LATER)
    window_ms: int = field(default=0, metadata=LATER)
    """How long an event is worth 1, in place of a half-life; 0 for none."""
    at_least: int = field(default=0, metadata=LATER)
    """The amount is 1 while at least so many events are within the window; 0 to count them."""
    while_half_lives: tuple[tuple[str, float], ...] = field(default=(), metadata=LATER)
    """(guard, half-life in ms): the first guard with an amount above 0 decides by which half-life it is read."""
    show: tuple[str, ...] = field(default=(), metadata=LATER)
    """Paths of what people see of its events."""

    @property
    def id(self) -> int:
        """The 32-bit id of the signal in stored states; another half-life gives another signal."""
        return self._id("window") if self.window_ms else self.id_with(self.half_life_ms)

    def id_with(self, half_life_ms: float) -> int:
        """The id of the amount that it has with a half-life."""
        return self._id(str(half_life_ms))

    @property
    def latest_id(self) -> int:
        """The id of its latest matching events, for stages that they block."""
        return self._id("latest")

    @property
    def ids(self) -> tuple[int, ...]:
        """Every id that it may have in stored states."""
        return (self.id, *(self.id_with(each) for _, each in self.while_half_lives), self.latest_id)

    def counts_like(self, other: Signal) -> bool:
        """Whether both count the same events."""
        mine, theirs = ((s.events, s.where, s.limit, s.distinct, s.amount) for s in (self, other))
        return mine == theirs

    def _id(self, kind: str) -> int:
        return crc32(f"{self.name}|{kind}".encode())


@dataclass(frozen=True, slots=True)
class Points:
    """What one unit of a signal's amount is worth; ``cap`` bounds the contribution's magnitude."""

    points: float
    cap: float = math.inf
    absent: float = field(default=0.0, metadata=LATER)
    """The contribution while the amount is 0."""


@dataclass(frozen=True, slots=True)
class Category:
    """A subscore: the sum of its signals' contributions, clamped to [minimum, maximum]."""

    name: str
    signals: tuple[str, ...]
    minimum: float = -math.inf
    maximum: float = math.inf
    label: str = field(default="", metadata=LATER)


@dataclass(frozen=True, slots=True)
class FitLine:
    """Points for traits; in ``when``, the path of a test is the name of a trait.

    With ``times``, the points are the number in the trait times this factor, between ``minimum`` and ``maximum``.
    """

    trait: str
    """Empty for a condition on several traits."""
    when: Condition
    points: float
    name: str = field(default="", metadata=LATER)
    """The name of the part; empty for that of the trait."""
    label: str = field(default="", metadata=LATER)
    times: float | None = field(default=None, metadata=LATER)
    minimum: float = field(default=0.0, metadata=LATER)
    maximum: float = field(default=math.inf, metadata=LATER)

    @property
    def part(self) -> str:
        """The name of its part in an explanation."""
        return self.name or self.trait or ", ".join(dict.fromkeys(paths_in(self.when)))


@dataclass(frozen=True, slots=True)
class Block:
    """A signal blocks a stage from its latest matching event on: until another one matches, or for a time."""

    signal: str
    until: str = ""
    """Blocked while the latest event of the signal is not earlier than the latest one of this; empty for none."""
    for_ms: int = 0
    """With ``until``, too: no longer than this."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A latch with hysteresis: in at ``enter`` points, out below ``leave``; also out below what ``keep`` asks for."""

    name: str
    enter: float
    leave: float
    needs_fit: float | None = None
    needs_engagement: float | None = None
    blocked_by: tuple[str, ...] = ()
    cooldown_ms: int = 0
    handoff: bool = False
    keep_fit: float | None = field(default=None, metadata=LATER)
    keep_engagement: float | None = field(default=None, metadata=LATER)
    blocks: tuple[Block, ...] = field(default=(), metadata=LATER)
    """Blocks beside the signals of ``blocked_by``, which block for as long as they have an amount above 0."""
    needs_signals: tuple[str, ...] = field(default=(), metadata=LATER)
    """To enter, each must have an amount above 0."""
    label: str = field(default="", metadata=LATER)


@dataclass(frozen=True, slots=True)
class SalesTerms:
    """What sales may do with a lead: a rejected one is held out of the stages with handoff."""

    reasons: tuple[str, ...] = ()
    """Why a lead may be rejected."""
    recycle_after_ms: int = 0
    """How long a rejected lead is held out at least."""
    currencies: tuple[str, ...] = field(default=(), metadata=LATER)
    """In which deals are made, the most usual first."""


EMAIL_DOMAIN = "email domain"
"""The key of accounts that are domains of mail addresses; any other key is the name of a trait."""
RollUp = Literal["max", "sum", "top", "saturating"]


@dataclass(frozen=True, slots=True)
class Accounts:
    """The companies of the leads of a scorecard: whose lead a lead is, and how their scores make one."""

    key: str
    roll_up: RollUp = "sum"
    top: int = 0
    """How many leads count, for ``top``."""
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """How many leads sales wants in each UTC calendar period."""

    count: int
    period: Period

    @property
    def per_day(self) -> float:
        """The same for a day, on average."""
        return self.count / {"day": 1, "week": 7, "month": YEAR_DAYS / 12, "quarter": YEAR_DAYS / 4}[self.period]


@dataclass(frozen=True, slots=True)
class Scorecard:
    """What signals and traits are worth to one line of business."""

    name: str
    points: Mapping[str, Points]
    label: str = ""
    categories: tuple[Category, ...] = ()
    fit: tuple[FitLine, ...] = ()
    fit_max: float = math.inf
    minimum: float = 0.0
    maximum: float = 100.0
    grades: tuple[tuple[str, float], ...] = ()
    """(grade, bound), highest bound first; the last one is the grade of everything below."""
    stages: tuple[Stage, ...] = ()
    engagement_grades: tuple[tuple[str, float], ...] = field(default=(), metadata=LATER)
    """If there are any, ``grades`` are those of the fit, and a grade is both: ``A1``."""
    applies_to: Condition = field(default=EVERYTHING, metadata=LATER)
    """The traits of the leads that it scores; it gives 0 to all others."""
    shadow: bool = field(default=False, metadata=LATER)
    """Whether it is only tried: it scores leads, but sends no alert."""
    sales: SalesTerms | None = field(default=None, metadata=LATER)
    target: Target | None = field(default=None, metadata=LATER)
    accounts: Accounts | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, slots=True)
class Forgetting:
    """How long nothing is heard of a lead before it is forgotten; infinite for never."""

    leads_ms: float = 400 * DAY_MS
    visitors_ms: float = 60 * DAY_MS
    """Of visitors that never became known; never more than ``leads_ms``."""

    def least_ms(self, known: bool) -> float:
        """The shortest time that may be meant for a lead; ``known``: events named it by ``userId``."""
        return self.leads_ms if known else self.visitors_ms


USUAL_FORGETTING: Final = Forgetting()
"""That of a file which does not mention it."""


@dataclass(frozen=True, slots=True)
class Model:
    """A whole scorecard file. ``version`` is the SHA-256 (hex) of its canonical form."""

    signals: tuple[Signal, ...]
    scorecards: tuple[Scorecard, ...]
    version: str = field(default="0" * 64)
    forget: Forgetting | None = field(default=None, metadata=LATER)
    """When idle leads are forgotten; None for never, which no file has."""
