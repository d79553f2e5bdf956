"""Leads in columns: what a Lead says, row by row, for ``kernel``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streams.scoring import kernel, kernel_memory, kernel_stored
from streams.scoring.batch import Batch
from streams.scoring.columns import (
    BITS,
    BOUND,
    CARD,
    HIT,
    MATCH,
    NEVER,
    SIGNAL,
    STAGE,
    WEIGHT,
    Column,
    Groups,
    Matches,
    Model,
    Slots,
    lengthen,
    new_cards,
    new_leads,
    new_recent,
    new_slots,
    widened,
)
from streams.scoring.lead import Lead
from streams.scoring.names import NOWHERE, Names
from streams.scoring.rules import Match, Rules, StageRule
from streams.scoring.score import fit_of
from streams.scoring.stored import VERSION, decode, decode_rare, encode_rare
from streams.scoring.text import PADDING

_AS_IT_IS = (
    "base", "clock", "first_seen", "last_seen", "erased_at", "calm_until", "slack", "known", "stale", "unsent",
)  # fmt: skip
"""Parts of a lead that rows have by the same names."""
_NOBODY = new_leads(1)[0]
"""A row as it begins."""
_NOBODY["due"], _NOBODY["stale"], _NOBODY["unsent"] = NEVER, 1, 1
ROWS, PLACES, BLOCKS, WIDTH = 1024, 8192, 64, 8
BLOB_BYTES = 1 << 20


class Signals:
    """Numbers for the ids of signals, of sets of them, and of what events match; the same as long as the table is."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self._groups: dict[tuple[int, ...], int] = {}
        self._starts, self._members = [0], list[int]()
        self.groups = Groups(np.zeros(1, np.int64), np.zeros(0, np.int64))

    def number(self, signal: int) -> int:
        """The number of a signal's id."""
        return self.numbers.setdefault(signal, len(self.numbers))

    def group(self, signals: tuple[int, ...]) -> int:
        """The number of a set of ids."""
        known = self._groups.get(signals)
        if known is None:
            known = self._groups[signals] = len(self._groups)
            self._members += map(self.number, signals)
            self._starts.append(len(self._members))
            self.groups = Groups(np.array(self._starts), np.array(self._members, np.int64))
        return known


class Plain:
    """What events may match, as ``kernel`` takes it; only matches without limit, value or amount."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._numbers: dict[tuple[int, ...], int] = {}
        self.matches: list[Match] = []
        self.columns = self._columns()

    def number(self, match: Match) -> int:
        """The number of a match, ``kernel.PARTICULAR`` for one that is not plain."""
        if match.particular:
            return kernel.PARTICULAR
        known = self._numbers.get(match.signals)
        if known is None:
            known = self._numbers[match.signals] = len(self.matches)
            self.matches.append(match)
            self.columns = self._columns()
        return known

    @property
    def most_hits(self) -> int:
        """The most signals that one event matches."""
        return max((len(match.hits) for match in self.matches), default=0)

    def _columns(self) -> Matches:
        matches, hits = np.zeros(len(self.matches), MATCH), list[tuple[int, float]]()
        for row, match in zip(matches, self.matches, strict=True):
            first = len(hits)
            hits += [(self._signals.number(hit.signal), hit.amount) for hit in match.hits]
            group = self._signals.group(match.signals)
            row["first"], row["last"], row["gain"], row["lowers"], row["group"] = (
                first, len(hits), match.gain, match.lowers, group,
            )  # fmt: skip
        return Matches(matches, np.array(hits, HIT))


def model_of(rules: Rules, signals: Signals) -> Model:
    """The scorecards as arrays."""
    for rule in rules.by_id.values():
        signals.number(rule.id)
    cards, count = rules.cards, len(signals.numbers)
    weights, known = np.zeros((len(cards), count), WEIGHT), np.zeros(count, SIGNAL)
    weights["worth"] = np.nan
    known["id"] = list(signals.numbers)
    for rule in rules.by_id.values():
        known["rate"][signals.number(rule.id)] = rule.inverse_half_life
    bounds = np.zeros((len(cards), max((len(card.bounds) for card in cards), default=1)), BOUND)
    rows, stages = np.zeros(len(cards), CARD), list[StageRule]()
    for i, card in enumerate(cards):
        for signal, weight in card.weights.items():
            weights[i, signals.number(signal)] = weight[:3]
        bounds[i, : len(card.bounds)] = card.bounds
        rows[i] = (card.minimum, card.maximum, len(stages), len(stages) + len(card.stages))
        stages += card.stages
    blocked = np.zeros((len(stages), count), np.uint8)
    for i, stage in enumerate(stages):
        blocked[i, [signals.number(signal) for signal in stage.blocking]] = 1
    limits = [(stage.enter, stage.leave, stage.needs_fit, stage.needs_engagement) for stage in stages]
    return Model(weights, known, bounds, rows, np.array(limits, STAGE), blocked)


class Table:
    """Rows of leads, by id."""

    def __init__(self, rules: Rules) -> None:
        self.rows: dict[str, int] = {}
        self.ids: list[str] = []
        """Lead ids by row, empty for a row that is free."""
        self._names_of_rows = Names()
        self._free: list[int] = []
        self._rare: dict[int, bytes] = {}
        self.signals = Signals()
        self.leads = new_leads(ROWS)
        self.slots = new_slots(ROWS, WIDTH)
        self.recent = new_recent(PLACES, BLOCKS)
        self.cards: Any = None
        self._names: list[str] = []
        self._out = np.zeros(BLOB_BYTES, np.uint8)
        self.use(rules)

    def use(self, rules: Rules) -> None:
        """Read leads by these scorecards."""
        self.rules = rules
        self.plain = Plain(self.signals)
        self.model = model_of(rules, self.signals)
        stages = sum(len(card.stages) for card in rules.cards)
        old = {} if self.cards is None else dict(zip(self._names, self.cards.scores["shown"].T, strict=True))
        self.cards = new_cards(len(self.leads), len(rules.cards), stages)
        self._no_scores = new_cards(1, len(rules.cards), 0).scores[0]
        self._no_scores["fit"] = [card.fit({}) for card in rules.cards]
        self.cards.scores[:] = self._no_scores
        self._names = [card.name for card in rules.cards]
        for i, card in enumerate(rules.cards):
            if card.name in old:
                self.cards.scores["shown"][:, i] = old[card.name]
        self.leads["calm_until"] = self.leads["slack"] = -np.inf
        for row, rare in self._rare.items():
            lead = Lead(0)
            decode_rare(lead, rare)
            self._derive(row, lead)

    # Leads in and out -----------------------------------------------------------------------------------------

    def put(self, lead_id: str, lead: Lead) -> int:
        """Take a lead in, or take it as it is now; it must be fit for columns."""
        row = self.rows.get(lead_id, NOWHERE)
        if row == NOWHERE:
            row = self._new_rows([lead_id])[0]
        else:
            kernel_memory.forget(self.leads, self.recent, row, True)
            self._rare.pop(row, None)
        size = len(lead.signals)
        while size > self.slots.names.shape[1]:
            self._widen()
        kept, slots = self.leads[row], self.slots.slots[row, :size]
        for name in _AS_IT_IS:
            kept[name] = getattr(lead, name)
        kept["due"], kept["size"] = NEVER if lead.due is None else lead.due, size
        kept["touched"], kept["stuck"], kept["rare"] = 0, 0, 0
        self.slots.names[row, :size] = [self._numbered(signal) for signal in lead.signals]
        slots["amount"], slots["ref"], slots["count"] = lead.amount, lead.ref, lead.count
        self._put_recent(row, lead)
        if rare := encode_rare(lead):
            self._rare[row], kept["rare"] = rare, 1
        self._derive(row, lead)
        for i, name in enumerate(self._names):
            self.cards.scores["shown"][row, i] = lead.shown.get(name, NEVER)
        return row

    def _numbered(self, signal: int) -> int:
        """The number of a signal, which the scorecards may not know."""
        if signal not in self.signals.numbers:
            self.signals.number(signal)
            self.model = model_of(self.rules, self.signals)
        return self.signals.number(signal)

    def _put_recent(self, row: int, lead: Lead) -> None:
        if not (lead.recent or lead.ring):
            return
        for signals in lead.sets:
            for signal in signals:
                self._numbered(signal)
        self._make_room(128, 1)
        groups = np.array([self.signals.group(signals) for signals in lead.sets], np.int64)
        kernel_memory.unpack(self.leads, self.recent, row, _octets(lead.recent), groups, _octets(lead.ring))

    def _derive(self, row: int, lead: Lead) -> None:
        """What traits and latches come to."""
        stage = 0
        for i, card in enumerate(self.rules.cards):
            self.cards.scores["fit"][row, i] = fit_of(card, lead)
            for rule in card.stages:
                latch = lead.latches.get(rule.key)
                self.cards.inside[row, stage] = latch is not None and latch.inside
                stage += 1

    def as_leads(self, rows: Sequence[int]) -> list[Lead]:
        """The leads of these rows, which stay as they are."""
        leads: list[Lead] = []
        at = np.array(rows, np.int64)
        derived = self.leads[["calm_until", "slack", "due", "stale", "unsent"]][at].tolist()
        shown = self.cards.scores["shown"][at].tolist()
        for blob, (calm_until, slack, due, stale, unsent), scores in zip(self.encode(at), derived, shown, strict=True):
            lead = decode(blob)
            assert isinstance(lead, Lead)
            lead.calm_until, lead.slack, lead.due = calm_until, slack, None if due == NEVER else due
            lead.stale, lead.unsent = bool(stale), bool(unsent)
            lead.shown = {name: score for name, score in zip(self._names, scores, strict=True) if score != NEVER}
            leads.append(lead)
        return leads

    def find(self, batch: Batch) -> Column:
        """The rows of the leads of a batch; NOWHERE for those that have none, and for a few that have."""
        return self._names_of_rows.find(batch.text, batch.lead_at, batch.lead_size)

    def remove(self, row: int) -> None:
        """Forget a row."""
        self._names_of_rows.remove(row)
        kernel_memory.forget(self.leads, self.recent, row, True)
        self.leads["touched"][row] = 0
        del self.rows[self.ids[row]]
        self.ids[row] = ""
        self._rare.pop(row, None)
        self._free.append(row)

    def fresh(self, lead_ids: Sequence[str], ats: Column, arrivals: Column, slack: float) -> list[int]:
        """Leads begin, with their first events."""
        rows = self._new_rows(lead_ids)
        for name in ("base", "first_seen", "last_seen"):
            self.leads[name][rows] = ats
        self.leads["clock"][rows] = arrivals
        self.leads["calm_until"][rows], self.leads["slack"][rows] = (np.inf, slack) if slack > 0 else (-np.inf, -np.inf)
        return rows

    def stages(self, rows: Column) -> list[list[str | None]]:
        """The stage of each row, by scorecard: the last one it is inside of in file order."""
        columns: list[list[str | None]] = []
        first = 0
        for card in self.rules.cards:
            names = [None, *(rule.stage.name for rule in card.stages)]
            inside = self.cards.inside[rows, first : first + len(card.stages)]
            last = (inside * np.arange(1, len(names))).max(axis=1, initial=0)
            columns.append([names[at] for at in last.tolist()])
            first += len(card.stages)
        return [list(row) for row in zip(*columns, strict=True)]

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
        self._names_of_rows.add([lead_id.encode() for lead_id in lead_ids], rows)
        while len(self.ids) > len(self.leads):
            self._lengthen()
        self._blank(rows)
        return rows

    def _blank(self, rows: list[int]) -> None:
        self.leads[rows] = _NOBODY
        self.cards.scores[rows], self.cards.inside[rows] = self._no_scores, 0

    def _lengthen(self) -> None:
        size = _more(len(self.leads))
        for column in (self.leads, *self.slots, *self.cards):
            lengthen(column, size)

    def _widen(self) -> None:
        rows, width = self.slots.names.shape
        self.slots = Slots(*map(widened, self.slots, new_slots(rows, 2 * width)))

    def _make_room(self, places: int, blocks: int) -> None:
        r = self.recent
        for columns, wanted in (((r.digests, r.events), r.used[0] + places), ((r.old,), r.used[1] + blocks)):
            size = len(columns[0])
            while size < wanted:
                size = _more(size)
            if size > len(columns[0]):
                for column in columns:
                    lengthen(column, size)

    def make_room(self, row: int, hits: int) -> None:
        """Make the columns longer, so that one more event of this lead can be taken."""
        if self.leads[row]["size"] + hits > self.slots.names.shape[1]:
            self._widen()
        self._make_room(128, 1)

    # The stored form ------------------------------------------------------------------------------------------

    def encode(self, rows: Column) -> list[bytes]:
        """The stored forms of these rows."""
        blobs: list[bytes] = []
        ends = np.zeros(len(rows), np.int64)
        begin, bits = 0, self.slots.slots.view(BITS)
        while begin < len(rows):
            done = kernel_stored.encode(
                self.leads, self.slots, bits, self.recent, self.model, self.signals.groups, VERSION, rows, begin,
                self._out.ctypes.data, len(self._out) - PADDING, ends,
            )  # fmt: skip
            if done == begin:
                self._out = np.zeros(2 * len(self._out), np.uint8)
                continue
            written = self._out[: ends[done - 1]].tobytes()
            at = 0
            for end in ends[begin:done].tolist():
                blobs.append(written[at:end])
                at = end
            begin = done
        if self._rare:
            for i, row in enumerate(rows.tolist()):
                if (rare := self._rare.get(row)) is not None:
                    blobs[i] += rare
        return blobs


def _more(size: int) -> int:
    """How long a column is to be next."""
    return size + size // 4 + 1


def _octets(text: bytes) -> Column:
    return np.frombuffer(text, np.uint8)
