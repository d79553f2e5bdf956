"""Compute the exact score of a lead on a scorecard, and how soon it may change.

Reading a score does not change the lead. Every part is rounded to a whole unit (10^-9 points) before anything is
summed or compared. So parts, subscores, total, grade and stage agree to the last printed digit, and the order of
floating-point additions does not matter.
"""

from __future__ import annotations

import math
from math import exp2, isnan
from typing import NamedTuple

from streams.scoring.bounds import fade_ms
from streams.scoring.fit import UNIT
from streams.scoring.lead import Lead, Ledger
from streams.scoring.rules import UNRANKED, CardRule
from streams.scoring.terms import next_card_step_ms, terms_at

SEEN_MS = 2.0**42
"""The year 2109: no lead is seen later."""


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
    applies: bool = True
    """Whether the scorecard applies to the lead."""


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
    applies: bool = True
    """Whether the scorecard applies to the lead."""
    at_ms: int = 0
    step_ms: float = math.inf
    """Time in ms until a contribution or a block changes at once, otherwise than by decay."""

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


NOTHING = Reading(0, 0, 0, 0.0, 0.0, 0.0, 0.0, applies=False)
"""The score of a lead to which the scorecard does not apply."""


def published(exact: float) -> int:
    """The published score of an exact one in units: the largest whole number of points that is not above it."""
    return int(exact // UNIT)


def place_of(reading: Reading, last_seen_ms: float) -> float:
    """The place of a lead with this score in the ranking; UNRANKED if the scorecard does not apply to it."""
    return rank_of(reading.whole, last_seen_ms) if reading.applies else UNRANKED


def rank_of(whole: float, last_seen_ms: float) -> float:
    """The place of a lead in a ranking, the highest first: by ``Reading.whole``, then by who was seen last.

    Below 2,048 points a millisecond makes a difference, below two million a second.
    """
    return whole + last_seen_ms / SEEN_MS


def fit_of(card: CardRule, lead: Lead) -> float:
    """The fit of a lead in units, cached until its traits change; NOT_APPLICABLE if the card does not apply to it."""
    fit = lead.fits.get(card.name)
    if fit is None:
        fit = lead.fits[card.name] = card.fit.of(lead.trait_values())
    return fit


def does_apply(card: CardRule, lead: Lead) -> bool:
    """Whether the scorecard applies to a lead."""
    return not isnan(fit_of(card, lead))


def read(card: CardRule, lead: Lead, now_ms: int) -> Reading:
    """The score of a lead at ``now_ms``, an instant not before its clock."""
    fit = fit_of(card, lead)
    if isnan(fit):
        return NOTHING
    now, step_ms, weights = now_ms - lead.base, math.inf, card.weights
    if card.timed:
        terms = [(weight, amount, ref) for _, weight, amount, ref, _ in terms_at(card, lead, now_ms)]
        step_ms = next_card_step_ms(card, lead, now_ms) - now_ms
    else:
        columns = zip(lead.signals, lead.amount, lead.ref)  # noqa: B905 - faster
        terms = [(weights[signal], amount, ref) for signal, amount, ref in columns if signal in weights]
    sums: list[float] = [0] * len(card.bounds)
    falling = falling_rate = rising = rising_rate = 0.0
    for (points, cap, category, inverse_half_life), amount, ref in terms:
        part = float(round(points * amount * exp2((ref - now) * inverse_half_life)))
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
    exact = min(max(engagement + fit, card.minimum), card.maximum)
    return Reading(exact, engagement, fit, falling, falling_rate, rising, rising_rate, True, now_ms, step_ms)


class Before:
    """The state of a lead before an input, kept in case a stage changes."""

    __slots__ = ("_kept", "_lead")

    def __init__(self, lead: Lead) -> None:
        """Copy the fields that ``read`` needs."""
        self._lead = lead
        ledgers = {key: Ledger(each.entries[:], each.closed, each.closed_ref) for key, each in lead.ledgers.items()}
        self._kept = (lead.signals[:], lead.amount[:], lead.ref[:], dict(lead.traits), lead.fits, ledgers)

    def exact(self, card: CardRule) -> float:
        """The exact score before the input, in units."""
        lead = self._lead
        now = (lead.signals, lead.amount, lead.ref, lead.traits, lead.fits, lead.ledgers)
        lead.signals, lead.amount, lead.ref, lead.traits, lead.fits, lead.ledgers = self._kept
        exact = read(card, lead, lead.clock).exact
        lead.signals, lead.amount, lead.ref, lead.traits, lead.fits, lead.ledgers = now
        return exact
