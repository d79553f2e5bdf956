"""Describes signals, conditions and fit lines in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from streams.scoring.scorecard import CALL_TYPES, Block, Condition, FitLine, Group, Limit, Signal, Target, Test
from streams.units import format_duration

_WORDS: Final = {
    "equals": "is",
    "in": "is one of",
    "contains": "contains",
    "contains_any": "contains any of",
    "prefix": "begins with",
    "suffix": "ends with",
    "word": "has the word",
    "glob": "is like",
    "matches": "matches",
    "gt": "is more than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
}
_WORD_LIST: Final = re.compile(r"(?:\(\?i\))?\\b\(?([\w |-]+)\)?\\b")
"""The most common pattern of scorecards: one of several words."""
_CALLS: Final = {"page": "page view", "screen": "screen view", "identify": "identification", "group": "group call",
                 "alias": "alias call"}  # fmt: skip
NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})
_JOINS: Final = {"all": " and ", "any": " or ", "none": " or "}


def describe_signal(signal: Signal) -> str:
    """A signal in words: ``page view whose properties.url contains /pricing``."""
    where = describe_condition(signal.where)
    parts = [describe_events(signal.events) + (f" whose {where}" if where else "")]
    if signal.distinct:
        parts.append(f"each {signal.distinct} once")
    if signal.amount:
        parts.append(f"counted by {signal.amount}")
    if signal.at_least > 1:
        parts.append(f"at least {signal.at_least} times")
    return ", ".join(parts)


def describe_events(events: Iterable[str]) -> str:
    """Names of events in words: ``page view or Demo Requested``."""
    return " or ".join(_CALLS[event] if event in CALL_TYPES else event for event in events)


def describe_fading(signal: Signal) -> str:
    """How a signal fades: ``14d``, ``14d, 30d while sales_contact`` or ``window of 30d``."""
    if signal.window_ms:
        return f"window of {format_duration(signal.window_ms)}"
    states = [f"{format_duration(half_life_ms)} while {guard}" for guard, half_life_ms in signal.while_half_lives]
    return ", ".join([format_duration(signal.half_life_ms), *states])


def describe_block(block: Block, labels: Mapping[str, str] = NO_LABELS) -> str:
    """A block that ends: ``unsubscribe until subscribe`` or ``rejected for 30d``; by the labels of signals, if any."""
    ends = [f"for {format_duration(block.for_ms)}"] if block.for_ms else []
    end = " or ".join([*ends, *([f"until {labels.get(block.until, block.until)}"] if block.until else [])])
    return f"{labels.get(block.signal, block.signal)} {end}"


def describe_fit(line: FitLine) -> str:
    """A fit line in words."""
    if line.times is not None:
        return f"{line.trait} times {line.times:g}, from {line.minimum:g} to {line.maximum:g}"
    return describe_condition(line.when) or f"{line.trait} is anything"


def describe_condition(condition: Condition) -> str:
    """A condition as a clause; empty if it always holds."""
    if isinstance(condition, Test):
        return _describe_test(condition)
    return _describe_group(condition)


def _describe_group(group: Group) -> str:
    members = [describe_condition(member) for member in group.members]
    members = [f"({text})" if isinstance(m, Group) and len(m.members) > 1 and len(members) > 1 else text
               for m, text in zip(group.members, members, strict=True)]  # fmt: skip
    joined = _JOINS[group.kind].join(text for text in members if text)
    return f"not ({joined})" if group.kind == "none" and joined else joined


def _describe_test(test: Test) -> str:
    path, operand = test.path, test.operand
    if test.operator == "exists":
        return f"{path} is {'present' if operand else 'missing'}"
    if test.operator == "not":
        listed = isinstance(operand, list | tuple) and len(operand) > 1
        return f"{path} is {'none of' if listed else 'not'} {_value(operand)}"
    if test.operator == "matches" and (words := _WORD_LIST.fullmatch(operand)):
        return f"{path} has the word {' or '.join(words[1].split('|'))}"
    if isinstance(operand, tuple) and test.operator not in {"in", "contains_any"}:
        return f"{path} {_WORDS[test.operator]} {' or '.join(map(_value, operand))}"
    return f"{path} {_WORDS[test.operator]} {_value(operand)}"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def format_target(target: Target) -> str:
    """How many leads a scorecard should hand over, as in the file: ``40/week``."""
    return f"{target.count}/{target.period}"


def format_limit(limit: Limit | None) -> str | None:
    """A limit in the form of scorecard files."""
    return None if limit is None else f"{limit.count}/{limit.period}"
