"""Store leads as columns for the kernels, and convert them from and to Lead objects."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from streams.accelerator.id_index import NameIndex
from streams.accelerator.kernels import memory as kernel_memory
from streams.accelerator.kernels import stored as kernel_stored
from streams.accelerator.kernels import windows as kernel_windows
from streams.accelerator.layout import (
    CLASSES,
    GROUP_BITS,
    MIN_ROOM,
    NEVER,
    NOT_SHOWN,
    WINDOW_CLASSES,
    Column,
    Slots,
    ensure_length,
    grown,
    lengthen,
    new_cards,
    new_leads,
    new_recent,
    new_slots,
    new_windows,
    widened,
)
from streams.accelerator.pointers import Output, Text
from streams.accelerator.rare import RareParts
from streams.accelerator.rules import PlainMatches, Signals, is_beyond_kernels, model_of
from streams.scoring.lead import OLDER, Lead
from streams.scoring.packed import Packed
from streams.scoring.rules import Rules
from streams.scoring.score import fit_of
from streams.scoring.stored import VERSION, decode

_NEW_ROW = new_leads(1)[0]
"""Initial values of a row."""
_NEW_ROW["due"], _NEW_ROW["stale"], _NEW_ROW["unsent"] = NEVER, 1, 1
ROWS, PLACES, BLOCKS, WIDTH = 1024, 8192, 64, 8
WINDOWS, ENTRIES = 64, 1024
ROOM = sum(MIN_ROOM << room for room in range(CLASSES))
"""Places that the events of one lead need until their block has its largest size."""
WINDOW_ROOM = sum(MIN_ROOM << room for room in range(WINDOW_CLASSES))
"""The same for the entries of one window."""


class Table:
    """The rows of leads, found by lead id."""

    def __init__(self, rules: Rules) -> None:
        self.rows: dict[str, int] = {}
        self.ids: list[str] = []
        """Lead ids by row; empty for a free row."""
        self.index = NameIndex()
        """Rows by lead id, but for very long ids."""
        self._free: list[int] = []
        self.signals = Signals()
        self.leads = new_leads(ROWS)
        self.slots = new_slots(ROWS, WIDTH)
        self.recent = new_recent(PLACES, BLOCKS)
        self.windows = new_windows(WINDOWS, ENTRIES)
        self.rare = RareParts(self.leads, self._remembered)
        self.cards: Any = None
        self.card_names: list[str] = []
        self.use_rules(rules)

    def use_rules(self, rules: Rules) -> None:
        """Switch to other scorecards."""
        self.rules = rules
        self.usable = not is_beyond_kernels(rules)
        """Whether leads may be in the table."""
        self.plain = PlainMatches(rules, self.signals)
        self.model = model_of(rules, self.signals)
        if any(rule.distinct_at is not None for rule in rules.by_id.values()):
            self.keep_values()
        stages = sum(len(card.stages) for card in rules.cards)
        old = {} if self.cards is None else dict(zip(self.card_names, self.cards.scores["shown"].T, strict=True))
        self.cards = new_cards(len(self.leads), len(rules.cards), stages)
        self.no_scores = new_cards(1, len(rules.cards), 0).scores[0]
        self.no_scores["fit"] = [card.fit.of({}) for card in rules.cards]
        self.cards.scores[:] = self.no_scores
        self.card_names = [card.name for card in rules.cards]
        for i, card in enumerate(rules.cards):
            if card.name in old:
                self.cards.scores["shown"][:, i] = old[card.name]
        self.leads["calm_until"] = self.leads["slack"] = -np.inf
        for row, lead in self.rare.leads():
            self.derive(row, lead)

    # Adding and removing--------------------------------------------------------------------------------------

    def rows_for(self, lead_ids: Collection[str]) -> list[int]:
        """The rows of these leads, known ones without what is stored in other arrays."""
        for lead_id in lead_ids:
            if (row := self.rows.get(lead_id)) is not None:
                self._forget(row)
        self._new_rows([lead_id for lead_id in lead_ids if lead_id not in self.rows])
        return [self.rows[lead_id] for lead_id in lead_ids]

    def derive(self, row: int, lead: Lead) -> None:
        """Set fit scores and stages from traits and latches."""
        self.cards.scores["fit"][row] = [fit_of(card, lead) for card in self.rules.cards]
        latches = [lead.latches.get(rule.key) for card in self.rules.cards for rule in card.stages]
        self.cards.inside[row] = [latch is not None and latch.inside for latch in latches]

    def as_leads(self, rows: Sequence[int]) -> list[Lead]:
        """Convert rows to leads; the rows stay in the table."""
        leads: list[Lead] = []
        at = np.array(rows, np.int64)
        derived = self.leads[["calm_until", "slack", "due", "stale", "unsent"]][at].tolist()
        scores = self.cards.scores[at].tolist()
        for blob, (calm_until, slack, due, stale, unsent), pairs in zip(
            self.pack(at).blobs(), derived, scores, strict=True
        ):
            lead = decode(blob)
            assert isinstance(lead, Lead)
            lead.calm_until, lead.slack, lead.due = calm_until, slack, None if due == NEVER else due
            lead.stale, lead.unsent = bool(stale), bool(unsent)
            for name, (fit, shown) in zip(self.card_names, pairs, strict=True):
                lead.fits[name] = fit
                if shown != NOT_SHOWN:
                    lead.shown[name] = shown
            leads.append(lead)
        return leads

    def remove(self, row: int) -> None:
        """Remove a lead."""
        self.index.remove(row)
        self._forget(row)
        self.leads["touched"][row] = 0
        del self.rows[self.ids[row]]
        self.ids[row] = ""
        self._free.append(row)

    def _forget(self, row: int) -> None:
        """Free everything of a row that is stored in other arrays."""
        kernel_memory.forget(self.leads, self.recent, row, True)
        if self.windows.used[0] > 1 and self.slots.windows[row, : self.leads["size"][row]].any():
            kernel_windows.forget_windows(self.leads, self.slots, self.windows, row)
        self.rare.remove(row)

    def add_new_leads(self, lead_ids: Sequence[str], ats: Column, arrivals: Column, slack: float) -> list[int]:
        """Add new leads at their first events; return their rows."""
        rows = self._new_rows(lead_ids)
        for name in ("base", "first_seen", "last_seen"):
            self.leads[name][rows] = ats
        self.leads["clock"][rows] = arrivals
        self.leads["calm_until"][rows], self.leads["slack"][rows] = (np.inf, slack) if slack > 0 else (-np.inf, -np.inf)
        return rows

    def _remembered(self, row: int) -> set[tuple[int, int]]:
        """The recent events of a row: (digest, ms after base)."""
        lead = self.leads[row]
        places = lead["block"] + (lead["first"] + np.arange(lead["recents"])) % (MIN_ROOM << int(lead["room"]))
        ats = self.recent.events[places] >> GROUP_BITS
        return set(zip(self.recent.digests[places].tolist(), ats.tolist(), strict=True))

    # Room -----------------------------------------------------------------------------------------------------

    def _new_rows(self, lead_ids: Sequence[str]) -> list[int]:
        rows = []
        for lead_id in lead_ids:
            if self._free:
                row = self._free.pop()
                self.ids[row] = lead_id
            else:
                row = len(self.ids)
                self.ids.append(lead_id)
            self.rows[lead_id] = row
            rows.append(row)
        self.index.add([lead_id.encode() for lead_id in lead_ids], rows)
        while len(self.ids) > len(self.leads):
            self._lengthen()
        self.leads[rows] = _NEW_ROW
        self.cards.scores[rows], self.cards.inside[rows] = self.no_scores, 0
        return rows

    def _lengthen(self) -> None:
        size = grown(len(self.leads))
        for column in (self.leads, *self.slots, *self.cards):
            lengthen(column, size)

    def widen(self) -> None:
        """Double the number of signals that a lead can have."""
        rows, width = self.slots.names.shape
        self.slots = Slots(*map(widened, self.slots, new_slots(rows, 2 * width)))

    def lengthen_recent(self, leads: int = 1) -> None:
        """Make sure that so many more leads can remember the maximum."""
        r = self.recent
        columns = (r.digests, r.events, r.offsets, *((r.values,) if len(r.values) else ()))
        ensure_length(columns, r.used[0] + leads * ROOM)
        ensure_length((r.old,), r.used[1] + leads * kernel_memory.OLD_BLOCKS * OLDER)

    def lengthen_windows(self, windows: int) -> None:
        """Make sure that this many windows can be added and filled."""
        w = self.windows
        ensure_length((w.windows,), w.used[0] + windows)
        ensure_length((w.ats, w.values), w.used[1] + windows * WINDOW_ROOM)

    def keep_values(self) -> None:
        """Start to store the values that distinct signals count for recent events."""
        if not len(self.recent.values):
            self.recent = self.recent._replace(values=np.zeros(len(self.recent.events), np.uint64))

    def make_room(self, row: int, hits: int) -> None:
        """Lengthen the columns so that one more event of this lead can be applied."""
        if self.leads[row]["size"] + hits > self.slots.names.shape[1]:
            self.widen()
        self.lengthen_recent()
        self.lengthen_windows(hits)

    # The stored form ------------------------------------------------------------------------------------------

    def pack(self, rows: Column) -> Packed:
        """Encode rows, at least one, in their stored form."""
        lead_ids = [self.ids[row] for row in rows.tolist()]
        texts = [lead_id.encode() for lead_id in lead_ids]
        texts += self.rare.texts(rows[self.leads["rare"][rows] == 1].tolist())
        text, ends = Text(b"".join(texts)), np.zeros(len(texts) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=ends[1:])
        room = kernel_stored.room_for(
            self.leads, self.slots, self.recent, self.windows, self.signals.groups, rows, len(text.bytes)
        )
        wire, spans = Output(room), np.zeros((len(rows), 2), np.int64)
        kernel_stored.encode(
            self.leads, self.slots, self.recent, self.windows, self.model, self.signals.groups, VERSION, rows,
            text.address, ends, wire.address, spans,
        )  # fmt: skip
        return Packed(lead_ids, wire.written(int(spans[-1, 1])), spans.data)
