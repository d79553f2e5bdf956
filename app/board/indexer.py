"""Keeps the search index up to date: builds it from the shards, follows published scores, and compares all leads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple, TypeVar

from xxhash import xxh3_64_intdigest

from app.board.bounded_store import BoundedStore
from app.board.lead_columns import Entry, entry_of
from app.board.search_index import SearchIndex
from streams.clock import monotonic_s, now_ms
from streams.scoring.lead import Lead
from streams.scoring.rules import Rules
from streams.scoring.stored import DamagedBlob, NewerFormat, decode

T = TypeVar("T")
log = logging.getLogger(__name__)
BATCH: Final = 500
MAX_CHANGED: Final = 200_000
"""Changed leads that wait; of more, those beyond are found when all leads are compared."""
REST: Final = 2.0
"""Rest after each batch of changes, as a multiple of the time that it took."""
BUILD_REST: Final = 0.25
"""The same while the index is built."""
RETRY_S: Final = 5.0


class Progress(NamedTuple):
    """How far the first build is."""

    done: int
    of: int


class Indexer:
    """Writes the search index."""

    def __init__(
        self,
        store: BoundedStore,
        index: SearchIndex,
        rules: Callable[[], Rules],
        compare_s: float,
    ) -> None:
        """``rules`` returns the scorecards in use; all leads are compared every ``compare_s``."""
        self.index = index
        self.building: Progress | None = Progress(0, 0)
        """None when the index has all leads."""
        self.leads = 0
        """The number of leads in the index, when it was last counted."""
        self._store = store
        self._rules = rules
        self._compare_s = compare_s
        self.on_indexed: Callable[[str], None] = lambda lead_id: None
        """Called with each lead that changed in the index after it was built."""
        self._thread = ThreadPoolExecutor(1, "index-writer")
        self._changed: dict[str, None] = {}
        self._woken = asyncio.Event()
        self._missed = False
        """Whether changes were dropped, so that every lead must be read again."""

    @property
    def waiting(self) -> int:
        """The number of changed leads that wait."""
        return len(self._changed)

    def note_change(self, lead_id: str) -> None:
        """Read a lead again soon."""
        if len(self._changed) >= MAX_CHANGED:
            self._missed = True
            return
        self._changed[lead_id] = None
        self._woken.set()

    async def run(self) -> None:
        """Build the index and keep it up to date, for ever; starts again after an error."""
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._compare_for_ever())
                    tasks.create_task(self._follow_changes())
            except* Exception as errors:  # the file system may be full, or a permission in Redis missing
                log.error("the search index cannot be written (%r); trying again", errors.exceptions[0])
                log.debug("the search index cannot be written", exc_info=True)
            await asyncio.sleep(RETRY_S)

    def close(self) -> None:
        """Stop writing, and remove the index."""
        self._thread.shutdown(cancel_futures=True)
        self.index.close()

    async def build(self) -> None:
        """Add every lead, in batches."""
        total = 0
        for partition in range(self._store.partitions):
            total += (await self._store.store.counts(partition))["leads"]
        done = 0
        self.building = Progress(done, total)
        async for blobs in self._scan():
            began_s = monotonic_s()
            await self._write(blobs)
            done += len(blobs)
            self.leads, self.building = done, Progress(done, max(total, done))
            await asyncio.sleep((monotonic_s() - began_s) * BUILD_REST)
        await self._in_thread(self.index.merge_words)
        self.building = None

    async def compare_all(self, pause_s: float) -> None:
        """Find leads whose state differs from the one in the index; ``pause_s`` is between two batches."""
        everything, self._missed = self._missed, False
        try:
            await self._compare(everything, pause_s)
        except BaseException:
            self._missed = self._missed or everything
            raise

    async def _compare(self, everything: bool, pause_s: float) -> None:
        async for blobs in self._scan():
            salt = self._salt()
            versions = await self._in_thread(partial(self.index.find_versions, list(blobs)))
            for lead_id, blob in blobs.items():
                known = versions.get(lead_id)
                if _is_lead(blob) if known is None else everything or known != _version_of(blob, salt):
                    self.note_change(lead_id)
            await self._rest(pause_s)
        if everything:  # a lead that was forgotten has no state by which it could be found
            await self._find_removed(pause_s)

    async def _find_removed(self, pause_s: float) -> None:
        """Find leads in the index that have no state any more."""
        row = 0
        while page := await self._in_thread(partial(self.index.list_leads, row, BATCH)):
            row, lead_ids = page[-1][0], [lead_id for _, lead_id in page]
            blobs = await self._store.load_blobs(lead_ids)
            for lead_id in lead_ids:
                if lead_id not in blobs:
                    self.note_change(lead_id)
            await self._rest(pause_s)

    async def _rest(self, pause_s: float) -> None:
        while self.waiting > MAX_CHANGED // 2:
            await self.take_changes()
        await asyncio.sleep(pause_s)

    async def take_changes(self) -> None:
        """Read the next changed leads, and write them."""
        lead_ids = list(self._changed)[:BATCH]
        for lead_id in lead_ids:
            del self._changed[lead_id]
        blobs = await self._store.load_blobs(lead_ids)
        await self._write({lead_id: blobs.get(lead_id) for lead_id in lead_ids})
        for lead_id in lead_ids:
            self.on_indexed(lead_id)

    async def _compare_for_ever(self) -> None:
        if self.building is not None:
            await self.build()
        while True:
            began_s = monotonic_s()
            self.leads = await self._in_thread(self.index.count_leads)
            await self.compare_all(self._compare_s * BATCH / max(self.leads, BATCH) / 2)
            await asyncio.sleep(max(began_s + self._compare_s - monotonic_s(), 1.0))

    async def _follow_changes(self) -> None:
        while True:
            await self._woken.wait()
            if not self._changed:
                self._woken.clear()
                continue
            began_s = monotonic_s()
            await self.take_changes()
            await asyncio.sleep((monotonic_s() - began_s) * REST)

    async def _scan(self) -> AsyncIterator[dict[str, bytes]]:
        """All blobs of all shards, in batches."""
        for partition in range(self._store.partitions):
            batch: dict[str, bytes] = {}
            async for lead_id, blob in self._store.store.scan(partition):
                batch[lead_id] = blob
                if len(batch) >= BATCH:
                    yield batch
                    batch = {}
            if batch:
                yield batch

    async def _write(self, blobs: Mapping[str, bytes | None]) -> None:
        rules, salt, at_ms = self._rules(), self._salt(), now_ms()

        def write() -> None:
            self.index.write_leads(dict(self._entries(blobs, rules, salt, at_ms)))

        await self._in_thread(write)

    def _entries(
        self, blobs: Mapping[str, bytes | None], rules: Rules, salt: int, at_ms: int
    ) -> Iterable[tuple[str, tuple[Entry, int] | None]]:
        for lead_id, blob in blobs.items():
            lead = None if blob is None else _lead_in(blob)
            if blob is None or lead is None:
                yield lead_id, None
            else:
                entry = entry_of(lead_id, lead, rules.cards, self.index.traits, at_ms)
                yield lead_id, (entry, _version_of(blob, salt))

    def _salt(self) -> int:
        """A number of the scorecards in use: with others, every lead has another place."""
        return xxh3_64_intdigest(self._rules().version.encode())

    async def _in_thread(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act)


def _version_of(blob: bytes, salt: int) -> int:
    return xxh3_64_intdigest(blob, salt) >> 1


def _lead_in(blob: bytes) -> Lead | None:
    """The lead; None for one that was merged or erased, or cannot be read."""
    try:
        state = decode(blob)
    except (DamagedBlob, NewerFormat):
        return None
    return state if isinstance(state, Lead) else None


def _is_lead(blob: bytes) -> bool:
    return _lead_in(blob) is not None
