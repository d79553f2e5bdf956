"""Pages of the ranking with filters, each limited in the number of leads that it examines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor, inf
from typing import Any, Final

from app.board import lead_summary
from app.board.bounded_store import BoundedStore, Place
from app.board.cursor import cursor_of, place_of
from app.board.id_cipher import IdCipher
from app.board.masking import Mask, sees_everything
from app.freshness import Freshness
from app.lead_views import points_of, rank, row_view
from streams.clock import monotonic_s, now_ms
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules
from streams.shard.alert import rfc3339

MAX_EXAMINED: Final = 2000
CHUNK: Final = 100
"""Leads that are read at a time if a filter is set."""
FRESH_S: Final = 0.1
"""How long identical requests share a page; the ranking itself is updated every 0.25 s."""
MAX_CHANNELS: Final = 200
MAX_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters of a list; None for no filter."""

    scorecard: str | None = None
    stage: str | None = None
    """The current stage."""
    grade: str | None = None
    category: str | None = None
    """The category of most of the points."""
    channel: str | None = None
    """The source of the last touch."""
    q: str | None = None
    """A text in an id, alias or trait."""

    @property
    def any(self) -> bool:
        """Whether any filter is set."""
        return any((self.stage, self.grade, self.category, self.channel, self.q))


def category_of(card: CardRule, row: dict[str, Any], rules: Rules) -> str | None:
    """The category of most of a row's points."""
    sums: dict[str, float] = {}
    for part in row["parts"]:
        if part["kind"] == "signal":
            category = card.category_names[card.weights[rules.signals[part["name"]].id][2]]
            sums[category] = sums.get(category, 0.0) + points_of(part)
    name, points = max(sums.items(), key=lambda item: item[1], default=("", 0.0))
    return name if points > 0 else None


class Ranking:
    """Lists leads, highest score first."""

    def __init__(self, store: BoundedStore, cipher: IdCipher, mask: Mask, freshness: Callable[[], Freshness]) -> None:
        """Reads nothing yet; ``freshness`` returns how fresh scores are."""
        self.freshness = freshness
        self._store = store
        self._cipher = cipher
        self._mask = mask
        self._pages: dict[Any, tuple[float, asyncio.Future[dict[str, Any]]]] = {}
        self.channels: dict[str, None] = {}
        """Sources of the leads that were read."""

    async def load_page(  # noqa: PLR0913, PLR0917 - what makes a page
        self,
        card: CardRule,
        rules: Rules,
        filters: Filters,
        cursor: str | None,
        limit: int,
        role: str,
        extras: bool = False,
    ) -> dict[str, Any]:
        """Load one page; identical requests within a moment share it."""
        key = (card.name, rules.version, filters, cursor, limit, role, extras)
        now_s = monotonic_s()
        made_s, page = self._pages.get(key, (0.0, None))
        if page is None or now_s - made_s > FRESH_S or (page.done() and page.exception() is not None):
            self._pages = {k: v for k, v in self._pages.items() if now_s - v[0] <= FRESH_S}
            scan = _RankingScan(self, card, rules, filters, limit, role, extras)
            page = asyncio.ensure_future(scan.load_page(cursor))
            page.add_done_callback(lambda done: done.cancelled() or done.exception())  # everybody may have disconnected
            if len(self._pages) < MAX_KEPT:
                self._pages[key] = (now_s, page)
        return await asyncio.shield(page)

    def remember_channel(self, lead: Lead) -> None:
        """Remember a lead's source as a choice for the filter."""
        if lead.touches and lead.touches[-1][1] and len(self.channels) < MAX_CHANNELS:
            self.channels.setdefault(str(lead.touches[-1][1]))


class _RankingScan:
    """One scan of the ranking, for one page."""

    def __init__(  # noqa: PLR0913, PLR0917
        self, ranking: Ranking, card: CardRule, rules: Rules, filters: Filters, limit: int, role: str, extras: bool
    ) -> None:
        self._ranking = ranking
        self._store, self._mask, self._cipher = ranking._store, ranking._mask, ranking._cipher
        self._card, self._rules = card, rules
        self._filters = filters
        self._limit = limit
        self._role = role
        self._extras = extras
        self._at_ms = now_ms()
        self._q = (filters.q or "").strip().casefold()
        self._unknown = (
            bool(filters.channel) and self._mask.mask_channel(filters.channel or "", role) != filters.channel
        )
        """Whether the role may not know the channel of the filter."""
        self._found: set[str] = set()
        self._ranks: dict[str, float] = {}

    async def load_page(self, cursor: str | None) -> dict[str, Any]:
        after: Place | None = place_of(self._cipher, cursor, float, str) if cursor else None
        rows, looked, more = [], 0, True
        async with self._store.bounded():
            rows += await self._find_named(first=after is None)
            while more and len(rows) < self._limit and looked < MAX_EXAMINED:
                wanted = CHUNK if self._filters.any else self._limit - len(rows)
                places = await self._store.load_ranking(self._card.name, after, wanted, self._at_most())
                more = len(places) == wanted
                states = await self._store.load_states([lead_id for _, lead_id in places])
                for place in places:
                    if len(rows) == self._limit or self._is_below(place):
                        more = len(rows) == self._limit
                        break
                    looked, after = looked + 1, place
                    lead = states.get(place[1])
                    row = self._row(place[1], lead) if isinstance(lead, Lead) and place[1] not in self._found else None
                    rows += [row] if row is not None else []
                await asyncio.sleep(0)  # let other requests run during a long search
        rows.sort(key=lambda row: (-self._ranks[row["lead_id"]], row["lead_id"]))
        score, lead_id = after or (inf, "")  # the beginning, if the exact match filled the page
        going_on = cursor_of(self._cipher, float(score), lead_id) if more else None
        rows = [self._mask.mask_value(row, self._role) for row in rows]
        return {
            "leads": rows,
            "next": going_on,
            "as_of": rfc3339(self._at_ms),
            "looked_at": looked,
            "truncated": more and len(rows) < self._limit,
            **self._ranking.freshness().to_json(),
        }

    async def _find_named(self, first: bool) -> list[dict[str, Any]]:
        """The lead whose id or address is the text searched for: on the first page, whatever its rank."""
        text = (self._filters.q or "").strip()
        lead_id = self._mask.resolve_id(text, self._role) if text else None
        if lead_id is None:
            return []
        found_id, lead = await self._store.find_lead(lead_id)
        if not isinstance(lead, Lead):
            return []
        self._found.add(found_id)
        row = self._row(found_id, lead, named=True)
        return [row] if first and row is not None else []

    def _row(self, lead_id: str, lead: Lead, named: bool = False) -> dict[str, Any] | None:
        """The row of a lead; None if a filter excludes it."""
        self._ranking.remember_channel(lead)
        wants = self._filters
        if self._unknown:
            return None
        if wants.channel and not (lead.touches and str(lead.touches[-1][1]).casefold() == wants.channel.casefold()):
            return None
        if self._q and not named and not self._mentions(lead_id, lead):
            return None
        row = row_view(lead_id, lead, self._card, self._rules, self._at_ms)
        if not (row["applies"] or named) or not self._is_wanted(row):
            return None
        self._ranks[lead_id] = rank(lead, self._card, self._at_ms)
        return {**row, **self._extras_of(lead_id, lead)} if self._extras else row

    def _is_wanted(self, row: dict[str, Any]) -> bool:
        """Whether the filters by stage, grade and category include a row."""
        wants = self._filters
        if (wants.stage and row["stage"] != wants.stage) or (wants.grade and row["grade"] != wants.grade):
            return False
        return not wants.category or category_of(self._card, row, self._rules) == wants.category

    def _extras_of(self, lead_id: str, lead: Lead) -> dict[str, Any]:
        more = lead_summary.summarize_lead(lead_id, lead)
        if sees_everything(self._role):
            return more
        mask = self._mask
        came = more["channel"] and " / ".join(
            mask.mask_channel(part, self._role) for part in more["channel"].split(" / ")
        )
        return {"name": mask.mask_id(lead_id, self._role), "company": None, "channel": came, "title": None}

    def _mentions(self, lead_id: str, lead: Lead) -> bool:
        """Whether the text occurs in what the role may see of a lead."""
        mask, role = self._mask, self._role
        if any(self._q in mask.mask_id(each, role).casefold() for each in (lead_id, *lead.aliases)):
            return True
        if not sees_everything(role):
            return False
        values = lead.trait_values().values()
        texts = (each for value in values for each in (value if isinstance(value, list) else [value]))
        return any(self._q in str(text).casefold() for text in texts)

    def _bounds(self) -> tuple[float, float] | None:
        """The scores of the grade in the filter, before the range clamps them."""
        card = self._card.card
        for i, (grade, bound) in enumerate(() if card.engagement_grades else card.grades):
            if grade == self._filters.grade:
                above = card.grades[i - 1][1] if i else inf
                low = -inf if i == len(card.grades) - 1 or bound <= card.minimum else bound
                return low, inf if above > card.maximum else above
        return None

    def _at_most(self) -> float | None:
        bounds = self._bounds()
        return None if bounds is None or bounds[1] == inf else ceil(bounds[1]) + 1.0

    def _is_below(self, place: Place) -> bool:
        bounds = self._bounds()
        return bounds is not None and bounds[0] != -inf and place[0] < floor(bounds[0]) - 1
