"""Verifies a run of the demo: scores its records again in memory and compares the results. Pure.

1. Intake is repeated on the source topics: it must give the same records of lead-events and rejected-events.
2. The records of each lead on lead-events are scored in order, without timers: this must give the same state as in
   Redis, the same alerts on handoff, and the same records forwarded to other leads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

from app.demo.play import Placed, Played, Tick, essence, facts, play
from streams.events.codec import Codec
from streams.events.records import SOURCE_HEADER
from streams.events.rejects import Reject
from streams.intake.adapt import Intake
from streams.scoring.lead import Lead, State
from streams.scoring.rules import Rules
from streams.scoring.stored import decode
from streams.shard.log import read_log
from streams.shard.outbox import MAX_FORWARDS
from streams.transport.topics import Partitioner, Topics


class Record(Protocol):
    """A consumed record."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Iterable[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Alert:
    """The fields of a handoff record that are compared."""

    id: str
    lead_id: str
    at_ms: int
    cause: str


@dataclass(slots=True)
class Run:
    """The input and output of a run. No record arrived after ``done_ms``."""

    done_ms: int
    topics: Topics
    partitions: int
    sources: Mapping[str, Sequence[Record]]
    """By ``topic:partition``."""
    lead_events: Sequence[Sequence[Record]]
    """By partition."""
    rejected: Sequence[Record]
    alerts: Sequence[Alert]
    states: Mapping[tuple[int, str], bytes]
    """(partition, lead id) -> blob in Redis."""
    duplicates: int
    """The worker's count."""


@dataclass(slots=True)
class Findings:
    """The result of the comparison."""

    mismatches: list[str] = field(default_factory=list)
    leads: int = 0
    alerts: int = 0
    rejected: int = 0
    duplicates: int = 0
    early_timers: int = 0
    """Leads whose timer acted while an older record of theirs was still in intake."""


def verify(run: Run, rules: Rules) -> Findings:
    """Compare a run with the result of scoring the same records in memory."""
    findings = Findings()
    rejects = _compare_intake(run, findings)
    codec = Codec(rules.paths)
    inputs, further = _inputs(run, codec)
    _compare("rejected-events", rejects | further, _rejected(run), findings)
    findings.rejected = len(rejects | further)
    _compare_leads(run, rules, codec, inputs, findings)
    _compare("duplicates", findings.duplicates, run.duplicates, findings)
    return findings


# Intake ---------------------------------------------------------------------------------------------------


def _compare_intake(run: Run, findings: Findings) -> dict[bytes, Any]:
    """Compare lead-events; returns the records that intake must have rejected, by source."""
    intake = Intake(run.topics, Partitioner(run.partitions))
    expected: dict[bytes, Any] = {}
    rejects: dict[bytes, Any] = {}
    for place, records in run.sources.items():
        output = intake.adapt_records({place: records}, run.done_ms)
        for partition, rows in output.rows.items():
            for at_ms, key, value, headers in rows:
                expected[dict(headers)[SOURCE_HEADER]] = (partition, at_ms, key, value)
        rejects |= {r.key: (dict(r.headers)["reason"], r.value) for r in output.rejects}
    actual = {
        source: (record.partition, record.timestamp, record.key, record.value)
        for record in _each(run.lead_events)
        if not (source := _source(record)).startswith(b"~")
    }
    _compare("lead-events", expected, actual, findings)
    return rejects


def _rejected(run: Run) -> dict[bytes, Any]:
    return {_source(r): (dict(r.headers)["reason"], r.value) for r in run.rejected}


# Scoring --------------------------------------------------------------------------------------------------


def _inputs(run: Run, codec: Codec) -> tuple[dict[tuple[int, str], list[Placed]], dict[bytes, Any]]:
    """The records of each lead in order, without duplicates; and those that scoring must have rejected."""
    inputs: dict[tuple[int, str], list[Placed]] = defaultdict(list)
    rejects: dict[bytes, Any] = {}
    for record, item in chain.from_iterable(read_log(codec, records) for records in run.lead_events):
        if isinstance(item, Reject):
            place = f"{run.topics.lead_events}:{record.partition}:{record.offset}".encode()
            rejects[place] = (item.reason.encode(), record.value)
        else:
            inputs[record.partition, item.lead_id].append((record.offset, item))
    return inputs, rejects


def _compare_leads(
    run: Run, rules: Rules, codec: Codec, inputs: Mapping[tuple[int, str], list[Placed]], findings: Findings
) -> None:
    forwarded = _forwarded(run, codec)
    alerts: dict[str, list[Alert]] = defaultdict(list)
    for alert in run.alerts:
        alerts[alert.lead_id].append(alert)
    for place in sorted(inputs.keys() | run.states.keys()):
        partition, lead_id = place
        mine = inputs.get(place, [])
        live = Live(run.states.get(place), alerts.pop(lead_id, []), forwarded.get(partition, {}), run.done_ms)
        played = _play_like(lead_id, mine, rules, live, findings)
        findings.duplicates += played.duplicates
        findings.leads += isinstance(played.state, Lead)
        findings.alerts += sum(at_ms <= run.done_ms for at_ms in played.alerts.values())
    for lead_id in alerts:
        findings.mismatches.append(f"handoff has alerts of {lead_id}, a lead without any event")


@dataclass(slots=True)
class Live:
    """The output of a run for one lead."""

    blob: bytes | None
    alerts: list[Alert]
    forwarded: Mapping[int, list[Any]]
    """Offset of a record -> the records forwarded because of it."""
    done_ms: int

    @property
    def state(self) -> State | None:
        """The decoded state."""
        return None if self.blob is None else decode(self.blob)

    def until_ms(self) -> int:
        """The instant at which states are compared."""
        state = self.state
        return max(self.done_ms, state.clock) if isinstance(state, Lead) else self.done_ms

    def differences(self, lead_id: str, played: Played) -> list[str]:
        """The differences from the played lead, as sentences."""
        findings = Findings()
        _compare(f"lead {lead_id}", facts(played.state), facts(self.state), findings)
        expected = {i for i, at_ms in played.alerts.items() if at_ms <= self.done_ms}
        found = {alert.id for alert in self.alerts if alert.at_ms <= self.done_ms}
        _compare(f"alerts of {lead_id}", dict.fromkeys(expected, "sent"), dict.fromkeys(found, "sent"), findings)
        for offset, items in played.forwards.items():
            _compare(f"forwarded by {lead_id}", items, self.forwarded.get(offset, []), findings)
        return findings.mismatches


def _play_like(lead_id: str, inputs: list[Placed], rules: Rules, live: Live, findings: Findings) -> Played:
    """Play a lead without timers; if the result differs, play it with timers at all possible instants.

    A timer waits only a short time for records in transit. If intake lags (during a start or on a busy machine), a
    crossing can come before an older event. Both orders are valid, but the records do not show which one occurred. So
    an order with a timer is accepted and counted if it explains all differences.
    """
    played = play(lead_id, inputs, rules, live.until_ms())
    differences = live.differences(lead_id, played)
    if not differences:
        return played
    for tick in _possible_ticks(inputs, live):
        other = play(lead_id, inputs, rules, live.until_ms(), tick)
        if not live.differences(lead_id, other):
            findings.early_timers += 1
            return other
    findings.mismatches += differences
    return played


def _possible_ticks(inputs: list[Placed], live: Live) -> Iterable[Tick]:
    """The crossings by decay in the output, each placed before every record that arrived earlier than it."""
    instants = {alert.at_ms for alert in live.alerts if alert.cause == "decay"}
    state = live.state
    if isinstance(state, Lead):
        instants |= {latch.since for latch in state.latches.values()} | {state.clock}
    for at_ms in sorted(instants):
        yield from ((i, at_ms) for i, (_, item) in enumerate(inputs) if item.arrival < at_ms)


# Forwarded records ----------------------------------------------------------------------------------------


def _forwarded(run: Run, codec: Codec) -> dict[int, dict[int, list[Any]]]:
    """Partition -> offset of a record -> the records forwarded because of it, in order."""
    found: dict[int, dict[int, dict[int, Any]]] = defaultdict(lambda: defaultdict(dict))
    for record in _each(run.lead_events):
        source = _source(record)
        if not source.startswith(b"~"):
            continue
        partition, _, number = source[1:].partition(b":")
        offset, i = divmod(int(number), MAX_FORWARDS)
        item = codec.decode_record(record)
        target = (record.key or b"").decode()
        found[int(partition)][offset][i] = item if isinstance(item, Reject) else essence(target, item)
    return {p: {at: [rows[i] for i in sorted(rows)] for at, rows in by.items()} for p, by in found.items()}


# Comparing ------------------------------------------------------------------------------------------------


def _compare(what: str, expected: Any, actual: Any, findings: Findings) -> None:
    """Add a mismatch for each key of two dictionaries that differs, or for two different values."""
    if expected == actual:
        return
    if not isinstance(expected, dict):
        findings.mismatches.append(f"{what}: expected {_short(expected)}, found {_short(actual)}")
        return
    for key in sorted(expected.keys() | actual.keys(), key=str):
        if expected.get(key) != actual.get(key):
            name = key.decode(errors="replace") if isinstance(key, bytes) else key
            mine, theirs = _short(expected.get(key)), _short(actual.get(key))
            findings.mismatches.append(f"{what}, {name}: expected {mine}, found {theirs}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:157]}..."


def _source(record: Record) -> bytes:
    return dict(record.headers).get(SOURCE_HEADER, b"")


def _each(partitions: Sequence[Sequence[Record]]) -> Iterable[Record]:
    return (record for records in partitions for record in records)
