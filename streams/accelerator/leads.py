"""Keep the leads of one shard in memory: in the table, or as objects in the reference scorer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any

import numpy as np

from streams.accelerator.batch import ColumnBatch
from streams.accelerator.fitting import fits
from streams.accelerator.id_index import NOWHERE
from streams.accelerator.layout import KIND, Column
from streams.accelerator.loading import put_leads
from streams.accelerator.rules import is_beyond_kernels, latest_of
from streams.accelerator.table import Table
from streams.scoring.lead import Lead, State
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange
from streams.scoring.scorer import Scorer


class AcceleratedLeads(Scorer):
    """The leads of one shard in memory."""

    def __init__(self, rules: Rules, at_home: Callable[[str], bool] = lambda lead_id: True) -> None:
        """Start with no lead loaded; ``at_home`` decides whether an unknown lead belongs to this shard."""
        super().__init__(rules, at_home)
        self._table = Table(rules)
        self._rows_of_step = list[Column]()
        """Every row that the current step may have touched."""
        self._forget_matches()

    def change_rules(self, change: RulesChange) -> None:
        """Use other rules from now on. Every lead is settled by the change before anything else happens to it."""
        other = is_beyond_kernels(change.new) or bool(latest_of(change.new) - latest_of(self.rules))
        with self._leads_as_objects(list(self._table.rows) if other else ()):
            super().change_rules(change)
            self._table.use_rules(change.new)
            self._forget_matches()

    def _forget_matches(self) -> None:
        self._kinds: list[tuple[str, tuple[Any, ...]]] = []
        """``known_kinds`` of the last batch."""
        self._matches = np.zeros(0, KIND)
        """What each kind matches."""

    # What is in memory ----------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._table.rows) + len(self.states)

    def knows(self, lead_id: str) -> bool:
        """Whether a lead is in memory or known to have no state."""
        return lead_id in self._table.rows or lead_id in self.states

    def missing(self, batch: ColumnBatch) -> list[str]:  # type: ignore[override]
        """The leads of a batch that must be loaded, each once."""
        batch.rows = self._table.index.find(batch.text, batch.lead_at, batch.lead_size)
        known, states = self._table.rows, self.states
        for i in np.flatnonzero(batch.rows == NOWHERE).tolist():
            lead_id = batch.unmatched_ids[i] = batch.lead_id(i)
            batch.rows[i] = known.get(lead_id, NOWHERE)  # it does not find very long ids
        return [i for i in dict.fromkeys(batch.unmatched_ids.values()) if i not in states and i not in known]

    def put_leads(self, states: Mapping[str, State | None]) -> None:
        """Put leads into the table if they fit, else as objects; None for a lead without a state."""
        leads = {i: lead for i, lead in states.items() if isinstance(lead, Lead)} if self._table.usable else {}
        room = self._table.signals.has_room_for
        fitting = {lead_id: lead for lead_id, lead in leads.items() if fits(lead, self.rules) and room(lead.sets)}
        for lead_id, state in states.items():
            if lead_id in fitting:
                self.states.pop(lead_id, None)
                continue
            if lead_id in self._table.rows:
                self._table.remove(self._table.rows[lead_id])
            self.states[lead_id] = state
        if fitting:
            put_leads(self._table, fitting)

    def states_of(self, lead_ids: Sequence[str]) -> dict[str, State | None]:
        """The states of leads in memory, for reading only."""
        found = {i: row for i in lead_ids if (row := self._table.rows.get(i)) is not None}
        leads = self._table.as_leads([*found.values()]) if found else ()
        return super().states_of(lead_ids) | dict(zip(found, leads, strict=True))

    def trim(self, most: int) -> None:
        """Keep ``most`` leads in memory: rows with the latest events, and the other leads loaded last."""
        rows, states = np.array(list(self._table.rows.values()), np.int64), self.states
        share = 1 - most / max(len(self), most)
        for lead_id in list(states)[: ceil(len(states) * share)]:
            del states[lead_id]
        for row in rows[self._table.leads["clock"][rows].argsort(kind="stable")][: ceil(len(rows) * share)].tolist():
            self._table.remove(row)

    def clear(self) -> None:
        """Forget every lead."""
        super().clear()
        self._table = Table(self.rules)
        self._rows_of_step.clear()
        self._forget_matches()

    @contextmanager
    def _leads_as_objects(self, lead_ids: Iterable[str]) -> Iterator[None]:
        """Move leads from the table to ``Scorer`` for a while, then move those that fit back.

        After an exception they are not moved back: the lane ends, and its leads are loaded again.
        """
        known, touched = self._table.rows, self.touched
        moved = self._move_to_objects(lead_ids)
        yield
        self.put_leads({lead_id: self.states[lead_id] for lead_id in moved})
        placed = [known[i] for i in moved if i in known and touched.pop(i, None) is not None]
        self._table.leads["touched"][placed] = 1
        self._rows_of_step.append(np.array(placed, np.int64))

    def _move_to_objects(self, lead_ids: Iterable[str]) -> list[str]:
        """Move those of these leads that are in the table to the objects of ``Scorer``; returns their ids."""
        table, found = self._table, [lead_id for lead_id in lead_ids if lead_id in self._table.rows]
        rows = [table.rows[lead_id] for lead_id in found]
        for lead_id, row, lead in zip(found, rows, table.as_leads(rows) if rows else [], strict=True):
            self.states[lead_id] = lead
            if table.leads["touched"][row]:
                self.touched[lead_id] = lead
        return found
