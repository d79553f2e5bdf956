"""Pages of a list that the search index orders: the leads are read from the shards, and shown as they are now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from app.board.bounded_store import BoundedStore
from app.board.cursor import cursor_of, place_of
from app.board.filters import RANK, Filters
from app.board.id_cipher import IdCipher
from app.board.lead_columns import entry_of
from app.board.list_queries import can_match, is_match, make_query
from app.board.masking import Mask, sees_everything
from app.board.ranking_rows import RowMaker
from app.board.search import Search
from app.board.search_query import Found, Key
from app.board.search_words import fold_text
from app.http.refusals import Refusal
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule
from streams.shard.alert import rfc3339

ROUNDS: Final = 20
"""Queries for one page: some leads that the index finds do not match any more, or have another grade."""
_START: Final = -1
"""Row in the cursor of a list's beginning."""


class IndexedList:
    """One page of a list."""

    def __init__(  # noqa: PLR0913, PLR0917 - what makes a page
        self,
        search: Search,
        store: BoundedStore,
        cipher: IdCipher,
        mask: Mask,
        card: CardRule,
        filters: Filters,
        role: str,
        limit: int,
        rows: RowMaker,
    ) -> None:
        """Reads nothing yet.

        Raises:
            Refusal: a filter is malformed, or not for this role.
        """
        self._search, self._store, self._cipher, self._mask = search, store, cipher, mask
        self._card, self._filters, self._role, self._limit = card, filters, role, limit
        self._maker = rows
        self._query = make_query(filters, card.name, search.columns, role, rows.at_ms)
        self._rows: list[dict[str, Any]] = []
        self._named: set[str] = set()
        self._looked = 0

    async def load_page(self, cursor: str | None) -> dict[str, Any]:
        """Load the page: on the first one, who has exactly the id or address that is searched for comes first."""
        after = self._place_of(cursor) if cursor else None
        async with self._store.bounded():
            await self._find_named(first=cursor is None)
            more = can_match(self._filters, self._role)
            if more and len(self._rows) < self._limit:
                more, after = await self._find_others(after)
        building = self._search.indexer.building
        return {
            "leads": self._maker.mask_rows(self._rows),
            "next": self._cursor_of(after) if more else None,
            "as_of": rfc3339(self._maker.at_ms),
            "looked_at": self._looked,
            "truncated": more and len(self._rows) < self._limit,
            **({} if building is None else {"indexing": building._asdict()}),
        }

    async def _find_others(self, after: tuple[Key, int] | None) -> tuple[bool, tuple[Key, int] | None]:
        """Find leads until the page is full; returns whether there may be more, and where to go on."""
        for _ in range(ROUNDS):
            result = await self._search.find_leads(self._query, after, self._limit)
            self._looked += result.looked
            last = await self._add(result.leads)
            if last is not None:
                return True, last
            after = result.after
            if after is None:
                return False, None
            if len(result.leads) < self._limit:
                break  # there was no time for all of them
        return True, after

    async def _add(self, found: list[Found]) -> tuple[Key, int] | None:
        """Add rows; returns the place of the last one if the page is full."""
        states = await self._store.load_states([each.lead_id for each in found])
        start = len(self._rows)
        last = None
        for each in found:
            lead = states.get(each.lead_id)
            row = self._row(each.lead_id, lead) if isinstance(lead, Lead) else None
            if not isinstance(lead, Lead):
                self._search.indexer.note_change(each.lead_id)  # it was merged or erased, or its shard is new
            if row is not None:
                self._rows.append(row)
            if len(self._rows) == self._limit:
                last = (each.key, each.row)
                break
        if self._filters.sort in {None, RANK}:
            ranks = self._maker.ranks
            self._rows[start:] = sorted(self._rows[start:], key=lambda row: -ranks[row["lead_id"]])
        return last

    def _row(self, lead_id: str, lead: Lead) -> dict[str, Any] | None:
        if lead_id in self._named:
            return None
        entry = entry_of(lead_id, lead, (self._card,), self._search.traits, self._maker.at_ms)
        if not is_match(self._query, entry):
            self._search.indexer.note_change(lead_id)
            return None
        return self._maker.make_row(lead_id, lead)

    async def _find_named(self, first: bool) -> None:
        """Find the leads whose id or address is the text searched for, whatever their rank."""
        text = (self._filters.q or "").strip()
        lead_id = self._mask.resolve_id(text, self._role) if text else None
        if lead_id is None:
            return
        others = replace(self._query, words=())
        found = [await self._store.find_lead(lead_id)]
        if "@" in text and sees_everything(self._role):
            by_mail = await self._store.load_states(await self._search.find_by_mail(fold_text(text)))
            found += [(found_id, state) for found_id, state in by_mail.items() if isinstance(state, Lead)]
        for found_id, lead in found:
            if not isinstance(lead, Lead) or found_id in self._named:
                continue
            entry = entry_of(found_id, lead, (self._card,), self._search.traits, self._maker.at_ms)
            if others.is_filtered and not is_match(others, entry):
                continue
            self._named.add(found_id)
            row = self._maker.make_row(found_id, lead, named=True)
            if first and row is not None and len(self._rows) < self._limit:
                self._rows.append(row)

    def _cursor_of(self, after: tuple[Key, int] | None) -> str:
        key, row = after or (None, _START)
        return cursor_of(self._cipher, self._filters.sort or RANK, self._search.mark, key, row)

    def _place_of(self, cursor: str) -> tuple[Key, int] | None:
        """The place of a cursor; one of another index is only known by its key, so that some leads may be repeated."""
        sort, mark, key, row = place_of(self._cipher, cursor, str, str, object, int)
        if sort != (self._filters.sort or RANK):
            raise Refusal(400, "bad_cursor", "This cursor belongs to another order: start without a cursor.")
        if row == _START:
            return None
        if mark != self._search.mark:
            row = 2**62 if self._query.down else _START
        return key, row
