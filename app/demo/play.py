"""Scores the records of one lead in memory, for comparison with the result of the worker. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from streams.events.controls import encode_control, kind_of
from streams.scoring.event import Arrived, Control, LeadEvent
from streams.scoring.lead import Lead, Redirect, State
from streams.scoring.replay import Input, Replay
from streams.scoring.rules import Rules
from streams.scoring.stored import decode

Placed = tuple[int, Input]
"""An input and the offset of its record."""
Tick = tuple[int, int]
"""(index of an input, instant in ms): a timer acts before that input."""


@dataclass(slots=True)
class Played:
    """The result of playing one lead."""

    state: State | None
    alerts: dict[str, int]
    """Published alert id -> instant."""
    forwards: dict[int, list[Any]]
    duplicates: int


def play(lead_id: str, inputs: list[Placed], rules: Rules, until_ms: int, tick: Tick | None = None) -> Played:
    """Apply the records of a lead one after another, then advance it to ``until_ms``."""
    replay = Replay(rules)
    for i, (offset, item) in enumerate(inputs):
        if tick is not None and tick[0] == i:
            replay.advance_lead(lead_id, tick[1])
        replay.play(item, offset)
    replay.advance_lead(lead_id, until_ms)
    replay.end_step()
    forwards: dict[int, list[Any]] = defaultdict(list)
    for forward in replay.forwards:
        forwards[forward.at].append(essence(forward.target, forward.item))
    transitions = [crossing.transition for crossing in replay.crossings]
    alerts = {t.alert_id: t.at_ms for t in transitions if t.is_alert}
    return Played(replay.state(lead_id), alerts, forwards, replay.tally["duplicates"])


def facts(state: State | None) -> dict[str, Any]:
    """The parts of a state that do not depend on timers: all except the last published score and the due time."""
    if isinstance(state, Redirect):
        return {"kind": "Redirect", "target": state.target, "visitor": state.visitor, "memory": facts(state.memory)}
    if not isinstance(state, Lead):
        slots = type(state).__slots__ if state is not None else ()
        return {"kind": type(state).__name__, **{name: getattr(state, name) for name in slots}}
    same = ("clock", "first_seen", "last_seen", "count", "details", "ring", "traits", "aliases", "touches")
    at = {
        signal: (ref + state.base, amount)
        for signal, ref, amount in zip(state.signals, state.ref, state.amount, strict=True)
    }
    ledgers = {key: (w.entries, w.closed, w.closed_ref) for key, w in state.ledgers.items()}
    latches = {key: latch.row() for key, latch in state.latches.items()}
    plain = {name: getattr(state, name) for name in same} | {"recent": state.remembered()}
    return {"kind": "Lead", "amounts": at, "ledgers": ledgers, "latches": latches, **plain}


def essence(target: str, item: LeadEvent | Control) -> Any:
    """The part of a forwarded record to compare. For a state these are its facts, as its bytes depend on timers."""
    if isinstance(item, LeadEvent):
        return (target, item.raw)
    if isinstance(item, Arrived):
        return (target, item.origin, item.hops, facts(decode(item.blob) if item.blob else None))
    return (target, kind_of(item), encode_control(item))
