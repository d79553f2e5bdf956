"""Explain a score: its parts, which sum to it exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp2
from typing import Any

from streams.scoring.fit import UNIT, units
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules, SignalRule
from streams.scoring.score import does_apply, published
from streams.scoring.terms import Term, terms_at


@dataclass(frozen=True, slots=True)
class Part:
    """One line of an explanation, in points. ``kind`` is signal, fit, cap or clamp."""

    kind: str
    name: str
    points: float
    label: str = ""
    """What people read; empty for the name."""
    amount: float | None = None
    """Signals only: the decayed amount."""
    count: int = 0
    last_at: int | None = None
    after_caps: float | None = None
    """What is left of a signal or a fit line that a cap reduces; those under one cap lose in proportion."""

    def row(self) -> dict[str, Any]:
        """The part as API and alerts show it."""
        row: dict[str, Any] = {"kind": self.kind, "name": self.name}
        if self.label:
            row["label"] = self.label
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
    applies: bool = True
    """Whether the scorecard applies to the lead."""


def explain(card: CardRule, lead: Lead, now_ms: int, rules: Rules) -> Explanation:
    """Explain the score that ``read`` computes."""
    if not does_apply(card, lead):
        return _explain_nothing(card)
    parts: list[Part] = []
    sums: list[float] = [0] * len(card.bounds)
    for term in terms_at(card, lead, now_ms):
        _explain_term(lead, term, now_ms, rules.by_id[term[0]], parts, sums)
    engagement: float = 0
    categories: dict[str, float] = {}
    shares: list[float] = []
    labels = [*(category.label for category in card.card.categories), ""]
    for name, label, total, (low, high) in zip(card.category_names, labels, sums, card.bounds, strict=True):
        clamped = min(max(total, low), high)
        _adjust(parts, "cap", name, clamped - total, label)
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
        card.grade(exact / UNIT, fit / UNIT, engagement / UNIT),
        fit / UNIT,
        engagement / UNIT,
        categories,
        tuple(_note_caps(card, part, rules, shares) for part in parts),
    )


def _explain_nothing(card: CardRule) -> Explanation:
    """The explanation for a lead to which the scorecard does not apply."""
    categories = dict.fromkeys(card.category_names, 0.0)
    return Explanation(0.0, 0, card.grade(0.0, 0.0, 0.0), 0.0, 0.0, categories, (), applies=False)


def _note_caps(card: CardRule, part: Part, rules: Rules, shares: list[float]) -> Part:
    """A part with what caps leave of it; ``shares`` is what is left of each category, and of fit at the end."""
    kept = part.points * UNIT
    if part.kind == "signal":
        _, cap, category, _ = card.weights[rules.signals[part.name].id]
        kept = (min(max(kept, -cap), cap) if part.amount else kept) * shares[category]
    elif part.kind == "fit":
        kept *= shares[-1]
    after_caps = round(kept) / UNIT
    return part if after_caps == part.points else replace(part, after_caps=after_caps)


def _share(total: float, capped: float) -> float:
    """How much of a sum a cap leaves."""
    return capped / total if total and 0.0 <= capped / total < 1.0 else 1.0


def _explain_term(lead: Lead, term: Term, now_ms: int, rule: SignalRule, parts: list[Part], sums: list[float]) -> None:
    signal, (points, cap, category, inverse_half_life), amount, ref, absent = term
    fade = exp2((ref - now_ms + lead.base) * inverse_half_life)
    part = float(round(points * amount * fade))
    capped = min(max(part, -cap), cap)
    shown = 0.0 if absent else round(amount * fade, 9)
    count, last_at = 0, None
    if signal in lead.signals:
        i = lead.signals.index(signal)
        count, last_at = lead.count[i], lead.ref[i] + lead.base
    parts.append(Part("signal", rule.name, part / UNIT, rule.label, shown, count, last_at))
    _adjust(parts, "cap", rule.name, capped - part, rule.label)
    sums[category] += capped


def _explain_fit(card: CardRule, lead: Lead, parts: list[Part]) -> float:
    traits = lead.trait_values()
    total = 0.0
    for line, worth in card.fit.lines:
        units_of_line = worth(traits)
        if units_of_line is not None:
            parts.append(Part("fit", line.part, units_of_line / UNIT, line.label))
            total += units_of_line
    capped = min(total, card.fit.fit_max)
    _adjust(parts, "cap", "fit", capped - total)
    return capped


def _adjust(parts: list[Part], kind: str, name: str, by: float, label: str = "") -> None:
    if by:
        parts.append(Part(kind, name, by / UNIT, label))
