"""Decide whether signals keep a lead out of a stage: those that block it, and those that it needs."""

from __future__ import annotations

from math import inf

from streams.scoring.amounts import is_present, last_step_ms, latest_match_ms, next_step_ms
from streams.scoring.lead import Lead
from streams.scoring.rules import BlockRule, SignalRule, StageRule


def blocking_rules(rule: StageRule, lead: Lead, now_ms: int) -> list[BlockRule]:
    """The blocks of a stage that hold."""
    return [block for block in rule.blocks if _holds(block, lead, now_ms)]


def is_blocked(rule: StageRule, lead: Lead, now_ms: int) -> bool:
    """Whether a signal blocks the stage."""
    return any(_holds(block, lead, now_ms) for block in rule.blocks)


def absent_signals(rule: StageRule, lead: Lead, now_ms: int) -> list[SignalRule]:
    """The signals that a lead needs to enter the stage, but does not have."""
    return [signal for signal in rule.needs_signals if not is_present(signal, lead, now_ms)]


def is_open(rule: StageRule, lead: Lead, now_ms: int) -> bool:
    """Whether signals let a lead enter the stage."""
    return not is_blocked(rule, lead, now_ms) and not absent_signals(rule, lead, now_ms)


def next_block_step_ms(block: BlockRule, lead: Lead, now_ms: int) -> float:
    """The first instant after ``now_ms`` at which time alone may end a block; infinite if there is none."""
    if block.plain:
        return next_step_ms(block.signal, lead, now_ms)
    end_ms = last_block_step_ms(block, lead)
    return end_ms if end_ms > now_ms else inf


def last_block_step_ms(block: BlockRule, lead: Lead) -> float:
    """The last instant at which time alone may end a block; minus infinity if there is none."""
    if block.plain:
        return last_step_ms(block.signal, lead)
    return latest_match_ms(block.signal, lead) + block.for_ms if block.for_ms else -inf


def latest_event_ms(block: BlockRule, lead: Lead) -> int:
    """The time of the latest event of the signal of a block that holds."""
    signal = block.signal
    if block.plain:
        return lead.ref[lead.signals.index(signal.id)] + lead.base
    return int(latest_match_ms(signal, lead))


def _holds(block: BlockRule, lead: Lead, now_ms: int) -> bool:
    if block.plain:
        return is_present(block.signal, lead, now_ms)
    latest_ms = latest_match_ms(block.signal, lead)
    if block.until is not None and not -inf < latest_ms >= latest_match_ms(block.until, lead):
        return False
    return not block.for_ms or now_ms < latest_ms + block.for_ms
