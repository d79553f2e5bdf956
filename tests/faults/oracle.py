"""Computes the expected result: scores the log of ``lead-events`` once, one record at a time, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streams.events.changes import decode_change, find_change
from streams.events.codec import Codec
from streams.events.records import SOURCE_HEADER
from streams.events.rejects import Reject
from streams.publishing.catalog import Catalog
from streams.scoring.account_state import Account
from streams.scoring.event import Contribution
from streams.scoring.lead import Erased, Lead, Redirect, State
from streams.scoring.replay import Replay
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange, Undo
from streams.scoring.sales_rows import encode_rows
from streams.scoring.stored import decode, encode
from streams.shard.log import read_log
from streams.shard.position import Position
from streams.transport.topics import partition_of

VOLATILE = frozenset({"published", "due", "clock", "fits", "calm_until", "slack"})
"""The fields that depend on timers and on the sizes of steps."""


@dataclass
class Found:
    """The state and output of the system once all work is done."""

    lead_events: Mapping[int, Sequence[Any]]
    """Partition -> records, in order."""
    states: Mapping[int, Mapping[str, bytes]]
    checkpoints: Mapping[int, int]
    handed_off: Sequence[Any]
    """The alerts on handoff, in order, including repeated ones."""
    rejected: frozenset[str]
    """The source headers on the topic of rejected events."""
    catalog: Catalog
    """The published scorecards."""
    sales: frozenset[str]
    """The rows for results of all shards."""

    @property
    def alerts(self) -> list[str]:
        """The ids on handoff, in order, including repeated ones."""
        return [alert["id"] for alert in self.handed_off]


class Model:
    """The model: one process that scores one record after another, without a store."""

    def __init__(self, rules: Rules, topic: str) -> None:
        """``topic`` is the name of lead-events."""
        self.rules = rules
        self.topic = topic
        self.states: dict[int, dict[str, State]] = {}
        self.alerts: dict[str, str] = {}
        """The id of an alert -> the version of the scorecards that decided it."""
        self.rejected: set[str] = set()
        self.sales: set[str] = set()
        self.forwarded: Counter[int] = Counter()
        """Partition -> the number of records that it must forward."""

    def play(self, found: Found) -> None:
        """Score all records of ``lead-events``; then advance each lead to the clock of its stored state."""
        for partition, records in found.lead_events.items():
            replay = self._replay(found.catalog, partition, len(found.lead_events), records)
            for lead_id, blob in found.states[partition].items():
                state, mine = decode(blob), replay.state(lead_id)
                if isinstance(state, Lead) and isinstance(mine, Lead) and state.clock > mine.clock:
                    replay.advance_lead(lead_id, state.clock)
                    replay.end_step()
            self.states[partition] = {lead_id: decode(blob) for lead_id, blob in replay.blobs.items()}
            alerts = [crossing for crossing in replay.crossings if crossing.transition.is_alert]
            self.alerts |= {each.transition.alert_id: each.rules.version for each in alerts}
            self.sales |= {text for _, text in encode_rows(replay.sales)}
            forwards = [each for each in replay.forwards if not isinstance(each.item, Contribution)]
            self.forwarded[partition] += len(forwards)  # contributions have no number

    def _replay(self, catalog: Catalog, partition: int, partitions: int, records: Sequence[Any]) -> Replay:
        """Score the records of a partition, by the scorecards that its control records name."""
        place = catalog.in_force_at(partition, records[0].offset if records else 0)
        started, position, rest = {place: 0}, Position(), list(records)
        replay = Replay(catalog.rules(place), _at_home(partition, partitions))
        while rest:
            end = find_change(rest)
            for record, item in read_log(Codec(replay.rules.paths), rest[:end], position):
                if isinstance(item, Reject):
                    self.rejected.add(f"{self.topic}:{partition}:{record.offset}")
                else:
                    replay.play(item, record.offset)
                    replay.end_step()
            for record in rest[end : end + 1]:
                change = decode_change(record)
                if change is not None and change.place > place:
                    replay.settle_leads()
                    undone = catalog.undone_by(change.place)
                    since = [at_ms for each, at_ms in started.items() if each in undone]
                    undo = Undo(undone, min(since)) if since else None
                    new, place = catalog.rules(change.place), change.place
                    started[place] = record.timestamp
                    replay.change_rules(RulesChange(replay.rules, new, record.timestamp, place, change.quiet, undo))
            rest = rest[end + 1 :]
        replay.settle_leads()
        return replay


def _at_home(partition: int, partitions: int) -> Callable[[str], bool]:
    return lambda lead_id: partition_of(lead_id, partitions) == partition


def differences(rules: Rules, topic: str, found: Found, free: Collection[str] = ()) -> list[str]:
    """All differences between the system and the model, one line each; empty if everything is right.

    ``free``: facts of leads that need not be equal.
    """
    model = Model(rules, topic)
    model.play(found)
    return [*_of_positions(found), *_of_leads(model, found, free), *_of_output(model, found)]


def _of_positions(found: Found) -> list[str]:
    ends = {partition: records[-1].offset + 1 if records else 0 for partition, records in found.lead_events.items()}
    return [
        f"partition {p}: scored up to {found.checkpoints[p]} of {end}"
        for p, end in ends.items()
        if found.checkpoints[p] != end
    ]


def _of_leads(model: Model, found: Found, free: Collection[str]) -> list[str]:
    problems = []
    for partition, expected in model.states.items():
        actual = found.states[partition]
        problems += [f"{lead_id} should not be there" for lead_id in actual.keys() - expected.keys()]
        for lead_id, state in expected.items():
            mine = facts(state)
            theirs = facts(decode(actual[lead_id])) if lead_id in actual else {}
            problems += [
                f"{lead_id}.{name}: {theirs.get(name)!r} instead of {mine.get(name)!r}"
                for name in (mine.keys() | theirs.keys()).difference(free)
                if mine.get(name) != theirs.get(name)
            ]
    return problems


def _of_output(model: Model, found: Found) -> list[str]:
    arrived = _forwarded(found)
    told, expected = set(found.alerts), model.alerts.keys()
    problems = [f"alert {alert} is missing" for alert in expected - told]
    problems += [f"alert {alert} should not be there" for alert in told - expected]
    versions = {alert["id"]: alert["data"]["scorecard"]["version"] for alert in found.handed_off}
    problems += [
        f"alert {alert} is of version {versions[alert]} instead of {version}"
        for alert, version in model.alerts.items()
        if versions.get(alert, version) != version
    ]
    problems += [f"row {row} is missing" for row in model.sales - found.sales]
    problems += [f"row {row} should not be there" for row in found.sales - model.sales]
    problems += [f"{place} was not rejected" for place in model.rejected - found.rejected]
    wrongly = {place for place in found.rejected - model.rejected if place.startswith(f"{model.topic}:")}
    problems += [f"{place} was rejected" for place in wrongly]
    problems += [
        f"partition {p} sent {arrived[p]} records on instead of {count}"
        for p, count in model.forwarded.items()
        if arrived[p] != count
    ]
    return problems


def _forwarded(found: Found) -> Counter[int]:
    """Partition -> the number of its forwarded records that have arrived, without duplicates."""
    places = {
        dict(record.headers).get(SOURCE_HEADER, b"") for records in found.lead_events.values() for record in records
    }
    return Counter(int(place[1:].partition(b":")[0]) for place in places if place.startswith(b"~"))


def facts(state: State) -> dict[str, Any]:
    """The stored form of a lead, reduced to the fields that must be equal."""
    if isinstance(state, Redirect):
        return {"redirect": state.target, "memory": state.memory and facts(state.memory)}
    if isinstance(state, Erased):
        return {"erased": state.at_ms}
    if isinstance(state, Account):
        rows: dict[str, Any] = {name: getattr(state, name) for name in Account.__slots__}
        return rows | {"latches": {key: latch.row() for key, latch in state.latches.items()}}
    stored = decode(encode(state))
    assert isinstance(stored, Lead)
    rows = {name: getattr(stored, name) for name in Lead.__slots__ if name not in VOLATILE}
    rows["latches"] = {key: latch.row() for key, latch in stored.latches.items()}
    rows["ledgers"] = {key: (w.entries, w.closed, w.closed_ref) for key, w in stored.ledgers.items()}
    return rows


def disagreements(found: Found) -> list[str]:
    """Where the last alert about a lead and a stage does not agree with the lead; not for quiet publications."""
    told = dict[tuple[str, str], bool]()
    for alert in found.handed_off:
        data = alert["data"]
        key = f"{data['scorecard']['name']}/{data['stage']['name']}"
        told[alert["subject"], key] = data["stage"]["kind"] == "entered"
    holds = {
        (lead_id, key)
        for states in found.states.values()
        for lead_id, blob in states.items()
        if isinstance(lead := decode(blob), Lead)
        for key, latch in lead.latches.items()
        if latch.inside and not latch.silent
    }
    return [f"{lead_id} {key}" for lead_id, key in holds ^ {place for place, inside in told.items() if inside}]


def counted(rules: Rules, found: Found, signal: str) -> int:
    """The number of times that a signal was counted, over all leads."""
    number = rules.signals[signal].id
    total = 0
    for states in found.states.values():
        for blob in states.values():
            lead = decode(blob)
            if isinstance(lead, Lead) and number in lead.signals:
                total += lead.count[lead.signals.index(number)]
    return total
