"""Keep the leads of one shard in memory, with what the current step changed and how time passes for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from streams.scoring.account_state import Account
from streams.scoring.account_steps import leave_accounts, may_move
from streams.scoring.accounts import values_of
from streams.scoring.crossing import bound_next_change
from streams.scoring.event import Control, LeadEvent
from streams.scoring.forgetting import forget_before
from streams.scoring.interface import Batch
from streams.scoring.lead import Erased, Latch, Lead, Redirect, State
from streams.scoring.outcome import Crossing, Forward, Outcome
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange, leave_lost_stages, pass_time, settle_change
from streams.scoring.sales_rows import entered_row, verdict_row
from streams.scoring.score import read
from streams.scoring.stages import DECAY, SCORECARD, Transition, advance, note_calm, settle
from streams.scoring.stored import decode, encode
from streams.scoring.verdict_counts import last_alerts, relate_verdict
from streams.scoring.verdicts import NOTE, OWNER, Verdict


class Leads:
    """The loaded leads, the rules that score them, and the outcome of the step so far."""

    def __init__(self, rules: Rules, at_home: Callable[[str], bool] = lambda lead_id: True) -> None:
        """Start with no lead loaded; ``at_home`` decides whether an unknown lead belongs to this shard."""
        self.at_home = at_home
        self._set_rules(rules)
        self.states: dict[str, State | None] = {}
        """Loaded leads by id; None if the lead is known to have no state."""
        self.at = 0
        """Offset of the record being applied."""
        self.change: RulesChange | None = None
        """The last change of the scorecards, while some leads have not been settled by it."""
        self.since_ms = 0
        """When these rules came into force: the clock of a new lead is not before that."""
        self.is_upgrading = 0
        """When the last record arrived that an earlier version may have scored, which does not forget leads; else 0."""
        self.touched: dict[str, Lead] = {}
        """Leads changed by inputs of this step."""
        self.touched_accounts: dict[str, Account] = {}
        """Accounts changed by this step, by id."""
        self.outcome = Outcome()
        """The outcome of the step so far."""

    def change_rules(self, change: RulesChange) -> None:
        """Use other rules from now on. Every lead is settled by the change before anything else happens to it."""
        self._set_rules(change.new)
        self.change, self.since_ms = change, change.at_ms
        for state in self.states.values():
            if isinstance(state, Lead):
                state.forget_derived()

    def finish_change(self) -> None:
        """Note that every lead was settled by the last change, and seen by this version."""
        self.change, self.is_upgrading = None, 0

    @property
    def rescoring(self) -> bool:
        """Whether the scorecards changed and some leads have not been settled yet."""
        return self.change is not None

    def _set_rules(self, rules: Rules) -> None:
        self.rules = rules
        new_lead = Lead(0)
        self.fresh_slack = min((b[2] for b in self._bounds(new_lead, 0)), default=math.inf)
        """Units that may be added to a new lead before any stage could be entered."""

    # What is in memory ----------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.states)

    def knows(self, lead_id: str) -> bool:
        """Whether a lead is in memory or known to have no state."""
        return lead_id in self.states

    def missing(self, batch: Batch) -> list[str]:
        """The leads of a batch that must be loaded, each once."""
        lead_ids = dict.fromkeys(batch.lead_id(i) for i in range(len(batch)))
        return [lead_id for lead_id in lead_ids if lead_id not in self.states]

    def put_lead(self, lead_id: str, blob: bytes | None) -> None:
        """Load the stored form of a lead; None if it has none."""
        self.put_leads({lead_id: None if blob is None else decode(blob)})

    def put_leads(self, states: Mapping[str, State | None]) -> None:
        """Put leads into memory; None for a lead without a state."""
        self.states.update(states)

    def state(self, lead_id: str) -> State | None:
        """The state of a lead in memory, for reading only."""
        return self.states_of([lead_id])[lead_id]

    def states_of(self, lead_ids: Sequence[str]) -> dict[str, State | None]:
        """The states of leads in memory, for reading only."""
        return {lead_id: self.states.get(lead_id) for lead_id in lead_ids}

    def trim(self, most: int) -> None:
        """Keep ``most`` leads in memory, those loaded last."""
        for lead_id in list(self.states)[: max(len(self.states) - most, 0)]:
            del self.states[lead_id]

    def clear(self) -> None:
        """Forget every lead."""
        self.states.clear()

    def may_move(self, item: LeadEvent | Control) -> bool:
        """Whether an input may take its lead out of an account."""
        return may_move(self.rules, item)

    # Changes in a step ---------------------------------------------------------------------------------------

    def new_lead(self, lead_id: str, at_ms: int, arrival: int, state: State | None) -> Lead:
        """Create a lead whose id had no state, or belongs to an erased lead."""
        lead = Lead(at_ms)
        lead.clock = max(arrival, self.since_ms)
        lead.erased_at = state.at_ms if isinstance(state, Erased) else 0
        if isinstance(state, Redirect) and state.memory is not None:
            lead.latches = {key: Latch(episode=latch.episode) for key, latch in state.memory.latches.items()}
        if self.fresh_slack > 0:
            lead.calm_until, lead.slack = math.inf, self.fresh_slack
        self.states[lead_id] = lead
        self.outcome.blobs.pop(lead_id, None)  # that of a lead which was forgotten or erased in the same step
        self.outcome.tally["leads"] += 1
        return lead

    def remove(self, lead_id: str) -> None:
        """Remove a lead from the schedule and from every ranking."""
        self.touched.pop(lead_id, None)
        self.outcome.due[lead_id] = None
        for card in self.rules.cards:
            self.outcome.ranks.setdefault(card.name, {})[lead_id] = None
        self.outcome.dirty.add(lead_id)

    def advance(self, lead_id: str, lead: Lead, to_ms: int) -> None:
        """Apply the crossings that fall due up to ``to_ms``."""
        if lead.calm_until == -math.inf:
            self._settle_loaded(lead_id, lead)
        if to_ms >= lead.calm_until:
            self.note_transitions(lead_id, lead, advance(self.rules, lead_id, lead, to_ms), None)
            calm = min((b[0] for b in self._bounds(lead, to_ms)), default=math.inf)
            # The slack is that of the lead's own clock: an event may still arrive for this earlier time, when the score
            # was higher.
            slack = min((b[2] for b in self._bounds(lead, lead.clock)), default=math.inf)
            note_calm(lead, to_ms, calm, slack)

    def settle_change(self, lead_id: str) -> None:
        """Settle a lead by the last change, unless it is known to be settled."""
        lead = self.states.get(lead_id)
        if self.change is not None and isinstance(lead, Lead) and lead.calm_until == -math.inf:
            if forget_before(self, self.change, lead_id, lead):
                return
            self._settle_loaded(lead_id, lead)
            self.touched[lead_id] = lead

    def _settle_loaded(self, lead_id: str, lead: Lead) -> None:
        """Find out how long no stage can change; while the scorecards change, the lead may not be settled yet."""
        if self.change is None:
            self.note_transitions(lead_id, lead, settle(self.rules, lead_id, lead, lead.clock, DECAY), None)
            return
        before, after = values_of(self.change.old, lead), values_of(self.rules, lead)
        leave_accounts(self, lead_id, before, after, lead.clock, SCORECARD)
        self.outcome.moved.update([lead_id] if before != after else [])
        for decide in (pass_time, leave_lost_stages):
            self.note_transitions(lead_id, lead, decide(self.change, lead_id, lead), None, self.change.old)
        self.note_transitions(lead_id, lead, settle_change(self.change, lead_id, lead), None)

    def _bounds(self, lead: Lead, now_ms: int) -> list[tuple[float, float, float]]:
        readings = [(card, read(card, lead, now_ms)) for card in self.rules.cards]
        return [bound_next_change(card, lead, reading) for card, reading in readings]

    def note_transitions(
        self,
        lead_id: str,
        lead: Lead,
        transitions: list[Transition],
        event: LeadEvent | None,
        rules: Rules | None = None,
    ) -> None:
        """Add the crossings of a lead to the outcome; ``rules`` decided them, by default those in use."""
        if transitions:
            self.touched[lead_id] = lead
            lead.unsent = True  # the stage is published with the score
        for transition in transitions:
            snapshot = encode(lead) if transition.is_alert else b""
            self.outcome.crossings.append(Crossing(transition, snapshot, event, rules or self.rules))
            if transition.is_alert and transition.kind == "entered":
                about = (transition.card, transition.stage, transition.at_ms)
                self.outcome.sales.append(entered_row(lead_id, lead, about))

    def forward(self, target: str, item: LeadEvent | Control) -> None:
        """Forward an input to another lead."""
        self.outcome.forwards.append(Forward(target, item, self.at))

    def misroute(self, item: LeadEvent | Control) -> None:
        """Forward an input whose lead belongs to another partition."""
        self.forward(item.lead_id, item)
        self.outcome.tally["misrouted"] += 1

    def relate_verdict(self, event: LeadEvent, lead: Lead, verdict: Verdict, currency: str) -> None:
        """Note what a verdict counts as."""
        lead.unsent = True  # readers of the scores learn that the lead has changed
        alerts = last_alerts(self.rules, lead, verdict.at_ms)
        if verdict in lead.verdicts:
            self.outcome.verdicts.append(relate_verdict(lead, verdict, alerts))
        if verdict.kind not in (OWNER, NOTE):
            about = [(card.name, stage, at_ms) for card, at_ms, stage in alerts]
            self.outcome.sales.append(verdict_row(event.lead_id, lead, verdict, currency, about))
