"""The value types of a YAML file, each with a reader and a JSON Schema.

Reading continues after a mistake: the mistake is reported, and the value is None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from streams.units import DAY_MS, parse_duration_ms
from streams.yamlfile.repairs import (
    Guess,
    find_remedy,
    guess_boolean,
    guess_name,
    guess_nothing,
    guess_number,
    guess_path,
    number_in,
    warn_of_thousands,
)
from streams.yamlfile.tree import Node, Report

MAX_NUMBER = 1_000_000_000
MAX_NAME_CHARS = 64
MAX_TEXT_CHARS = 1000
MAX_PATH_NAMES = 16
MAX_DURATION_DAYS = 36_500
NAME_PATTERN = rf"^[a-z0-9_-]{{1,{MAX_NAME_CHARS}}}$"
_STEP = rf"[^.]{{1,{MAX_NAME_CHARS}}}"
_PATH = rf"^{_STEP}(\.{_STEP}){{0,{MAX_PATH_NAMES - 1}}}$"
DURATION_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9})?[smhdw]$"


@dataclass(frozen=True, slots=True)
class Kind:
    """A value type: a reader, a JSON Schema and an example. The reader reports a mistake and returns None for it."""

    read: Callable[[Node, Report], Any]
    schema: Mapping[str, Any]
    example: str
    about: str = ""
    """What it is, for messages and for the documentation."""


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a mapping."""

    kind: Kind
    about: str
    required: bool = False
    example: str = ""
    """Empty: the example of its kind."""
    default: str = ""
    """What holds without the key; in backticks if it can be written in its place."""

    @property
    def description(self) -> str:
        """Its meaning with its default, for editors."""
        return f"{self.about} Default: {self.default}." if self.default else self.about


@dataclass(frozen=True, slots=True)
class Item:
    """A value with its place in the file."""

    node: Node
    value: Any


@dataclass(slots=True)
class Struct:
    """A mapping with fixed keys, as far as it could be read."""

    node: Node
    values: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Keys with a mistake, at any depth."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default if the file leaves it out."""
        return self.values.get(key, default)


def accepts(kind: Kind, node: Node) -> bool:
    """Whether a kind reads a value without a mistake."""
    trial = Report()
    kind.read(node, trial)
    return not trial.mistakes


def placed(kind: Kind) -> Kind:
    """The same value type, read as an Item, for names that must exist elsewhere in the file."""
    return Kind(lambda node, report: Item(node, kind.read(node, report)), kind.schema, kind.example, kind.about)


def nearest(name: str, known: Collection[str], synonyms: Mapping[str, str] = MappingProxyType({})) -> str:
    """The remedy for an unknown name; ``synonyms`` are names from elsewhere, with what to write instead."""
    plain = re.sub(r"[ -]+", "_", name[:64].strip().casefold())
    first = plain.partition("_")[0]
    close = find_nearest(name, known) or (first if first in known else "")
    found = synonyms.get(plain) or synonyms.get(plain.removeprefix("is_"))
    if found and close != plain:
        return found if found.startswith(("move ", "remove ")) else f"write `{found}`"
    if close:
        return f"write `{close}`"
    if len(name.split()) > 3:
        return "remove this line, or write `#` before it"
    return f"use one of {', '.join(f'`{each}`' for each in list(known)[:20])}" if known else "remove it"


def find_nearest(name: str, known: Collection[str]) -> str:
    """The known name that is most like a name, empty if none is."""
    folded = {each.casefold(): each for each in known}
    close = get_close_matches(re.sub(r"[ -]+", "_", name[:64].strip().casefold()), folded, n=1)
    return folded[close[0]] if close else next(iter(get_close_matches(name[:64], known, n=1)), "")


def free_name(name: str, taken: Collection[Any]) -> str:
    """The name, with a number if it is taken."""
    numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def report_repeated(items: Iterable[Item | None], describe: Callable[[Any], str], remedy: str, report: Report) -> None:
    """Report each value that occurs again; values that could not be read are skipped."""
    seen: dict[Any, Node] = {}
    for item in items:
        if item is None or item.value is None:
            continue
        first = seen.setdefault(item.value, item.node)
        if first is not item.node:
            report.add(item.node, f"{describe(item.value)} is a duplicate of line {first.line}", remedy)


# Single values.


Hint = Callable[[str], str]
"""A remedy in words for a text that no value can replace; empty for others."""


def no_hint(_: str) -> str:
    """For kinds without such texts."""
    return ""


def scalar_of(
    about: str,
    example: str,
    schema: Mapping[str, Any],
    convert: Callable[[Any], Any],
    guess: Guess = guess_nothing,
    hint: Hint = no_hint,
) -> Kind:
    """A scalar; ``convert`` raises ValueError for one that is not ``about``.

    The remedy is the ``hint`` for its text in lower case if there is one, else a value from ``guess``.
    """

    def is_valid(value: Any) -> bool:
        try:
            convert(value)
        except ValueError:
            return False
        return True

    def read(node: Node, report: Report) -> Any:
        try:
            value = convert(node.value)
        except ValueError:
            remedy = hint(node.raw.strip().casefold()) or find_remedy(node, is_valid, example, guess)
            report.add(node, f"{node} is not {about}", remedy)
            return None
        warn_of_thousands(node, report)
        return value

    return Kind(read, schema, example, about)


def text_of(
    about: str,
    example: str,
    pattern: str,
    convert: Callable[[str], Any] = str,
    guess: Guess = guess_nothing,
    hint: Hint = no_hint,
) -> Kind:
    """A text that matches a pattern; ``convert`` raises ValueError for one that is invalid all the same."""
    compiled = re.compile(pattern.replace("$", r"\Z"), re.DOTALL)

    def checked(value: Any) -> Any:
        require(isinstance(value, str) and bool(compiled.search(value)))
        return convert(value)

    return scalar_of(about, example, {"type": "string", "pattern": pattern}, checked, guess, hint)


def private(about: str, remedy: str, convert: Callable[[Any], Any]) -> Kind:
    """A scalar that messages do not quote, because it may be a secret. ``convert`` returns None for an invalid one."""

    def read(node: Node, report: Report) -> Any:
        value = None if isinstance(node.value, list | dict) else convert(node.value)
        if value is None:
            number = not isinstance(node.value, str | list | dict) and node.raw and convert(node.raw) is not None
            report.add(node, f"this is not {about}", "put quotes around it" if number else f"write {remedy}")
        return value

    return Kind(read, {}, remedy)


def matching(pattern: str) -> Callable[[Any], str | None]:
    """A ``convert`` function for ``private``: the whole text must match a pattern."""
    compiled = re.compile(pattern)
    return lambda value: value if isinstance(value, str) and compiled.fullmatch(value) else None


def require(condition: bool) -> None:
    """Check a condition in the ``convert`` function of a scalar.

    Raises:
        ValueError: the condition does not hold.
    """
    if not condition:
        raise ValueError


def number_from(least: float, example: str, hint: Hint = no_hint) -> Kind:
    """A number that is at least ``least``."""

    def checked(value: Any) -> float:
        require(isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= MAX_NUMBER)
        return float(value) + 0.0  # -0.0 is 0.0

    def hint_for(text: str) -> str:
        number = number_in(text)
        large = number is not None and abs(number) > MAX_NUMBER
        return f"write one up to {MAX_NUMBER}" if large else hint(text)

    about = "a number" if least < 0 else f"a number from {least:g}"
    schema = {"type": "number", "minimum": least, "maximum": MAX_NUMBER}
    return scalar_of(about, example, schema, checked, guess_number, hint_for)


def _checked_path(path: str) -> str:
    require(number_in(path) is None)
    return path


def _checked_bool(value: Any) -> bool:
    require(isinstance(value, bool))
    return bool(value)


def _checked_version(value: Any) -> int:
    require(value == 1 and not isinstance(value, bool))
    return 1


def duration_ms(text: str) -> float:
    """Convert a duration from 1 ms to MAX_DURATION_DAYS to milliseconds.

    Raises:
        ValueError: the duration is out of bounds.
    """
    milliseconds = parse_duration_ms(text)
    require(1 <= milliseconds <= MAX_DURATION_DAYS * DAY_MS)
    return milliseconds


NAME = text_of(f"a name of 1 to {MAX_NAME_CHARS} of a-z, 0-9, _ and -", "pricing_visit", NAME_PATTERN, guess=guess_name)
TEXT = text_of(
    f"a text of 1 to {MAX_TEXT_CHARS} characters",
    "/pricing",
    rf"^[\s\S]{{1,{MAX_TEXT_CHARS}}}$",
    hint=lambda text: "" if text else "write a text, or remove this",
)


def path_of(example: str) -> Kind:
    """A path, with an example."""
    return text_of("a path of names with dots between them", example, _PATH, _checked_path, guess_path)


PATH = path_of("properties.url")
NUMBER = number_from(-MAX_NUMBER, "10")
CAP = number_from(0, "15")
BOOLEAN = scalar_of("true or false", "true", {"type": "boolean"}, _checked_bool, guess_boolean)
VERSION = scalar_of("the version of this format", "1", {"const": 1}, _checked_version, lambda _: iter([1]))
