"""Conditions that contradict one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streams.scorefile.vocabulary import SINGLE
from streams.scoring.conditions import compile_condition, paths
from streams.scoring.scorecard import CALL_TYPES, Condition, Group, Test
from streams.yamlfile.source import spell


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Conditions on one path that no value meets, or that only a list of values meets."""

    path: str
    message: str
    remedy: str
    certain: bool
    """Whether a list meets them neither."""


def find_contradictions(condition: Condition, events: Sequence[str] = ()) -> Iterator[Contradiction]:
    """Contradictions among conditions that must all hold, on an event of one of these names if there are any."""
    by_path: dict[str, list[Condition]] = {}
    for member in _conjuncts(condition):
        read = paths(member)
        if len(read) == 1:
            by_path.setdefault(read.pop(), []).append(member)
    known = _known_values(events)
    for path, members in by_path.items():
        found = _on_known(path, members, known) or _on_path(path, members)
        if found is not None:
            yield found


def is_never_positive(condition: Condition, path: str) -> bool:
    """Whether the conditions leave only numbers up to 0 at a path."""
    tests = [member for member in _conjuncts(condition) if isinstance(member, Test) and member.path == path]
    below = any(test.operator in ("lt", "lte") and test.operand <= 0 for test in tests)
    return below or any(_is_number(value) and value <= 0 for test in tests for value in _wanted(test)[:1])


def wants_false(condition: Condition, path: str) -> bool:
    """Whether the conditions leave only false at a path."""
    tests = [member for member in _conjuncts(condition) if isinstance(member, Test) and member.path == path]
    return any(wanted and all(value is False for value in wanted) for wanted in map(_wanted, tests))


def _conjuncts(condition: Condition) -> Iterator[Condition]:
    if isinstance(condition, Group) and condition.kind == "all":
        for member in condition.members:
            yield from _conjuncts(member)
    else:
        yield condition


def _known_values(events: Sequence[str]) -> Mapping[str, list[Any]]:
    calls = [event for event in events if event in CALL_TYPES]
    tracked = [event for event in events if event not in CALL_TYPES]
    types = [*calls, *(["track"] if tracked else [])]
    return {"type": types, "event": [*tracked, *([None] if calls else [])]} if events else {}


def _on_known(path: str, members: list[Condition], known: Mapping[str, list[Any]]) -> Contradiction | None:
    if path not in known or any(_holds(members, path, value) for value in known[path]):
        return None
    values = " or ".join(f"`{value}`" for value in known[path] if value is not None)
    message = f"`{path}` is {values} in these events, so this never holds"
    if not values:
        message = f"only track calls have `{path}`, so this never holds"
    return Contradiction(path, message, "name the events in `event:`, and remove this", True)


def _on_path(path: str, members: list[Condition]) -> Contradiction | None:
    tests = [member for member in members if isinstance(member, Test)]
    if any(test.operator == "exists" and test.operand is False for test in tests):
        wanted: list[Any] = [None]
    else:
        sets = [_wanted(test) for test in tests if test.operator in ("equals", "in")]
        wanted = list(dict.fromkeys(value for values in sets for value in values))
    if wanted and not any(_holds(members, path, value) for value in wanted):
        return _unmet(path, members, wanted)
    denied = [part for m in members if isinstance(m, Group) and m.kind == "none" for part in m.members]
    if {_folded(part) for part in denied if isinstance(part, Test)} & {_folded(test) for test in tests}:
        return _unmet(path, members, [None])
    low = max((test.operand for test in tests if test.operator in ("gt", "gte")), default=None)
    high = min((test.operand for test in tests if test.operator in ("lt", "lte")), default=None)
    if low is None or high is None or low < high or (low == high and not _strict(tests, low)):
        return None
    message = f"no number is above {low:g} and below {high:g}"
    remedy = "write `gte` and `lte`" if low == high else "swap the two bounds, or put them into `any:`"
    return Contradiction(path, message, remedy, False)


def _unmet(path: str, members: list[Condition], wanted: list[Any]) -> Contradiction | None:
    negative = [m for m in members if (m.kind == "none" if isinstance(m, Group) else m.operator == "not")]
    certain = wanted == [None] or not any(_holds(negative, path, value) for value in wanted)
    if not certain and path.rpartition(".")[2] not in SINGLE:
        return None
    message = f"no value of `{path}` meets all of its conditions"
    if certain or len(wanted) == 1:
        message += "" if certain else ", unless it is a list"
        return Contradiction(path, message, "remove one of them, or put them into `any:`", certain)
    values = ", ".join(spell(value) for value in wanted)
    message = f"{message}, unless it is a list"
    return Contradiction(path, message, f"write `{{in: [{values}]}}` if one of them is enough", False)


def _folded(test: Test) -> tuple[str, str]:
    return test.operator, str(test.operand).casefold()


def _wanted(test: Test) -> list[Any]:
    """The values that a test asks for."""
    if test.operator not in ("equals", "in"):
        return []
    return list(test.operand) if isinstance(test.operand, list | tuple) else [test.operand]


def _strict(tests: list[Test], bound: float) -> bool:
    return any(test.operator in ("gt", "lt") and test.operand == bound for test in tests)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _holds(members: Sequence[Condition], path: str, value: Any) -> bool:
    return all(compile_condition(member, {path: 0})((value,)) for member in members)
