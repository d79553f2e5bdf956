"""Score the leads of a shard: plain events in compiled code, all other inputs as the reference does.

This is the reference ``Scorer`` with a table: leads are rows if they fit (see ``fitting``), else objects. For an input
that is not plain, a row becomes an object for a while. The results have the same bytes as those of the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from streams.accelerator.batch import ColumnBatch
from streams.accelerator.id_index import NOWHERE
from streams.accelerator.kernels import apply as kernel
from streams.accelerator.layout import INPUT, KIND, NEVER, NOT_SHOWN, Column, Floats
from streams.accelerator.leads import AcceleratedLeads
from streams.accelerator.rare import Noted
from streams.accelerator.readings import after, idle_in, standings, update_scores
from streams.accelerator.rules import amount_of, value_of
from streams.scoring.interface import PlainBatch
from streams.scoring.outcome import Outcome
from streams.scoring.score import Standing, published
from streams.scoring.scorer import CLOSE_MS

_NO_ROWS: Final = np.zeros(0, np.int64)


class AcceleratedScorer(AcceleratedLeads):
    """The leads of one shard, changed by events, control records and time."""

    # Inputs ---------------------------------------------------------------------------------------------------

    def apply_batch(self, batch: ColumnBatch) -> None:  # type: ignore[override]
        """Apply the inputs of a batch; ``missing`` was called for it and all leads are loaded."""
        table = self._table
        events = np.zeros(len(batch.kinds), INPUT)
        self._match(batch, events)
        events["row"] = self._rows(batch)
        self._rows_of_step.append(events["row"][events["row"] != NOWHERE])
        events["arrival"], events["at"], events["digest"] = batch.arrivals, batch.ats, batch.digests
        events["known"], events["offset"] = batch.known, batch.offsets
        noted, fits = self._note_extras(batch, events)
        left, counts, begin, lefts = np.zeros(len(events), np.int64), np.zeros(4, np.int64), 0, 0
        fired = np.zeros(len(table.signals.numbers), np.int64)
        while True:
            begin, more = kernel.apply(
                table.leads, table.slots, table.cards, table.recent, table.windows, table.model, table.plain.columns,
                events, fits, begin, self.change is not None, left[lefts:], counts, fired,
            )  # fmt: skip
            lefts += more
            if begin == len(events):
                break
            table.make_room(int(events[begin]["row"]), table.plain.most_hits)
        self.outcome.tally.update(dict(zip(kernel.TALLIES, counts.tolist(), strict=True)))
        numbers = list(table.signals.numbers)
        for number in np.flatnonzero(fired).tolist():
            self.outcome.fired[self.rules.by_id[numbers[number]].name] += int(fired[number])
        remaining = left[:lefts].tolist()
        self._keep_extras(noted, remaining)
        self._note_amounts(batch, np.flatnonzero(events["counted"]).tolist(), events["row"])
        self._apply_left_inputs(batch, remaining)

    def _note_extras(self, batch: ColumnBatch, events: Column) -> tuple[dict[int, Noted], Floats]:
        """Note traits and campaigns before the kernel applies the events, and set ``refit`` where fits change.

        Events with traits are left to ``Scorer`` if their lead was not scored by these rules, or may leave an account.

        Returns:
            What was noted, by index in the batch, and the changed fits.
        """
        noted, fits, leads, rows = dict[int, Noted](), list[list[float]](), self._table.leads, events["row"]
        events["refit"] = -1
        for i in sorted(batch.extras):
            event, row = batch.extras[i], int(rows[i])
            if row == NOWHERE or event.arrival <= leads["erased_at"][row]:
                continue
            if event.traits is not None and (leads["calm_until"][row] == -np.inf or self.may_move(event)):
                events["match"][i] = kernel.NOT_PLAIN
                continue
            noted[i] = new = self._table.rare.note(row, event, self.rules)
            if new.fits is not None:
                events["refit"][i] = len(fits)
                fits.append(new.fits)
        return noted, np.array(fits, np.float64).reshape(len(fits), len(self.rules.cards))

    def _keep_extras(self, noted: dict[int, Noted], left: Sequence[int]) -> None:
        """Undo what was noted of the events that the kernel left."""
        for i in reversed(left):
            if i in noted:
                self._table.rare.undo(noted.pop(i))
        if left_out := sum([each.left_out for each in noted.values()]):
            self.outcome.tally["traits_left_out"] += left_out

    def _note_amounts(self, batch: ColumnBatch, counted: Sequence[int], rows: Column) -> None:
        """Note the amounts of the events that the kernel counted."""
        for event, row in zip(batch.events(counted), rows[counted].tolist(), strict=True):
            for hit in self.rules.match(event.name, event.values).hits:
                if hit.rule.amount_at is not None:
                    self._table.rare.note_detail(row, event, hit)
                    self.outcome.amounts.setdefault(hit.rule.name, []).append(hit.amount)

    def _match(self, batch: ColumnBatch, events: Column) -> None:
        """Set the match number of each event for the kernel, the hash of the value that it counts, and its amount."""
        kinds = batch.known_kinds
        if kinds is not self._kinds:
            self._forget_matches()
            self._kinds = kinds
        if len(self._matches) < len(kinds):
            new = [self.rules.match(*kind) for kind in kinds[len(self._matches) :]]
            rows = [(self._table.plain.number(match), value_of(match), amount_of(match)) for match in new]
            self._matches = np.append(self._matches, np.array(rows, KIND))
        plain = batch.kinds >= 0
        events["match"] = kernel.NOT_PLAIN
        for name in ("match", "value", "amount"):
            events[name][plain] = self._matches[name][batch.kinds[plain]]

    def _rows(self, batch: ColumnBatch) -> Column:
        """The row of each event; new leads get new rows."""
        known, rows, unmatched_ids = self._table.rows, batch.rows, batch.unmatched_ids
        first: dict[str, int] = {}
        for i, lead_id in unmatched_ids.items():
            first.setdefault(lead_id, i)
        states, at_home, alone = self.states, self.at_home, batch.alone
        new = [i for lead_id, i in first.items() if i not in alone and lead_id not in known and states[lead_id] is None]
        late_ms = self._table.model.late_ms
        new = [i for i in new if at_home(unmatched_ids[i]) and batch.arrivals[i] - batch.ats[i] <= late_ms]
        if new and self._table.usable and self.fresh_slack > 0:  # else a new lead may enter a stage at once
            ids = [unmatched_ids[i] for i in new]
            arrivals = np.maximum(batch.arrivals[new], self.since_ms)
            self._table.add_new_leads(ids, batch.ats[new], arrivals, self.fresh_slack)
            for lead_id in ids:
                del states[lead_id]
            self.outcome.tally["leads"] += len(new)
        for i, lead_id in unmatched_ids.items():
            rows[i] = known.get(lead_id, NOWHERE)
        return rows

    def _apply_left_inputs(self, batch: ColumnBatch, left: Sequence[int]) -> None:
        """Apply the inputs that the kernel left to ``Scorer``."""
        if left:
            inputs = batch.inputs(left)
            with self._leads_as_objects(dict.fromkeys([item.lead_id for item in inputs])):
                super().apply_batch(PlainBatch(list(zip(map(batch.offset, left), inputs, strict=True))))

    # Time -----------------------------------------------------------------------------------------------------

    def advance_due(self, lead_ids: Iterable[str], now_ms: int) -> None:
        """Apply the changes that fell due by ``now_ms``, and find out when each lead is due again.

        A row stays in the table if no stage changes and its score changed or its next change is not close; its due time
        is then a lower bound of the next change. ``Scorer`` handles all others.
        """
        leads, lead_ids = self._table.leads, dict.fromkeys(lead_ids)
        rows = self._rows_of(lead_ids)
        nows = np.maximum(leads["clock"][rows], now_ms)
        calm = (nows < leads["calm_until"][rows]) & (leads["touched"][rows] == 0) & (self.change is None)
        calm &= not self.is_upgrading
        calm &= idle_in(self._table, rows, nows) > 0
        rows, nows = rows[calm], nows[calm]
        changed, _, change, _ = update_scores(self._table, self.outcome.ranks, rows, nows)
        far = changed | (change >= CLOSE_MS)
        rows, nows, change = rows[far], nows[far], change[far]
        self.outcome.dirty.update(self._table.ids[row] for row in rows[leads["unsent"][rows] == 1].tolist())
        self._schedule(rows, after(nows, np.minimum(change, idle_in(self._table, rows, nows))))
        done = {self._table.ids[row] for row in rows.tolist()}
        others = [lead_id for lead_id in lead_ids if lead_id not in done]
        with self._leads_as_objects(others):
            super().advance_due(others, now_ms)

    def _rows_of(self, lead_ids: Iterable[str]) -> Column:
        """The rows of those of these leads that are in the table."""
        known = self._table.rows
        return np.array([row for i in lead_ids if (row := known.get(i)) is not None], np.int64)

    def _schedule(self, rows: Column, at: Column) -> None:
        """Set the due times of rows."""
        self._table.leads["due"][rows] = at
        due = self.outcome.due
        for row, at_ms in zip(rows.tolist(), at.tolist(), strict=True):
            due[self._table.ids[row]] = None if at_ms == NEVER else at_ms

    # The end of a step ----------------------------------------------------------------------------------------

    def finish(self) -> Outcome:
        """End the step and return what it changed."""
        outcome = super().finish()
        table, leads = self._table, self._table.leads
        rows = np.unique(np.concatenate([_NO_ROWS, *self._rows_of_step]))
        rows = rows[leads["touched"][rows] == 1]
        self._rows_of_step.clear()
        if len(rows):
            leads["touched"][rows], leads["stuck"][rows], leads["stale"][rows] = 0, 0, 1
            outcome.packed = table.pack(rows)
            outcome.dirty.update(outcome.packed.lead_ids)
        table.rare.end_step()
        states = self.states
        self.put_leads({lead_id: state for lead_id in outcome.blobs if (state := states.get(lead_id)) is not None})
        return outcome

    def update_ranking(self, lead_ids: Iterable[str]) -> None:
        """Work out the ranking and the due time of leads that earlier steps changed."""
        lead_ids = list(lead_ids)
        known, leads = self._table.rows, self._table.leads
        rows = self._rows_of(lead_ids)
        rows = rows[leads["stale"][rows] == 1]
        idle = idle_in(self._table, rows, leads["clock"][rows]) <= 0  # ``Scorer`` knows until when
        unsure = [self._table.ids[row] for row in rows[idle].tolist()]
        with self._leads_as_objects(unsure):
            super().update_ranking([*unsure, *(lead_id for lead_id in lead_ids if lead_id not in known)])
        rows = rows[~idle]
        if not len(rows):
            return
        nows = leads["clock"][rows]
        _, calm, change, slack = update_scores(self._table, self.outcome.ranks, rows, nows)
        decided = leads["calm_until"][rows] != -np.inf
        leads["calm_until"][rows[decided]] = nows[decided] + calm[decided] - 1
        leads["slack"][rows[decided]] = slack[decided]
        at, due = after(nows, np.minimum(change, idle_in(self._table, rows, nows))), leads["due"][rows]
        sooner = (at != NEVER) & ((due == NEVER) | (at < due))
        self._schedule(rows[sooner], at[sooner])

    def standings(self, lead_ids: Iterable[str], at_ms: int) -> dict[str, list[Standing]]:
        """Score and stage of each lead on each scorecard, at ``at_ms`` or at its clock if that is later."""
        known, lead_ids = self._table.rows, list(lead_ids)
        found = standings(self._table, [known[i] for i in lead_ids if i in known], at_ms)
        return found | super().standings([i for i in lead_ids if i not in known], at_ms)

    def unsent(self, lead_ids: Iterable[str]) -> list[str]:
        """The leads whose score or stage must be published, including redirects and erasures."""
        rows, unsent, lead_ids = self._table.rows, self._table.leads["unsent"], list(lead_ids)
        others = set(super().unsent([i for i in lead_ids if i not in rows]))
        return [i for i in lead_ids if (unsent[rows[i]] if i in rows else i in others)]

    def ahead(self, standings: Mapping[str, Sequence[Standing]]) -> list[str]:
        """The leads of which a score differs from the one in the ranking."""
        rows, scores, found = self._table.rows, self._table.cards.scores["shown"], list[str]()
        for lead_id in standings.keys() & rows.keys():
            shown = zip(self.rules.cards, scores[rows[lead_id]].tolist(), standings[lead_id], strict=True)
            if any(known == NOT_SHOWN or published(s.score.exact) != card.shown(known) for card, known, s in shown):
                found.append(lead_id)
        return found + super().ahead({i: known for i, known in standings.items() if i not in rows})

    def mark_sent(self, lead_ids: Iterable[str]) -> None:
        """Note that the current scores of these leads were published."""
        lead_ids = list(lead_ids)
        self._table.leads["unsent"][self._rows_of(lead_ids)] = 0
        super().mark_sent(lead_ids)
