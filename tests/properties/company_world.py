"""Shards in memory whose leads belong to companies: each has a log of its own, forwards arrive at any time."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from zlib import crc32

import msgspec

from streams.scoring.account_ids import SUBJECT
from streams.scoring.account_state import Account
from streams.scoring.accounts import values_of
from streams.scoring.event import Contribution, LeadEvent
from streams.scoring.lead import Lead
from streams.scoring.outcome import Forward, Outcome
from streams.scoring.replay import Input, Replay
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange
from streams.scoring.score import published, read
from streams.scoring.telling import Moment, Told, at_offset
from tests.support.implementations import in_use, make_batch

PARTITIONS = 3


def home_of(lead_id: str) -> int:
    """The partition of a lead or an account."""
    return crc32(lead_id.encode()) % PARTITIONS


class CompanyShard(Replay):
    """One shard: what it has read, and what it told accounts."""

    def __init__(self, rules: Rules) -> None:
        """Start empty."""
        super().__init__(rules)
        self.told = Told()
        self.offset = 0
        """The offset after the last record."""
        self.clock_ms = 0
        """The latest instant of a record or of the timer."""

    def make_scorer(self):  # type: ignore[no-untyped-def]
        """Make one of the implementation under test."""
        return in_use().scorer(self.rules, self._at_home)

    def make_batch(self, inputs):  # type: ignore[no-untyped-def]
        """Make one of the implementation under test."""
        return make_batch(self.rules, [item for _, item in inputs], inputs[0][0])

    def read_record(self, record: Input | RulesChange) -> list[Forward]:
        """Read the next record of the log as one step; returns what the shard forwards."""
        offset, self.offset = self.offset, self.offset + 1
        if isinstance(record, RulesChange):
            self.change_rules(record)
            return []
        self.play(record, offset)
        self.clock_ms = max(self.clock_ms, record.arrival)
        return self._ended(self.end_step())

    def show(self, lead_ids: Sequence[str]) -> list[Forward]:
        """Update ranking and schedule, and tell accounts."""
        for lead_id in lead_ids:
            self._load(lead_id)
        outcome = self.show_leads(lead_ids)
        return at_offset(outcome.forwards, self.offset) + self._tell(lead_ids, self.clock_ms, "event")

    def run_timer(self, now_ms: int, cause: str = "decay") -> list[Forward]:
        """Advance every lead and account, also those that are not due, and tell accounts."""
        self.clock_ms = max(self.clock_ms, now_ms)
        lead_ids = list(self.blobs)
        for lead_id in lead_ids:
            self.advance_lead(lead_id, now_ms)
        return at_offset(self._ended(self.end_step()), self.offset) + self._tell(lead_ids, now_ms, cause)

    def settle_all(self, change: RulesChange) -> list[Forward]:
        """Settle everything by a change of the scorecards."""
        found = self.run_timer(change.at_ms, "scorecard_changed")
        self._scorer.finish_change()
        return found

    def _ended(self, outcome: Outcome) -> list[Forward]:
        self.told.forget(outcome.moved)
        return outcome.forwards

    def _tell(self, lead_ids: Sequence[str], at_ms: int, cause: str) -> list[Forward]:
        return self.told.tell(self._scorer, lead_ids, Moment(self.offset, at_ms, cause))

    def _load(self, lead_id: str) -> None:
        if not self._scorer.knows(lead_id):
            self._scorer.put_lead(lead_id, self.blobs.get(lead_id))


class World:
    """All shards with their logs, and the records on their way."""

    def __init__(self, chance: Random, rules: Rules) -> None:
        """Start empty."""
        self._chance = chance
        self.rules = rules
        self.shards = [CompanyShard(rules) for _ in range(PARTITIONS)]
        for shard in self.shards:
            shard.told.trusted = True
        self.logs: list[list[Input | RulesChange]] = [[] for _ in range(PARTITIONS)]
        self._underway: list[tuple[int, Input]] = []

    def put(self, record: Input) -> None:
        """Put a record into the log of its lead or account, and let its shard read it."""
        self._append(home_of(record.lead_id), record)

    def _append(self, partition: int, record: Input) -> None:
        self.logs[partition].append(record)
        self.send(self.shards[partition].read_record(record))

    def send(self, forwards: Sequence[Forward]) -> None:
        """Take what a shard forwards on its way."""
        for each in forwards:
            item = each.item
            sent = msgspec.structs.replace(item, lead_id=each.target) if isinstance(item, LeadEvent) else item
            self._underway.append((home_of(each.target), sent))

    def deliver(self, most: int = 10_000) -> None:
        """Let records arrive: what leads give to accounts in any order and sometimes twice, others in theirs."""
        while self._underway and most:
            most -= 1
            at = self._chance.randrange(len(self._underway))
            if not isinstance(self._underway[at][1], Contribution):
                at = next(i for i, (_, item) in enumerate(self._underway) if not isinstance(item, Contribution))
            partition, item = self._underway.pop(at)
            self._append(partition, item)
            if isinstance(item, Contribution) and self._chance.random() < 0.2:
                self._underway.append((partition, item))

    def rest(self, now_ms: int) -> None:
        """Let everything arrive, and time pass up to an instant."""
        for _ in range(100):
            self.deliver()
            for shard in self.shards:
                self.send(shard.run_timer(now_ms))
            if not self._underway:
                return
        msg = "contributions never end"
        raise AssertionError(msg)

    def change_rules(self, change: RulesChange) -> None:
        """Publish other scorecards: each shard finds them at another place of its log."""
        for log, shard in zip(self.logs, self.shards, strict=True):
            self.deliver(self._chance.randint(0, 5))
            log.append(change)
            shard.read_record(change)
        self.rules = change.new
        for shard in self.shards:
            self.send(shard.settle_all(change))
            self.deliver(self._chance.randint(0, 5))

    def restart(self, partition: int) -> None:
        """Forget what the process knows, but for the instant up to which it told."""
        shard = self.shards[partition]
        shard.reload_leads()
        shard.told = Told()
        shard.told.trusted = True

    def rebuild(self, partition: int) -> CompanyShard:
        """Read the log of a shard from its begin, in other steps; returns the new shard, which takes its place."""
        rebuilt = CompanyShard(self.shards[partition].rules if not self._changes(partition) else self._first_rules)
        for record in list(self.logs[partition]):
            forwards = rebuilt.read_record(record)
            self.send([each for each in forwards if isinstance(each.item, Contribution)])  # the log has all others
            if isinstance(record, RulesChange):
                self.send(rebuilt.settle_all(record))
            elif self._chance.random() < 0.3:
                self.send(rebuilt.show(list(rebuilt.blobs)))
        self.shards[partition] = rebuilt
        self.send(rebuilt.show(list(rebuilt.blobs)))
        rebuilt.told.trusted = True
        return rebuilt

    def _changes(self, partition: int) -> bool:
        return any(isinstance(each, RulesChange) for each in self.logs[partition])

    @property
    def _first_rules(self) -> Rules:
        changes = [each for each in self.logs[0] if isinstance(each, RulesChange)]
        return changes[0].old

    # What must hold -----------------------------------------------------------------------------------------------

    def accounts(self) -> dict[str, dict[str, int]]:
        """Account id -> the scores of its leads, as the accounts know them; those without leads are left out."""
        states = (shard.state(lead_id) for shard in self.shards for lead_id in shard.blobs)
        return {
            state.id: {lead_id: member.score for lead_id, member in state.members.items()}
            for state in states
            if isinstance(state, Account) and state.members
        }

    def given(self, now_ms: int) -> dict[str, dict[str, int]]:
        """The same from the leads themselves."""
        found: dict[str, dict[str, int]] = {}
        for shard in self.shards:
            for lead_id in shard.blobs:
                state = shard.state(lead_id)
                if not isinstance(state, Lead):
                    continue
                for card in self.rules.cards:
                    value, reading = values_of(self.rules, state).get(card.name), read(card, state, now_ms)
                    if value is not None and reading.applies:
                        found.setdefault(f"\x01{card.name}\x1f{value}", {})[lead_id] = published(reading.exact)
        return found

    def alerts(self, partition: int) -> list[tuple[str, str, int, bool]]:
        """What accounts of a shard went through: (alert id, kind, instant, whether it is published), in order."""
        found = [crossing.transition for crossing in self.shards[partition].crossings]
        return [(t.alert_id, t.kind, t.at_ms, t.is_alert) for t in found if t.lead_id.startswith(SUBJECT)]
