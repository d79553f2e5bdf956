"""Runs a calibration: the amounts of leads before their outcomes, weights, points, and the bound for a capacity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from app.backtest.log_replay import Replay
from app.backtest.measure import target_stage, weeks_between
from app.backtest.metrics import area_under_curve
from app.backtest.outcomes import OutcomeFinder
from app.backtest.records import EventSource, Unreadable
from app.backtest.session import Order, Progress, find_outcomes, open_replay, rare_collections, replay_events
from app.backtest.shard_replay import Question
from app.calibrate.bounds import AT_ONCE, Volume, best_bound, count_entries, first_bounds, ladder_of, next_bounds
from app.calibrate.columns import columns_of, row_of
from app.calibrate.proposal import Suggestion, score_rows, suggest_points, write_proposal
from app.calibrate.regression import fit_weights
from streams.scorefile import load
from streams.scoring.fit import UNIT
from streams.scoring.rules import CardRule, Rules
from streams.scoring.scorecard import Model
from streams.scoring.stages import Transition

MOST_BOUNDS: Final = 6 * AT_ONCE
"""The most bounds that are tried."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The bound of the target stage for the wanted entries a week."""

    stage: str
    before: float
    enter: float
    wanted: float
    """Entries a week: those that sales can take up, or as many as the file gives now."""
    reached: float
    """Entries a week with this bound."""
    found: bool
    """False if even the highest bound gives more."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The result of a calibration."""

    card: CardRule
    from_ms: int
    to_ms: int
    won: int
    lost: int
    suggestions: Sequence[Suggestion]
    ranking_before: float | None
    """The share of pairs of a won and a lost lead that the scores of the file rank right."""
    ranking: float | None
    """The same by the new weights, for leads from which they were not learned."""
    bound: Bound | None
    """None for a scorecard without stages."""
    text: str
    """The proposed file."""


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What leads with an outcome had just before it: the columns, and the score by the present file."""

    rows: Sequence[Sequence[float]]
    scores: Sequence[float]
    won: Sequence[bool]


@dataclass(slots=True)
class _Session:
    """One scorecard of a file, and the events to learn from."""

    source: EventSource
    order: Order
    card: CardRule
    progress: Progress
    finder: OutcomeFinder
    from_ms: int
    to_ms: int
    leads: int = 0

    async def replay(self, rules: Rules, step: str, questions: Sequence[Question] = ()) -> Replay:
        """Replay all events by a file; the answers have the columns of the leads."""
        unreadable = Unreadable() if self.source.unreadable.reasons else self.source.unreadable
        replay = await open_replay(self.source, self.order, rules, self.to_ms, unreadable)
        for shard in replay.shards:
            shard.observe = partial(row_of, self.card)
        replay.ask(questions)
        await replay_events(self.source, [replay], self.to_ms, partial(self.progress, step))
        return replay

    async def collect_evidence(self) -> tuple[_Evidence, int]:
        """What leads had before their outcomes, and the number of entries into the target stage."""
        verdicts = self.finder.first_verdicts().values()
        questions = self.finder.questions(verdicts)
        replay = await self.replay(self.order.rules, "Scoring", questions)
        rows, scores, won = [], [], []
        for verdict, question in zip(verdicts, questions, strict=True):
            row = replay.observed(question.number, question.lead_id)
            standing = (replay.answer(question.number, question.lead_id) or {}).get(self.card.name)
            if row is not None and standing is not None and standing.applies:
                rows.append(row)
                scores.append(standing.score.exact / UNIT)
                won.append(verdict.won)
        self.leads = sum(len(shard.lead_ids) for shard in replay.shards)
        target = target_stage(self.card)
        mine = [t for t in self._inside(replay) if t.card == self.card.name and t.stage == target]
        return _Evidence(rows, scores, won), sum(t.kind == "entered" and not t.silenced for t in mine)

    async def find_bound(self, model: Model, scores: Sequence[float], wanted: float) -> Bound | None:
        """The bound of the target stage of a file with other points for the wanted entries a week."""
        card = next(each for each in model.scorecards if each.name == self.card.name)
        target = next((stage for stage in card.stages if stage.name == target_stage(self.card)), None)
        if target is None:
            return None
        weeks = weeks_between(self.from_ms, self.to_ms)
        volumes: list[Volume] = []
        bounds = first_bounds(scores, wanted * weeks / max(self.leads, 1))
        while len(volumes) < MOST_BOUNDS and (bounds := [b for b in bounds if card.minimum < b <= card.maximum]):
            replay = await self.replay(Rules(ladder_of(model, card, target, bounds)), "Trying bounds")
            volumes += count_entries(bounds, self._inside(replay))
            bounds = next_bounds(volumes, wanted * weeks, scores)
        best = best_bound(volumes, wanted * weeks)
        shown = best or max(volumes, key=lambda volume: volume.enter)
        return Bound(target.name, target.enter, shown.enter, wanted, shown.entries / weeks, best is not None)

    def _inside(self, replay: Replay) -> Iterator[Transition]:
        return (t for t in replay.transitions() if self.from_ms <= t.at_ms <= self.to_ms)


async def calibrate(
    source: EventSource, order: Order, text: str, card: str, end_ms: int, progress: Progress
) -> Calibration:
    """Propose points and the bound of the target stage for one scorecard of a file with this text.

    Raises:
        NoEvents: no event arrived in the range.
        TooFewOutcomes, NothingProven: there is nothing to propose.
    """
    rule = next(each for each in order.rules.cards if each.name == card)
    with rare_collections():
        session = _Session(source, order, rule, progress, *await find_outcomes(source, order, end_ms, progress))
        evidence, entries = await session.collect_evidence()
        regression = fit_weights(evidence.rows, evidence.won)
        suggestions = suggest_points(columns_of(rule), evidence.rows, evidence.won, regression.weights)
        model = load(write_proposal(text, card, suggestions, 0.0))
        wanted = order.capacity or entries / weeks_between(session.from_ms, session.to_ms)
        bound = await session.find_bound(model, score_rows(suggestions, evidence.rows), wanted)
    return Calibration(
        rule,
        session.from_ms,
        session.to_ms,
        sum(evidence.won),
        len(evidence.won) - sum(evidence.won),
        suggestions,
        area_under_curve(evidence.scores, evidence.won),
        regression.ranking,
        bound,
        write_proposal(text, card, suggestions, bound.enter - bound.before if bound else 0.0),
    )
