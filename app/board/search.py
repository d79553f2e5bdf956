"""The search of one board: its index, what writes it, and the threads that read it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeVar

from app.board.bounded_store import BoundedStore
from app.board.indexer import Indexer
from app.board.search_index import SearchIndex
from app.board.search_query import Key, Query, Result, find_by_mail, find_leads, list_values
from streams.clock import monotonic_s
from streams.scoring.rules import Rules

T = TypeVar("T")
READERS: Final = 2
MAX_BY_MAIL: Final = 10
MAX_VALUES: Final = 50
VALUES_S: Final = 60.0
"""How long the frequent values of a column are kept."""


class Search:
    """Finds leads in the index."""

    def __init__(
        self,
        store: BoundedStore,
        rules: Callable[[], Rules],
        folder: Path | None = None,
        traits: Sequence[str] = (),
        compare_s: float = 300.0,
    ) -> None:
        """Make an empty index in a folder; nothing is written to it before ``indexer`` runs."""
        self._index = SearchIndex(folder, traits)
        self.columns = self._index.columns
        self.traits = self._index.traits
        self.mark = self._index.mark
        self.indexer = Indexer(store, self._index, rules, compare_s)
        self._threads = ThreadPoolExecutor(READERS, "index-reader")
        self._readers: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        for _ in range(READERS):
            self._readers.put(self._index.open_reader())
        self._values: dict[int, tuple[float, list[str]]] = {}

    async def find_leads(self, query: Query, after: tuple[Key, int] | None, limit: int) -> Result:
        """The next leads after a place in the order."""
        return await self._read(lambda reader: find_leads(reader, query, after, limit))

    async def find_by_mail(self, mail: str) -> list[str]:
        """Leads with exactly this folded address."""
        return await self._read(lambda reader: find_by_mail(reader, mail, MAX_BY_MAIL))

    async def list_values(self, column: str) -> list[str]:
        """The most frequent values of a column, folded."""
        number = self.columns.index(column)
        read_s, values = self._values.get(number, (0.0, []))
        if not read_s or monotonic_s() - read_s > VALUES_S:
            values = await self._read(lambda reader: list_values(reader, number, MAX_VALUES))
            self._values[number] = monotonic_s(), values
        return values

    def close(self) -> None:
        """Remove the index."""
        self._threads.shutdown(cancel_futures=True)
        while not self._readers.empty():
            self._readers.get().close()
        self.indexer.close()

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        def act() -> T:
            reader = self._readers.get()
            try:
                return read(reader)
            finally:
                self._readers.put(reader)

        return await asyncio.get_running_loop().run_in_executor(self._threads, act)
