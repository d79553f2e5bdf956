"""Expected numbers in a cases file: `75`, `at least 70`, `below 50` or `70 to 80`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streams.yamlfile.kinds import Kind, require
from streams.yamlfile.repairs import find_remedy, guess_number
from streams.yamlfile.tree import Node, Report

_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
_BETWEEN = rf"({_NUMBER}) to ({_NUMBER})"
_BOUND = rf"(at least|at most|above|below) ({_NUMBER})"
_SIGNS = {
    **dict.fromkeys((">=", "\u2265", "min", "from", "not below"), "at least"),
    **dict.fromkeys(("<=", "\u2264", "max", "up to", "not above"), "at most"),
    **dict.fromkeys((">", "over", "more than", "greater than"), "above"),
    **dict.fromkeys(("<", "under", "less than", "fewer than"), "below"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A number or a range of numbers as it is written."""

    text: str
    low: float = -math.inf
    high: float = math.inf
    open: bool = False
    """Whether the bound itself is outside."""
    tolerance: float = 1e-9
    """Half of the last digit of a single number."""

    def holds(self, actual: float) -> bool:
        """Whether a number is the expected one, rounded to its digits, or in the range."""
        if self.open:
            return self.low < actual < self.high
        return self.low - self.tolerance <= actual <= self.high + self.tolerance


def parse_wanted(text: str) -> Wanted:
    """Parse an expected number.

    Raises:
        ValueError: it is none.
    """
    if re.fullmatch(_NUMBER, text):
        digits = len(text.partition(".")[2])
        return Wanted(text, float(text), float(text), tolerance=0.5 * 10**-digits + 1e-9)
    if found := re.fullmatch(_BETWEEN, text):
        require(float(found[1]) <= float(found[2]))
        return Wanted(text, float(found[1]), float(found[2]))
    found = re.fullmatch(_BOUND, text)
    require(found is not None)
    assert found
    number, is_open = float(found[2]), found[1] in ("above", "below")
    if found[1] in ("at least", "above"):
        return Wanted(text, low=number, open=is_open)
    return Wanted(text, high=number, open=is_open)


def _is_valid(value: Any) -> bool:
    try:
        parse_wanted(str(value))
    except ValueError:
        return False
    return True


def _guess(text: str) -> Iterator[Any]:
    """Ranges and bounds as people write them: `70-80`, `>= 70`, `between 70 and 80`, `70+`."""
    plain = " ".join(text.casefold().replace("between", " ").split())
    if found := re.fullmatch(rf"({_NUMBER}) ?(?:-|\u2013|\.\.+|and|to|bis|a) ?({_NUMBER})", plain):
        yield f"{found[1]} to {found[2]}"
        yield f"{found[2]} to {found[1]}"
    for sign, words in _SIGNS.items():
        if plain.startswith(sign):
            yield f"{words} {plain.removeprefix(sign).strip()}"
    if plain.endswith("+"):
        yield f"at least {plain[:-1].strip()}"
    yield from guess_number(plain)


def _read(node: Node, report: Report) -> Wanted | None:
    scalar = isinstance(node.value, int | float | str) and not isinstance(node.value, bool)
    try:
        require(scalar)
        return parse_wanted(node.raw)
    except ValueError:
        remedy = find_remedy(node, _is_valid, "75", _guess)
        report.add(node, f"{node} is not an expected number", remedy)
        return None


_TEXT = {"type": "string", "pattern": f"^({_BETWEEN}|{_BOUND})$"}
WANTED = Kind(
    _read, {"anyOf": [{"type": "number"}, _TEXT]}, "75", "a number, `70 to 80`, `at least 70`, `above 70` or `below 50`"
)
