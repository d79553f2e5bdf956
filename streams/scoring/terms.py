"""List the terms of a score at an instant, and the instants at which they change at once.

Between two such steps, each term is constant or fades.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, inf, isfinite, log2

from streams.scoring.amounts import amount_at, last_step_ms, next_step_ms, rule_in_force
from streams.scoring.blocks import last_block_step_ms, next_block_step_ms
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Weight

Term = tuple[int, Weight, float, int, bool]
"""One contribution: the id of the signal in the lead, its weight, its amount, the time of the amount in ms after the
lead's base, and whether it is what the signal contributes while its amount is 0 (``amount`` is 1 then)."""


def terms_at(card: CardRule, lead: Lead, now_ms: int) -> list[Term]:
    """The terms of a score at ``now_ms``, an instant not before the lead's clock."""
    weights = card.weights
    columns = zip(lead.signals, lead.amount, lead.ref, strict=True)
    terms = [(s, weight, a, r, False) for s, a, r in columns if (weight := weights.get(s)) is not None]
    return _timed_terms(card, lead, terms, now_ms) if card.timed else terms


def _timed_terms(card: CardRule, lead: Lead, terms: list[Term], now_ms: int) -> list[Term]:
    found = []
    for signal, weight, amount, ref, _ in terms:
        rule = card.valued[signal]
        if rule.window_ms:
            if count := amount_at(rule, lead, now_ms):
                found.append((signal, weight, count, ref, False))
        elif rule_in_force(rule, lead, now_ms).id == signal:
            found.append((signal, weight, amount, ref, False))
    absent = [(rule, weight) for rule, weight in card.absent if not amount_at(rule, lead, now_ms)]
    return found + [(rule.id, weight, 1.0, 0, True) for rule, weight in absent]


def next_card_step_ms(card: CardRule, lead: Lead, now_ms: int) -> float:
    """The first instant after ``now_ms`` at which a term or a block changes at once; infinite if there is none."""
    if not card.timed:
        return inf
    signals = (next_step_ms(rule, lead, now_ms) for rule in card.stepping)
    blocks = (next_block_step_ms(block, lead, now_ms) for rule in card.stages for block in rule.blocks)
    return min((*signals, *blocks), default=inf)


def last_card_step_ms(card: CardRule, lead: Lead) -> float:
    """The last instant at which a term or a block changes at once; minus infinity if there is none."""
    signals = (last_step_ms(rule, lead) for rule in card.stepping)
    blocks = (last_block_step_ms(block, lead) for rule in card.stages for block in rule.blocks)
    return max((*signals, *blocks), default=-inf)


def spans(card: CardRule, lead: Lead, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
    """Divide the time from start to end at the steps: (first ms, last ms) of each span in which terms only fade."""
    begin_ms = start_ms
    while begin_ms <= end_ms:
        step_ms = next_card_step_ms(card, lead, begin_ms)
        yield begin_ms, int(min(step_ms - 1, end_ms))
        if step_ms > end_ms:
            return
        begin_ms = int(step_ms)


def horizon_ms(card: CardRule, lead: Lead) -> int:
    """Time in ms until all parts together round to 0, so that decay ends; 0 if nothing fades."""
    fading = [
        (abs(weight[0] * amount), weight[3])
        for signal, amount in zip(lead.signals, lead.amount, strict=True)
        if (weight := card.weights.get(signal)) is not None and weight[3] > 0
    ]  # a part beyond its cap fades, too
    few = log2(4 * len(fading) + 1)
    return max((ceil((log2(worth + 1) + few) / rate) for worth, rate in fading), default=0)


def end_of_change(card: CardRule, lead: Lead, now_ms: int) -> int:
    """The instant after which time changes nothing."""
    step_ms = last_card_step_ms(card, lead)
    return max(now_ms + horizon_ms(card, lead), int(step_ms) if isfinite(step_ms) else now_ms)
