"""Sums up what a scorecard file makes of some events: stages, alerts, top leads, and what never happened. Pure."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.lead_views import View, rank, row_view, signals_of
from app.scorecards.account_trial import AccountTrial, try_accounts
from app.scorecards.memory import MemoryRun
from app.scorecards.text import describe_condition
from streams.scoring.conditions import paths
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, StageRule
from streams.scoring.scorecard import FitLine
from streams.scoring.stages import Transition
from streams.shard.alert import rfc3339, show_obstacles

MAX_BANDS = 12
"""Of the distribution of scores."""
MAX_VALUES = 6
"""Of a trait."""
MISSING = "missing"
_WIDTHS = (10, 20, 25, 50, 100, 200, 500)


@dataclass(frozen=True, slots=True)
class StageCount:
    """A stage, and how many leads entered it."""

    name: str
    label: str
    inside: int
    """Leads in it at the end."""
    entered: int
    """Leads that were in it at any time."""
    alerts: int
    """Alerts about entering and leaving."""


@dataclass(frozen=True, slots=True)
class CardTrial:
    """What one scorecard makes of the events."""

    name: str
    label: str
    applies: int
    """Leads to which it applies."""
    found_traits: dict[str, list[tuple[str, int]]]
    """If it applies to none: each trait that ``applies_to`` reads -> values with the number of leads, most first."""
    applies_to: str
    """In words; empty if it applies to all."""
    stages: tuple[StageCount, ...]
    bands: tuple[tuple[int, int], ...]
    """(lowest score, number of leads) of each band, without empty ones at the ends."""
    top: tuple[View, ...]
    """The leads with the highest scores, as rows of a ranking with their traits, and what keeps them out of stages."""
    never_fired: tuple[str, ...]
    """Its signals whose amount was never above 0 for a lead."""
    never_held: tuple[FitLine, ...]
    """Its fit lines that hold for no lead."""
    accounts: AccountTrial | None
    """None for a scorecard without accounts."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of playing events through a scorecard file."""

    events: int
    leads: int
    first_at: str
    last_at: str
    rejected: dict[str, int]
    """By reason."""
    cards: tuple[CardTrial, ...]

    def plain(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


def try_out(run: MemoryRun, limit: int) -> Trial:
    """Sum up a run at the time of its last event, with this number of top leads."""
    run.advance(run.last_ms)
    leads, transitions = run.leads(), run.transitions()
    return Trial(
        events=run.events,
        leads=len(leads),
        first_at=rfc3339(run.first_ms),
        last_at=rfc3339(run.last_ms),
        rejected=dict(run.reasons.most_common()),
        cards=tuple(_try_card(card, run, leads, transitions, limit) for card in run.rules.cards),
    )


def _try_card(
    card: CardRule, run: MemoryRun, leads: Mapping[str, Lead], transitions: Sequence[Transition], limit: int
) -> CardTrial:
    now_ms = run.last_ms
    applying = [lead_id for lead_id, lead in leads.items() if card.fit.applies(lead.trait_values())]
    ranked = sorted(applying, key=lambda lead_id: (-rank(leads[lead_id], card, now_ms), lead_id))
    views = {lead_id: row_view(lead_id, leads[lead_id], card, run.rules, now_ms) for lead_id in ranked}
    mine = [each for each in transitions if each.card == card.name]
    traits = [lead.trait_values() for lead in leads.values()]
    scores = {lead_id: view["score"] for lead_id, view in views.items()}
    counted = frozenset[str]().union(*(signals_of(lead, run.rules) for lead in leads.values()))
    return CardTrial(
        name=card.name,
        label=card.card.label,
        applies=len(applying),
        found_traits={} if applying else _count_values(card, traits),
        applies_to=describe_condition(card.card.applies_to),
        stages=tuple(_count_stage(rule, leads, mine) for rule in card.stages),
        bands=_bands([view["score"] for view in views.values()]),
        top=tuple(_top_row(views[lead_id], leads[lead_id], card, run) for lead_id in ranked[:limit]),
        never_fired=tuple(name for name in card.card.points if name not in counted),
        never_held=tuple(line for line, worth in card.fit.lines if all(worth(each) is None for each in traits)),
        accounts=None if card.accounts is None else try_accounts(card.accounts, leads, scores, limit),
    )


def _top_row(view: View, lead: Lead, card: CardRule, run: MemoryRun) -> View:
    obstacles = show_obstacles(card, lead, run.last_ms, run.rules)
    return {**view, "traits": lead.trait_values(), "not_entered": obstacles}


def _count_values(card: CardRule, traits: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[str, int]]]:
    """The most common values of the traits that decide to whom a scorecard applies."""
    found = {}
    for path in sorted(paths(card.card.applies_to)):
        values = Tally(str(each[path])[:40] if path in each else MISSING for each in traits)
        found[path] = values.most_common(MAX_VALUES)
    return found


def _count_stage(rule: StageRule, leads: Mapping[str, Lead], mine: Sequence[Transition]) -> StageCount:
    stage = rule.stage
    own = [each for each in mine if each.stage == stage.name]
    inside = sum(rule.key in lead.latches and lead.latches[rule.key].inside for lead in leads.values())
    entered = {each.lead_id for each in own if each.kind == "entered"}
    return StageCount(stage.name, stage.label, inside, len(entered), sum(each.is_alert for each in own))


def _bands(scores: Sequence[int]) -> tuple[tuple[int, int], ...]:
    if not scores:
        return ()
    span = max(scores) - min(scores)
    width = next((each for each in _WIDTHS if span < each * (MAX_BANDS - 1)), span // (MAX_BANDS - 1) + 1)
    counts = Tally(score // width * width for score in scores)
    return tuple((low, counts[low]) for low in range(min(counts), max(counts) + 1, width))
