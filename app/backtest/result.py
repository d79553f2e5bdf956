"""Collects the result of one replay for measuring: transitions, final scores, and predictions before outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.backtest.log_replay import Replay
from app.backtest.measure import CardRun, Prediction, Side, target_stage
from app.backtest.outcomes import OutcomeFinder, Verdict
from app.backtest.shard_replay import Question
from streams.scoring.fit import UNIT
from streams.scoring.rules import CardRule
from streams.units import DAY_MS


class Result:
    """What a finished replay found, from ``from_ms`` to ``to_ms``."""

    def __init__(
        self,
        replay: Replay,
        finder: OutcomeFinder,
        from_ms: int,
        to_ms: int,
        verdicts: Mapping[str, Verdict],
        questions: Sequence[Question],
    ) -> None:
        """``verdicts`` are by final lead id, and ``questions`` are in their order."""
        self.rules = replay.rules
        self.from_ms, self.to_ms = from_ms, to_ms
        self._replay, self._finder = replay, finder
        self._verdicts, self._questions = verdicts, questions
        self._all = list(replay.transitions())
        self.transitions = [t for t in self._all if from_ms <= t.at_ms <= to_ms]
        self.leads = 0
        """The number of leads at the end, without ids that were merged into others."""
        self.publications = len(set[int]().union(*(shard.publications for shard in replay.shards)))
        self._final: dict[str, dict[str, tuple[float, str | None]]] = {card.name: {} for card in self.rules.cards}
        """Scorecard -> lead id -> score and stage at the end."""
        self._read_leads()

    def _read_leads(self) -> None:
        for shard in self._replay.shards:
            for found in shard.final_standings(self.to_ms):
                self.leads += len(found)
                for i, name in enumerate(shard.card_names):
                    if name in self._final:
                        standings = ((lead_id, each[i]) for lead_id, each in found.items())
                        self._final[name].update((lead_id, (s.score.exact / UNIT, s.stage)) for lead_id, s in standings)

    def run_of(self, card: CardRule) -> CardRun:
        """What there is to measure of a scorecard."""
        final = self._final[card.name].values()
        mine = [t for t in self.transitions if t.card == card.name]
        return CardRun(
            card,
            self.from_ms,
            self.to_ms,
            mine,
            [score for score, _ in final],
            [stage for _, stage in final],
            self._days_to_qualify(card),
            self._predictions(card),
        )

    def side_of(self, card: CardRule) -> Side:
        """The same for a comparison with another scorecard."""
        entered = self._first_entries(card)
        inside = frozenset(lead_id for lead_id, at_ms in entered.items() if self.from_ms <= at_ms <= self.to_ms)
        return Side(target_stage(card), self._final[card.name], inside)

    def _first_entries(self, card: CardRule) -> dict[str, int]:
        """When each lead, by its final id, entered the target stage for the first time."""
        target, first = target_stage(card), dict[str, int]()
        for t in self._all:
            if t.card == card.name and t.stage == target and t.kind == "entered":
                lead_id = self._finder.resolve(t.lead_id)
                first[lead_id] = min(first.get(lead_id, t.at_ms), t.at_ms)
        return first

    def _days_to_qualify(self, card: CardRule) -> list[float]:
        """Days from the first event of each lead until it entered the target stage for the first time, in the range."""
        days = []
        for lead_id, at_ms in self._first_entries(card).items():
            first_ms = self._replay.first_seen(lead_id)
            if first_ms is not None and self.from_ms <= at_ms <= self.to_ms:
                days.append(max(at_ms - first_ms, 0) / DAY_MS)
        return days

    def _predictions(self, card: CardRule) -> list[Prediction]:
        entered = self._first_entries(card)
        found = []
        for (lead_id, verdict), question in zip(self._verdicts.items(), self._questions, strict=True):
            standing = self._replay.answer(question.number, question.lead_id).get(card.name)
            score = standing.score.exact / UNIT if standing else 0.0
            before = lead_id in entered and entered[lead_id] < verdict.at_ms
            stage = standing.stage if standing else None
            signals = self._replay.observed(question.number, question.lead_id) or frozenset()
            found.append(Prediction(score, stage, before, standing is not None, verdict.won, verdict.name, signals))
        return found
