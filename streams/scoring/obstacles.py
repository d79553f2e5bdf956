"""Explain why a lead is not in a stage."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf
from typing import Any

from streams.scoring.blocks import absent_signals, blocking_rules, last_block_step_ms, latest_event_ms
from streams.scoring.fit import UNIT
from streams.scoring.lead import Lead
from streams.scoring.rules import BlockRule, CardRule, Rules, SignalRule, StageRule
from streams.scoring.sales_blocks import REJECTION
from streams.scoring.score import Reading, read
from streams.scoring.verdicts import REJECTED


def obstacles_of(card: CardRule, lead: Lead, now_ms: int, rules: Rules) -> dict[str, list[dict[str, Any]]]:
    """List for each stage that the lead is not in what keeps it out, by stage; instants are in ms since the epoch."""
    reading = read(card, lead, now_ms)
    if not reading.applies:
        return {rule.stage.name: [{"applies": False}] for rule in card.stages}
    found: dict[str, list[dict[str, Any]]] = {}
    for rule in card.stages:
        latch = lead.latches.get(rule.key)
        if latch is None or not latch.inside:
            absent = [{"needs_signal": each.name, **_label(each)} for each in absent_signals(rule, lead, now_ms)]
            holding = blocking_rules(rule, lead, now_ms)
            by_sales = [block for block in holding if block.signal.name == REJECTION]
            blocks = [_describe_block(block, lead) for block in holding if block not in by_sales]
            rejection = [_describe_rejection(by_sales, lead)] if by_sales else []
            found[rule.stage.name] = _missing(rule, reading) + absent + blocks + rejection
    return found


def _describe_block(block: BlockRule, lead: Lead) -> dict[str, Any]:
    """Which signal blocks, since its latest event, and until when if time alone ends the block."""
    found = {"blocked_by": block.signal.name, **_label(block.signal), "since": latest_event_ms(block, lead)}
    until_ms = last_block_step_ms(block, lead)
    return found if isinf(until_ms) else {**found, "until": int(until_ms)}


def _describe_rejection(blocks: Sequence[BlockRule], lead: Lead) -> dict[str, Any]:
    """Since when sales has rejected a lead and why, whether it was recycled, and until when time holds it out."""
    since_ms = latest_event_ms(blocks[0], lead)
    reasons = [each.detail for each in lead.verdicts if each.kind == REJECTED and each.at_ms == since_ms]
    found: dict[str, Any] = {"blocked_by": REJECTION, "since": since_ms}
    if reasons and reasons[-1]:
        found["reason"] = reasons[-1]
    for block in blocks:
        if block.for_ms:
            found["until"] = int(last_block_step_ms(block, lead))
    return {**found, "recycled": all(block.for_ms for block in blocks)}


def _label(signal: SignalRule) -> dict[str, Any]:
    return {"label": signal.label} if signal.label else {}


def _missing(rule: StageRule, reading: Reading) -> list[dict[str, Any]]:
    """What the lead has too little of, in points."""
    bounds = (
        ("score", reading.exact, rule.enter),
        ("fit", reading.fit, rule.needs_fit),
        ("engagement", reading.engagement, rule.needs_engagement),
    )
    return [{"needs": name, "at_least": least / UNIT, "has": has / UNIT} for name, has, least in bounds if has < least]
