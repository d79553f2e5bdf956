"""Answers every question of pages and API with plain values, masked for a role."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any, cast

from app.board import flow
from app.board.accounts import AccountList
from app.board.alert_list import AlertList
from app.board.alerts import LEADS
from app.board.bounded_store import BoundedStore
from app.board.channels import channel_rows
from app.board.costs import Cost
from app.board.curve import build_curve
from app.board.filters import Filters
from app.board.freshness import FreshnessWatch
from app.board.id_cipher import IdCipher
from app.board.list_queries import list_columns
from app.board.masking import Mask, sees_everything
from app.board.published_scorecards import PublishedScorecards
from app.board.publishing import NOTHING, Publishing, PublishingConfig
from app.board.ranking import Ranking
from app.board.results_desk import Results
from app.board.scorecards import describe_line, describe_scorecard
from app.board.search import Search
from app.board.timeline import build_activity
from app.board.topic_tails import TopicTails
from app.board.trials import Trials
from app.board.usage import Usage
from app.board.verdicts import SalesVerdicts
from app.board.versions import Versions
from app.event_log import EventLog
from app.freshness import Freshness
from app.http.refusals import Refusal
from app.lead_views import View, labels_of, lead_view
from streams.clock import monotonic_s, now_ms
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules
from streams.scoring.scorecard import EVERYTHING
from streams.shard.alert import rfc3339
from streams.store.history import OLDEST_S
from streams.units import DAY_MS

__all__ = ["BoardService", "Filters"]
MAX_CHOICES = 50


class BoardService:
    """Answers every question of pages and API."""

    def __init__(  # noqa: PLR0913, PLR0917 - every part that it asks
        self,
        store: BoundedStore,
        tails: TopicTails,
        cipher: IdCipher,
        published: PublishedScorecards,
        costs: Callable[[], tuple[Cost, ...]],
        publishing: PublishingConfig,
        search: Search,
        events: EventLog,
    ) -> None:
        """Reads nothing yet; ``costs`` returns the current contents of its file."""
        self.mask = Mask(cipher)
        self.trials = Trials(store, self.mask, lambda: published.value)
        self.tails = tails
        versions = Versions(published, tails.version_alerts)
        self.publishing = Publishing(self.trials, published, versions, publishing)
        self.verdicts = SalesVerdicts(publishing.send_event, self._require, lambda: self.rules)
        self._store = store
        self._events = events
        self._cipher = cipher
        self._published = published
        self._costs = costs
        self.freshness_watch = FreshnessWatch(store, tails)
        self._usage = Usage(store)
        self._results = Results(store, costs)
        self.search = search
        self._alerts = AlertList(store, tails.alerts, cipher, self.mask, lambda: self.freshness)
        self.accounts = AccountList(store, cipher, self.mask, lambda: self.rules, self._alerts)
        self._ranking = Ranking(store, cipher, self.mask, search, lambda: self.freshness)

    @property
    def rules(self) -> Rules:
        """The scorecards in use."""
        return self._published.value.rules

    @property
    def freshness(self) -> Freshness:
        """How fresh the scores are."""
        return self.freshness_watch.now

    def find_scorecard(self, name: str | None) -> CardRule:
        """A scorecard by name; by default the first one.

        Raises:
            Refusal: there is no such scorecard, or none at all.
        """
        for card in self.rules.cards:
            if name in (None, "", card.name):
                return card
        if not self.rules.cards:
            raise Refusal(503, "nothing_published", NOTHING, retry_after_s=5)
        names = ", ".join(card.name for card in self.rules.cards)
        raise Refusal(404, "unknown_scorecard", f"There is no such scorecard. Known are: {names}.")

    def check_filters(self, filters: Filters) -> None:
        """Refuse filters that no lead can match, as a misspelt one would list nobody.

        Raises:
            Refusal: the scorecard has no such stage, grade or category.
        """
        card = self.find_scorecard(filters.scorecard)
        for name, wanted, known in (
            ("stage", filters.stage, [stage.name for stage in card.card.stages]),
            ("grade", filters.grade, card.grades),
            ("category", filters.category, card.category_names),
        ):
            if wanted and wanted not in known:
                there = ", ".join(known) or "none"
                raise Refusal(400, f"unknown_{name}", f"{card.name} has no such {name}. Known are: {there}.")

    async def list_leads(
        self, filters: Filters, cursor: str | None, limit: int, role: str, extras: bool = False
    ) -> dict[str, Any]:
        """One page of the ranking."""
        card = self.find_scorecard(filters.scorecard)
        return await self._ranking.load_page(card, self.rules, filters, cursor, limit, role, extras)

    async def get_lead(self, lead_id: str, at_ms: int | None, role: str) -> View | None:
        """Everything about a lead, now or in the future; None for an unknown one."""
        found = await self._find(lead_id, role)
        if found is None:
            return None
        view = lead_view(*found, self.rules, now_ms() if at_ms is None else at_ms)
        return cast(View, self.mask.mask_value(view, role))

    async def get_curve(self, lead_id: str, scorecard: str | None, role: str) -> dict[str, Any]:
        """The history and forecast of a lead's score."""
        card = self.find_scorecard(scorecard)
        found_id, lead = await self._require(lead_id, role)
        async with self._store.bounded():
            past = await self._store.load_history(found_id, card.name)
        now = max(now_ms(), lead.clock)
        past = [point for point in past if point[0] >= now - OLDEST_S * 1000]
        return build_curve(found_id, lead, card, self.rules, now, past) | self.freshness.to_json()

    async def get_timeline(self, lead_id: str, role: str) -> dict[str, Any]:
        """The recent activity of a lead: its ``events``, and a sentence if some could not be read from the log."""
        found_id, lead = await self._require(lead_id, role)
        found = await self._events.read_events(found_id, lead, self._store.former)
        activity = build_activity(lead, self.rules, found)
        return cast(dict[str, Any], self.mask.mask_value(activity, role))

    async def get_fit(self, lead_id: str, scorecard: str | None, role: str) -> list[dict[str, Any]]:
        """The fit lines of a scorecard, and whether each matches a lead."""
        card = self.find_scorecard(scorecard)
        traits = (await self._require(lead_id, role))[1].trait_values()
        return [
            describe_line(line, worth(traits)) | {"holds": worth(traits) is not None} for line, worth in card.fit.lines
        ]

    async def _find(self, given: str, role: str) -> tuple[str, Lead] | None:
        lead_id = self.mask.resolve_id(given, role)
        if lead_id is None or len(lead_id) > 600:
            return None
        async with self._store.bounded():
            found_id, state = await self._store.find_lead(lead_id)
        if state is None and found_id != lead_id:  # its other shard has not received it yet
            raise Refusal(503, "being_joined", "This lead is being merged into another: try again in a moment.", 2)
        return (found_id, state) if isinstance(state, Lead) else None

    async def _require(self, given: str, role: str) -> tuple[str, Lead]:
        found = await self._find(given, role)
        if found is None:
            raise Refusal(404, "unknown_lead", "There is no such lead: no event with this id was scored.")
        return found

    async def list_alerts(
        self, cursor: str | None, limit: int, role: str, lead_id: str | None = None, about: str = LEADS
    ) -> dict[str, Any]:
        """One page of the latest alerts, newest first; with ``lead_id`` those of one lead and its aliases."""
        wanted = None
        if lead_id is not None:
            found_id, lead = await self._require(lead_id, role)
            wanted = {found_id, *lead.aliases}
        return await self._alerts.list_page(cursor, limit, role, wanted, about)

    async def list_channels(self, scorecard: str | None, role: str, touch: str, days: int) -> dict[str, Any]:
        """Qualified leads by the channel of their ``first`` or ``last`` touch, with costs, from the first alert on."""
        card, until = self.find_scorecard(scorecard), now_ms()
        since = max(until - days * DAY_MS, self.tails.handovers.since_ms or until)
        qualified = self.tails.handovers.qualified_since(card.name, since)
        found = {
            "rows": channel_rows(qualified, touch, self._costs(), since, until),
            "total": len(qualified),
            "since": rfc3339(since),
            "stages": [stage.name for stage in card.card.stages if stage.handoff],
            "truncated": self.tails.handovers.is_full,
            **self.freshness.to_json(),
        }
        return cast(dict[str, Any], self.mask.mask_value(found, role))

    async def get_results(self, scorecard: str | None, role: str, touch: str, days: int) -> dict[str, Any]:
        """What became of the leads that were handed over to sales."""
        found = await self._results.load(self.find_scorecard(scorecard), self.rules, touch, days)
        return cast(dict[str, Any], self.mask.mask_value(found | self.freshness.to_json(), role))

    async def get_scorecard(self, name: str | None) -> dict[str, Any]:
        """A scorecard in words, with the count of each signal in the last seven days."""
        card, rules = self.find_scorecard(name), self.rules
        async with self._store.bounded():
            fired = await self._store.load_fired(now_ms())
        return describe_scorecard(card, rules, fired)

    async def get_usage(self, name: str | None, role: str) -> dict[str, Any]:
        """The leads of a scorecard by score, and how many of a sample have each of its signals and fit lines."""
        usage = await self._usage.load(self.find_scorecard(name), self.rules, sees_everything(role))
        return usage | self.freshness.to_json()

    def list_choices(self, scorecard: str | None, role: str) -> dict[str, Any]:
        """The choices of the filters.

        Raises:
            Refusal: there is no such scorecard.
        """
        card = self.find_scorecard(scorecard)
        came = self.tails.handovers.sources.items()
        used = Counter({source: count for (name, source), count in came if name == card.name and source})
        used.update(dict.fromkeys(self._ranking.channels, 1))
        shown = (source for source, _ in used.most_common() if self.mask.mask_channel(source, role) == source)
        return {
            "scorecards": [
                {"name": c.name, "label": c.card.label or c.name, "shadow": c.card.shadow} for c in self.rules.cards
            ],
            "scorecard": card.name,
            "stages": [stage.name for stage in card.card.stages],
            "grades": card.grades,
            "labels": {
                "stage": labels_of(card.card.stages),
                "category": labels_of(card.card.categories),
                "signal": labels_of(self.rules.model.signals),
            },
            "categories": list(card.category_names),
            "channels": list(islice(shown, MAX_CHOICES)),
            "range": [card.card.minimum, card.card.maximum],
            **list_columns(self.search.columns, role),
        }

    async def list_values(self, role: str) -> dict[str, list[str]]:
        """Frequent values of the columns that a role may see."""
        names = [each["name"] for each in list_columns(self.search.columns, role)["columns"] if each["name"] != "name"]
        found = await asyncio.gather(*map(self.search.list_values, names))
        return {
            name: [value for value in values if self.mask.mask_channel(value, role) == value]
            for name, values in zip(names, found, strict=True)
        }

    def _largest_ranking(self) -> str:
        """The name of a scorecard that ranks every lead, if there is one; else of another one."""
        cards = sorted(self.rules.cards, key=lambda card: card.card.applies_to != EVERYTHING)
        return next((card.name for card in cards), "")

    async def get_flow(self) -> dict[str, Any]:
        """Rates, lags, shards and rejects."""
        async with self._store.bounded():
            shards = await self._store.load_shards(self._largest_ranking())
        stale = self.tails.has_stale_offsets
        for shard in shards:
            shard["lag"] = max(self.tails.ends.get(shard["partition"], 0) - shard.pop("checkpoint"), 0)
        return {
            "rates": {
                "events_per_s": 0.0 if stale else self.tails.events.per_s,
                "alerts_per_s": flow.alerts_per_s(self.tails.alerted_s, monotonic_s()),
            },
            "sources": [each | {"per_s": 0.0} if stale else each for each in self.tails.sources.values()],
            "shards": shards,
            "rejects": self.tails.rejects.list_rows(),
            "reject_reasons": dict(self.tails.rejects.reasons.most_common()),
            **self.freshness.to_json(),
        }
