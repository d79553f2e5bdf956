"""Pages of the ranking with filters, each limited in the number of leads that it examines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import ceil, floor, inf
from typing import Any, Final

from app.board.bounded_store import BoundedStore, Place
from app.board.cursor import cursor_of, place_of
from app.board.filters import Filters
from app.board.id_cipher import IdCipher
from app.board.indexed_list import IndexedList
from app.board.list_queries import check_shown
from app.board.masking import Mask
from app.board.ranking_rows import RowMaker
from app.board.search import Search
from app.freshness import Freshness
from streams.clock import monotonic_s
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


class Ranking:
    """Lists leads, highest score first."""

    def __init__(
        self, store: BoundedStore, cipher: IdCipher, mask: Mask, search: Search, freshness: Callable[[], Freshness]
    ) -> None:
        """Reads nothing yet; ``freshness`` returns how fresh scores are."""
        self._freshness = freshness
        self._search = search
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
            rows = RowMaker(self._mask, card, rules, filters, role, extras, self._search.traits, self.remember_channel)
            page = asyncio.ensure_future(self._make_list(card, filters, limit, role, rows).load_page(cursor))
            page.add_done_callback(lambda done: done.cancelled() or done.exception())  # everybody may have disconnected
            if len(self._pages) < MAX_KEPT:
                self._pages[key] = (now_s, page)
        return {**await asyncio.shield(page), **self._freshness().to_json()}

    def _make_list(
        self, card: CardRule, filters: Filters, limit: int, role: str, rows: RowMaker
    ) -> _RankingScan | IndexedList:
        check_shown(filters, self._search.columns, role)
        if filters.needs_index:
            places = self._search, self._store, self._cipher, self._mask
            return IndexedList(*places, card, filters, role, limit, rows)
        return _RankingScan(self._store, self._cipher, card, filters, limit, rows)

    def remember_channel(self, lead: Lead) -> None:
        """Remember a lead's source as a choice for the filter."""
        if lead.touches and lead.touches[-1][1] and len(self.channels) < MAX_CHANNELS:
            self.channels.setdefault(str(lead.touches[-1][1]))


class _RankingScan:
    """One scan of the ranking, for one page."""

    def __init__(
        self, store: BoundedStore, cipher: IdCipher, card: CardRule, filters: Filters, limit: int, rows: RowMaker
    ) -> None:
        self._store, self._cipher = store, cipher
        self._card, self._filters, self._limit = card, filters, limit
        self._rows = rows

    async def load_page(self, cursor: str | None) -> dict[str, Any]:
        after: Place | None = place_of(self._cipher, cursor, float, str) if cursor else None
        rows: list[dict[str, Any]] = []
        looked, more = 0, True
        async with self._store.bounded():
            while more and len(rows) < self._limit and looked < MAX_EXAMINED:
                wanted = CHUNK if self._filters.is_narrow else self._limit - len(rows)
                places = await self._store.load_ranking(self._card.name, after, wanted, self._at_most())
                more = len(places) == wanted
                states = await self._store.load_states([lead_id for _, lead_id in places])
                for place in places:
                    if len(rows) == self._limit or self._is_below(place):
                        more = len(rows) == self._limit
                        break
                    looked, after = looked + 1, place
                    lead = states.get(place[1])
                    row = self._rows.make_row(place[1], lead) if isinstance(lead, Lead) else None
                    rows += [row] if row is not None else []
                await asyncio.sleep(0)  # let other requests run during a long search
        rows.sort(key=lambda row: (-self._rows.ranks[row["lead_id"]], row["lead_id"]))
        going_on = cursor_of(self._cipher, float(after[0]), after[1]) if more and after is not None else None
        return {
            "leads": self._rows.mask_rows(rows),
            "next": going_on,
            "as_of": rfc3339(self._rows.at_ms),
            "looked_at": looked,
            "truncated": more and len(rows) < self._limit,
        }

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
