"""What the board knows, as plain values for its pages and its API; each as a role may see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from app.board import flow
from app.board.alerts import alert_of
from app.board.bounded_store import Reads
from app.board.channels import channel_rows
from app.board.costs import Cost
from app.board.cursor import cursor_of, place_of
from app.board.curve import curve
from app.board.id_cipher import Seal
from app.board.masking import Mask
from app.board.ranking import Filters, Ranking
from app.board.scorecard_text import fit_says
from app.board.scorecards import scorecard_says
from app.board.timeline import timeline
from app.board.topic_tails import Feeds
from app.http.refusals import Refusal
from app.lead_views import View, lead_view
from streams.clock import monotonic_s, now_ms
from streams.scoring.lead import Erased, Lead
from streams.scoring.rules import CardRule, Rules
from streams.shard.alert import rfc3339
from streams.store.history import OLDEST_S
from streams.units import DAY_MS

__all__ = ["Desk", "Filters"]
MOST_CHOICES = 50
WEEK = 7


@dataclass(slots=True)
class Sources:
    """Where the desk has things from; files may be read anew at any time."""

    reads: Reads
    feeds: Feeds
    rules: Callable[[], Rules]
    costs: Callable[[], tuple[Cost, ...]]
    seal: Seal


class Desk:
    """Answers every question that a page or the API asks."""

    def __init__(self, sources: Sources) -> None:
        """Nothing is read before it is asked for."""
        self.mask = Mask(sources.seal)
        self.feeds = sources.feeds
        self._sources = sources
        self._reads = sources.reads
        self._ranking = Ranking(sources.reads, sources.seal, self.mask)

    @property
    def rules(self) -> Rules:
        """The scorecards in use."""
        return self._sources.rules()

    def card(self, name: str | None) -> CardRule:
        """A scorecard; the first one without a name.

        Raises:
            Refusal: there is none with this name.
        """
        for card in self.rules.cards:
            if name in (None, "", card.name):
                return card
        names = ", ".join(card.name for card in self.rules.cards)
        raise Refusal(404, "unknown_scorecard", f"There is no scorecard of this name; there are: {names}.")

    def require_known(self, filters: Filters) -> None:
        """Refuse what no lead can have: one that is misspelt would show nobody.

        Raises:
            Refusal: the scorecard has no such stage, grade or category.
        """
        card = self.card(filters.scorecard)
        for name, said, known in (
            ("stage", filters.stage, [stage.name for stage in card.card.stages]),
            ("grade", filters.grade, [grade for grade, _ in card.card.grades]),
            ("category", filters.category, card.category_names),
        ):
            if said and said not in known:
                there = ", ".join(known) or "none"
                raise Refusal(400, f"unknown_{name}", f"{card.name} has no such {name}; there are: {there}.")

    # Leads ------------------------------------------------------------------------------------------------------

    async def leads(
        self, filters: Filters, cursor: str | None, limit: int, role: str, extras: bool = False
    ) -> dict[str, Any]:
        """One page of the ranking."""
        card = self.card(filters.scorecard)
        return await self._ranking.page(card, self.rules, filters, cursor, limit, role, extras)

    async def lead(self, lead_id: str, at_ms: int | None, role: str) -> View | None:
        """Everything about a lead, now or later; None if it is unknown."""
        found = await self._find(lead_id, role)
        if found is None:
            return None
        view = lead_view(*found, self.rules, now_ms() if at_ms is None else at_ms)
        return cast(View, self.mask.value(view, role))

    async def curve(self, lead_id: str, scorecard: str | None, role: str) -> dict[str, Any]:
        """What the score of a lead was, and what it will be."""
        card = self.card(scorecard)
        found_id, lead = await self._found(lead_id, role)
        async with self._reads.bounded():
            past = await self._reads.history(found_id, card.name)
        now = max(now_ms(), lead.clock)
        past = [point for point in past if point[0] >= now - OLDEST_S * 1000]
        return curve(found_id, lead, card, self.rules, now, past)

    async def timeline(self, lead_id: str, role: str) -> list[dict[str, Any]]:
        """What a lead did lately."""
        return timeline((await self._found(lead_id, role))[1], self.rules)

    async def waterfall(self, lead_id: str, scorecard: str | None, role: str) -> list[dict[str, Any]]:
        """The parts of a lead's score, which sum to it."""
        card = self.card(scorecard)
        found_id, lead = await self._found(lead_id, role)
        parts: list[dict[str, Any]] = lead_view(found_id, lead, self.rules, now_ms())["scorecards"][card.name]["parts"]
        return parts

    async def fit(self, lead_id: str, scorecard: str | None, role: str) -> list[dict[str, Any]]:
        """Every fit line of a scorecard, and whether it holds for a lead."""
        card = self.card(scorecard)
        traits = (await self._found(lead_id, role))[1].trait_values()
        return [
            {"says": fit_says(line), "trait": line.trait, "points": line.points, "holds": holds(traits)}
            for line, holds in card.fit_lines
        ]

    async def _find(self, said: str, role: str) -> tuple[str, Lead] | None:
        lead_id = self.mask.named(said, role)
        if lead_id is None or len(lead_id) > 600:
            return None
        async with self._reads.bounded():
            found_id, state = await self._reads.find(lead_id)
        if state is None and found_id != lead_id:  # and its other shard has not taken it yet
            raise Refusal(503, "being_joined", "This lead is being joined to another: try again in a moment.", 2)
        return (found_id, state) if isinstance(state, Lead) else None

    async def _found(self, said: str, role: str) -> tuple[str, Lead]:
        found = await self._find(said, role)
        if found is None:
            raise Refusal(404, "unknown_lead", "There is no such lead: no event with this id was scored.")
        return found

    # Alerts and channels ----------------------------------------------------------------------------------------

    async def alerts(self, cursor: str | None, limit: int, role: str, lead_id: str | None = None) -> dict[str, Any]:
        """One page of the latest alerts, the newest first; of one lead and those that it was joined from."""
        place = None if cursor is None else place_of(self._sources.seal, cursor, int, str)
        wanted = None
        if lead_id is not None:
            found_id, lead = await self._found(lead_id, role)
            wanted = {found_id, *lead.aliases}
        rows = []
        for found in self.feeds.alerts.before(cast(Any, place), wanted):
            rows.append(found)
            if len(rows) > limit:
                break
        more = len(rows) > limit
        rows = rows[:limit]
        gone = await self._erased({row[1] for row in rows})
        kept = [row for row in rows if row[0][0] > gone.get(row[1], -1)]
        return {
            "alerts": [self.mask.value(alert_of(value), role) for _, _, value in kept],
            "next": cursor_of(self._sources.seal, *rows[-1][0]) if more else None,
        }

    async def _erased(self, lead_ids: set[str]) -> dict[str, int]:
        """Of these leads those that were erased, with the instant: what was told of them before is not shown."""
        async with self._reads.bounded():
            states = await self._reads.states(lead_ids)
        return {i: state.at_ms for i, state in states.items() if isinstance(state, Erased)}

    async def channels(self, scorecard: str | None, role: str, touch: str, days: int) -> dict[str, Any]:
        """Qualified leads by the channel of their ``first`` or ``last`` touch, and what they cost.

        Both from the first alert on that was read where that is later: of what Kafka no longer has, the money alone
        would be known.
        """
        card, until = self.card(scorecard), now_ms()
        since = max(until - days * DAY_MS, self.feeds.handovers.since_ms or until)
        qualified = self.feeds.handovers.within(card.name, since)
        found = {
            "rows": channel_rows(qualified, touch, self._sources.costs(), since, until),
            "total": len(qualified),
            "since": rfc3339(since),
            "stages": [stage.name for stage in card.card.stages if stage.handoff],
        }
        return cast(dict[str, Any], self.mask.value(found, role))

    # Scorecards and flow ----------------------------------------------------------------------------------------

    async def scorecard(self, name: str | None) -> dict[str, Any]:
        """A scorecard as people read it, with what each signal gave in the last seven days."""
        card, today = self.card(name), now_ms() // DAY_MS
        async with self._reads.bounded():
            fired = await self._reads.fired(range(today - WEEK + 1, today + 1))
        return scorecard_says(card, self.rules, fired)

    def choices(self, scorecard: str | None, role: str) -> dict[str, Any]:
        """What one may choose from in the filters.

        Raises:
            Refusal: there is no such scorecard.
        """
        card = self.card(scorecard)
        came = self.feeds.handovers.sources.items()
        used = Counter({source: count for (name, source), count in came if name == card.name and source})
        used.update(dict.fromkeys(self._ranking.channels, 1))
        shown = (source for source, _ in used.most_common() if self.mask.channel(source, role) == source)
        return {
            "scorecards": [{"name": c.name, "label": c.card.label or c.name} for c in self.rules.cards],
            "scorecard": card.name,
            "stages": [stage.name for stage in card.card.stages],
            "grades": [grade for grade, _ in card.card.grades],
            "categories": list(card.category_names),
            "channels": list(islice(shown, MOST_CHOICES)),
            "range": [card.card.minimum, card.card.maximum],
        }

    async def flow(self) -> dict[str, Any]:
        """How much comes in, how far it is scored, and what was refused."""
        async with self._reads.bounded():
            shards = await self._reads.shards(self.card(None).name)
        quiet = self.feeds.quiet
        for shard in shards:
            shard["lag"] = max(self.feeds.ends.get(shard["partition"], 0) - shard.pop("checkpoint"), 0)
        return {
            "rates": {
                "events_per_s": 0.0 if quiet else self.feeds.events.per_s,
                "alerts_per_s": flow.alerts_per_s(self.feeds.alerted_s, monotonic_s()),
            },
            "sources": [each | {"per_s": 0.0} if quiet else each for each in self.feeds.sources.values()],
            "shards": shards,
            "rejects": self.feeds.rejects.rows(),
            "reject_reasons": dict(self.feeds.rejects.reasons.most_common()),
        }
