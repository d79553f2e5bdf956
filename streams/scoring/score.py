"""Compute the exact score of a lead on a scorecard, its explanation, and how soon it may change.

Reading a score does not change the lead. Every part is rounded to a whole unit (10^-9 points) before anything is
summed or compared. So parts, subscores, total, grade and stage agree to the last printed digit, and the order of
floating-point additions does not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from math import exp2, log2
from typing import Any, NamedTuple

from streams.scoring.lead import Lead
from streams.scoring.rules import UNIT, CardRule, Rules, units

SEEN_MS = 2.0**42
"""The year 2109: no lead is seen later."""
FAR_MS = 2.0**50
"""35,000 years: a change further away counts as never."""


class Score(NamedTuple):
    """The score of a lead on a scorecard, in units."""

    exact: float
    engagement: float
    fit: float


class Standing(NamedTuple):
    """Score and stage of a lead on a scorecard at an instant."""

    score: Score
    stage: str | None
    at_ms: int


class Reading(NamedTuple):
    """A score at an instant, in units, and how decay can change it.

    ``falling`` is the sum of the positive contributions, which decay takes away; ``rising`` is the magnitude of the
    negative ones, which decay gives back. ``*_rate`` is the same sum with each term divided by its half-life.
    """

    exact: float
    engagement: float
    fit: float
    falling: float
    falling_rate: float
    rising: float
    rising_rate: float

    @property
    def whole(self) -> int:
        """The largest whole number of points that is not above the score before the range clamps it."""
        return int((self.engagement + self.fit) // UNIT)

    def fall_ms(self, by: float) -> float:
        """A lower bound of the time in ms in which decay lowers the score by ``by`` units.

        By convexity sum(c_i 2^(-t/h_i)) >= C 2^(-t/h) with 1/h = sum(c_i/h_i)/C; exact if all half-lives are equal.
        """
        return fade_ms(by, self.falling, self.falling_rate)

    def rise_ms(self, by: float) -> float:
        """A lower bound of the time in ms in which the score rises by ``by`` units, as negative contributions fade."""
        return fade_ms(by, self.rising, self.rising_rate)


def fade_ms(by: float, total: float, rate: float) -> float:
    """Shortest time in ms in which decay takes ``by`` units from a total; infinite if it never does."""
    if by <= 0.0:
        return 0.0
    if by >= total or rate <= 0.0:
        return math.inf
    left = 1.0 - by / total  # 0 if ``by`` and ``total`` are too close for a float
    fade = -log2(left) * total / rate if left > 0.0 else math.inf
    return fade if fade < FAR_MS else math.inf


def published(exact: float) -> int:
    """The published score of an exact one in units: the largest whole number of points that is not above it."""
    return int(exact // UNIT)


def rank_of(whole: float, last_seen_ms: float) -> float:
    """The place of a lead in a ranking, the highest first: by ``Reading.whole``, then by who was seen last.

    Below 2,048 points a millisecond makes a difference, below two million a second.
    """
    return whole + last_seen_ms / SEEN_MS


def fit_of(card: CardRule, lead: Lead) -> float:
    """The fit score of a lead in units, cached until its traits change."""
    fit = lead.fits.get(card.name)
    if fit is None:
        fit = lead.fits[card.name] = card.fit(lead.trait_values())
    return fit


def read(card: CardRule, lead: Lead, now_ms: int) -> Reading:
    """The score of a lead at ``now_ms``, an instant not before its clock."""
    now = now_ms - lead.base
    weights = card.weights
    sums: list[float] = [0] * len(card.bounds)
    falling = falling_rate = rising = rising_rate = 0.0
    for signal, amount, ref in zip(lead.signals, lead.amount, lead.ref):  # noqa: B905 - one length, and this is hot
        weight = weights.get(signal)
        if weight is None:
            continue
        points, cap, category, inverse_half_life = weight
        part: float = round(points * amount * exp2((ref - now) * inverse_half_life))
        if part >= 0:
            if part > cap:
                part = cap
            falling += part
            falling_rate += part * inverse_half_life
        else:
            if part < -cap:
                part = -cap
            rising -= part
            rising_rate -= part * inverse_half_life
        sums[category] += part
    engagement: float = 0
    for total, (low, high) in zip(sums, card.bounds):  # noqa: B905
        engagement += low if total < low else high if total > high else total
    fit = fit_of(card, lead)
    exact = min(max(engagement + fit, card.minimum), card.maximum)
    return Reading(exact, engagement, fit, falling, falling_rate, rising, rising_rate)


@dataclass(frozen=True, slots=True)
class Part:
    """One line of an explanation, in points. ``kind`` is signal, fit, cap or clamp."""

    kind: str
    name: str
    points: float
    amount: float | None = None
    """Signals only: the decayed amount."""
    count: int = 0
    last_at: int | None = None
    after_caps: float | None = None
    """What is left of a signal or a fit line that a cap reduces; those under one cap lose in proportion."""

    def row(self) -> dict[str, Any]:
        """The part as API and alerts show it."""
        row: dict[str, Any] = {"kind": self.kind, "name": self.name}
        if self.amount is not None:
            row["amount"] = self.amount
        row["points"] = self.points
        if self.after_caps is not None:
            row["after_caps"] = self.after_caps
        return row


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score in points with the parts that sum to it."""

    exact: float
    score: int
    grade: str
    fit: float
    engagement: float
    categories: dict[str, float]
    parts: tuple[Part, ...]


def explain(card: CardRule, lead: Lead, now_ms: int, rules: Rules) -> Explanation:
    """Explain the score that ``read`` computes."""
    parts: list[Part] = []
    sums: list[float] = [0] * len(card.bounds)
    for i, signal in enumerate(lead.signals):
        if signal in card.weights:
            _explain_signal(card, lead, i, now_ms, rules.by_id[signal].name, parts, sums)
    engagement: float = 0
    categories: dict[str, float] = {}
    shares: list[float] = []
    for name, total, (low, high) in zip(card.category_names, sums, card.bounds, strict=True):
        clamped = min(max(total, low), high)
        _adjust(parts, "cap", name, clamped - total)
        categories[name] = clamped / UNIT
        shares.append(_share(total, clamped))
        engagement += clamped
    fit = _explain_fit(card, lead, parts)
    shares.append(_share(sum(units(part.points) for part in parts if part.kind == "fit"), fit))
    exact = min(max(engagement + fit, card.minimum), card.maximum)
    _adjust(parts, "clamp", "range", exact - engagement - fit)
    return Explanation(
        exact / UNIT,
        published(exact),
        card.grade(exact / UNIT),
        fit / UNIT,
        engagement / UNIT,
        categories,
        tuple(_note_caps(card, part, rules, shares) for part in parts),
    )


def _note_caps(card: CardRule, part: Part, rules: Rules, shares: list[float]) -> Part:
    """A part with what caps leave of it; ``shares`` is what is left of each category, and of fit at the end."""
    kept = part.points * UNIT
    if part.kind == "signal":
        _, cap, category, _ = card.weights[rules.signals[part.name].id]
        kept = min(max(kept, -cap), cap) * shares[category]
    elif part.kind == "fit":
        kept *= shares[-1]
    after_caps = round(kept) / UNIT
    return part if after_caps == part.points else replace(part, after_caps=after_caps)


def _share(total: float, capped: float) -> float:
    """How much of a sum a cap leaves."""
    return capped / total if total and 0.0 <= capped / total < 1.0 else 1.0


def _explain_signal(  # noqa: PLR0913, PLR0917 - half of it is where the result goes
    card: CardRule, lead: Lead, i: int, now_ms: int, name: str, parts: list[Part], sums: list[float]
) -> None:
    points, cap, category, inverse_half_life = card.weights[lead.signals[i]]
    amount = lead.amount[i]
    fade = exp2((lead.ref[i] - now_ms + lead.base) * inverse_half_life)
    part = round(points * amount * fade)
    capped = min(max(part, -cap), cap)
    parts.append(Part("signal", name, part / UNIT, round(amount * fade, 9), lead.count[i], lead.ref[i] + lead.base))
    _adjust(parts, "cap", name, capped - part)
    sums[category] += capped


def _explain_fit(card: CardRule, lead: Lead, parts: list[Part]) -> float:
    traits = lead.trait_values()
    total = 0.0
    for line, holds in card.fit_lines:
        if holds(traits):
            parts.append(Part("fit", line.trait, line.points))
            total += round(line.points * UNIT)
    capped = min(total, card.fit_max)
    _adjust(parts, "cap", "fit", capped - total)
    return capped


def _adjust(parts: list[Part], kind: str, name: str, by: float) -> None:
    if by:
        parts.append(Part(kind, name, by / UNIT))


class Before:
    """The state of a lead before an input, kept in case a stage changes."""

    __slots__ = ("_kept", "_lead")

    def __init__(self, lead: Lead) -> None:
        """Copy the fields that ``read`` needs."""
        self._lead = lead
        traits = dict(lead.traits)
        self._kept = (lead.signals[:], lead.amount[:], lead.ref[:], traits, lead.fits)

    def exact(self, card: CardRule) -> float:
        """The exact score before the input, in units."""
        lead = self._lead
        now = (lead.signals, lead.amount, lead.ref, lead.traits, lead.fits)
        lead.signals, lead.amount, lead.ref, lead.traits, lead.fits = self._kept
        exact = read(card, lead, lead.clock).exact
        lead.signals, lead.amount, lead.ref, lead.traits, lead.fits = now
        return exact
