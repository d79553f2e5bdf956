"""Compile the conditions of a scorecard into functions over the values of an event.

A condition is compiled once into closures over positions in a tuple of JSON
values (None: missing or null). A compiled condition never raises, whatever the JSON value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from operator import contains, ge, gt, le, lt
from typing import Any

import re2

from streams.scoring.scorecard import Condition, Group, paths_in
from streams.scoring.texts import fold, number_of, spaced_words, text_of

Holds = Callable[[Sequence[Any]], bool]
"""A compiled condition, over the extracted values."""
Predicate = Callable[[Any], bool]
"""An operator with its operand, over one value that is not a list."""

_SET_MEMORY_BYTES = 64 << 20


class PatternError(ValueError):
    """The pattern of a `matches` or `glob` is not valid in RE2."""


def paths(condition: Condition) -> set[str]:
    """Every path that the condition reads."""
    return set(paths_in(condition))


def numeric_paths(condition: Condition) -> set[str]:
    """The paths whose values the condition compares with numbers."""
    if isinstance(condition, Group):
        return set().union(*map(numeric_paths, condition.members))
    operands = condition.operand if isinstance(condition.operand, list | tuple) else (condition.operand,)
    return {condition.path} if any(type(operand) in (int, float) for operand in operands) else set()


def compile_condition(condition: Condition, index: Mapping[str, int]) -> Holds:
    """Compile a condition; ``index`` maps each of its paths to a position among the values.

    Raises:
        PatternError: a `matches` or `glob` is not a valid pattern.
    """
    if isinstance(condition, Group):
        return _compile_group(condition, index)
    position, predicate = index[condition.path], OPERATORS[condition.operator](condition.operand)
    if condition.operator == "exists":
        return lambda values: predicate(values[position])
    holds = _of_any_element(position, predicate)
    return _negated(holds) if condition.operator == "not" else holds


def _compile_group(group: Group, index: Mapping[str, int]) -> Holds:
    members = tuple(compile_condition(member, index) for member in group.members)
    if group.kind == "none":
        return _negated(_some(members))
    if len(members) == 1:
        return members[0]
    return _every(members) if group.kind == "all" else _some(members)


# Plain loops: the generator of `all(… for …)` costs more than most of the tests inside it.
def _every(members: tuple[Holds, ...]) -> Holds:
    def holds(values: Sequence[Any]) -> bool:
        for member in members:  # noqa: SIM110
            if not member(values):
                return False
        return True

    return holds


def _some(members: tuple[Holds, ...]) -> Holds:
    def holds(values: Sequence[Any]) -> bool:
        for member in members:  # noqa: SIM110
            if member(values):
                return True
        return False

    return holds


def _negated(member: Holds) -> Holds:
    return lambda values: not member(values)


def _of_any_element(position: int, predicate: Predicate) -> Holds:
    def holds(values: Sequence[Any]) -> bool:
        value = values[position]
        if value.__class__ is list:
            return any(map(predicate, value))
        return predicate(value)

    return holds


def _exists(wanted: bool) -> Predicate:
    return lambda value: (value is not None) is wanted


def _one_of(operand: Any) -> Predicate:
    scalars = _listed(operand)
    texts = frozenset(fold(scalar) for scalar in scalars if isinstance(scalar, str))
    booleans = frozenset(scalar for scalar in scalars if isinstance(scalar, bool))
    numbers = frozenset(s for s in scalars if isinstance(s, int | float) and not isinstance(s, bool))

    def predicate(value: Any) -> bool:
        if value.__class__ is bool:
            return value in booleans
        text = text_of(value)
        if text is None:
            return False
        return fold(text) in texts or (bool(numbers) and number_of(value) in numbers)

    return predicate


def _listed(operand: Any) -> Sequence[Any]:
    return operand if isinstance(operand, list | tuple) else (operand,)


def _of_text(holds: Callable[[str], bool]) -> Predicate:
    """A predicate over texts and over numbers in their decimal form; it fails for anything else."""

    def predicate(value: Any) -> bool:
        text = text_of(value)
        return text is not None and holds(text)

    return predicate


def _of_folded(compare: Callable[[str, str], bool]) -> Callable[[str | Sequence[str]], Predicate]:
    """An operator over folded texts, for one text or a list of which one is enough."""

    def with_operand(operand: str | Sequence[str]) -> Predicate:
        wanted = tuple(map(fold, _listed(operand)))

        def holds(text: str) -> bool:
            text = fold(text)
            return any(compare(text, each) for each in wanted)

        return _of_text(holds)

    return with_operand


def _word(operand: str | Sequence[str]) -> Predicate:
    words = (spaced_words(fold(text)) for text in _listed(operand))
    wanted = tuple(each for each in words if each.strip())

    def holds(text: str) -> bool:
        found = spaced_words(fold(text))
        return any(each in found for each in wanted)

    return _of_text(holds)


def _matches(pattern: str) -> Predicate:
    return _of_text(_matcher(pattern))


def _glob(pattern: str) -> Predicate:
    matches = _matcher(glob_to_regex(fold(pattern)))
    return _of_text(lambda text: matches(fold(text)))


def _matcher(pattern: str) -> Callable[[str], bool]:
    search = _searcher(pattern)

    def holds(text: str) -> bool:
        try:
            return search(text) is not None
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON can carry and UTF-8 cannot
            return False

    return holds


def _searcher(pattern: str) -> Callable[[str], Any]:
    """Return a search that gives None for no match; an RE2 set of one is about 4 times as fast as `re2.search`."""
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        raise PatternError(error.args[0].decode(errors="replace")) from None
    # A set cannot fall back on a slower search when memory is short, so it gets far more than it needs.
    options.max_mem = _SET_MEMORY_BYTES
    single = re2.Set.SearchSet(options)
    single.Add(pattern)
    single.Compile()
    match: Callable[[str], Any] = single.Match
    return match


def glob_to_regex(pattern: str) -> str:
    """Translate a glob over the whole string (``*``, ``?``, ``[...]``, ``[!...]``) into RE2 syntax."""
    parts, at = [], 0
    while at < len(pattern):
        end = pattern.find("]", at + 2 + pattern.startswith("[!", at)) if pattern[at] == "[" else -1
        if end > 0:
            parts.append(_bracket(pattern[at + 1 : end]))
            at = end
        else:
            parts.append(_WILDCARDS.get(pattern[at]) or re.escape(pattern[at]))
        at += 1
    return rf"\A(?s:{''.join(parts)})\z"


_WILDCARDS = {"*": ".*", "?": "."}


def _bracket(body: str) -> str:
    negated = body.startswith("!")
    escaped = "".join("\\" + char if char in r"\[]^&~" else char for char in body[negated:])
    return f"[{'^' if negated else ''}{escaped}]"


def _numeric(compare: Callable[[float, float], bool]) -> Callable[[float], Predicate]:
    def with_operand(bound: float) -> Predicate:
        def predicate(value: Any) -> bool:
            number = number_of(value)
            return number is not None and compare(number, bound)

        return predicate

    return with_operand


OPERATORS: Mapping[str, Callable[[Any], Predicate]] = {
    "equals": _one_of,
    "not": _one_of,
    "in": _one_of,
    "contains": _of_folded(contains),
    "contains_any": _of_folded(contains),
    "prefix": _of_folded(str.startswith),
    "suffix": _of_folded(str.endswith),
    "word": _word,
    "glob": _glob,
    "matches": _matches,
    "gt": _numeric(gt),
    "gte": _numeric(ge),
    "lt": _numeric(lt),
    "lte": _numeric(le),
    "exists": _exists,
}
"""Operator -> function that turns its operand into a predicate; a bare value means ``equals``.

Texts are folded, except for ``matches``. Text operators read numbers as decimal text, and comparisons read text that
spells a number.
"""
