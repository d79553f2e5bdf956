"""What to write instead of a wrong scalar: guesses from how people write numbers, durations, limits and names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from unicodedata import combining, normalize

from streams.yamlfile.source import ODD_SPACES, SMART_QUOTES, spell
from streams.yamlfile.tree import Node, Report

_MINUS: Final = re.compile(r"^[\u2212\u2010-\u2015-]\s*(?=[\d.])")
_THOUSANDS: Final = re.compile(r"[-+]?\d{1,3}([,.' _]\d{3})+([.,]\d+)?")
_POINT: Final = re.compile(r"-?[1-9]\d{0,2}\.\d{2}0")
"""A number that few would write for a decimal."""
_BOOLEANS: Final = {
    **dict.fromkeys(("yes", "y", "on", "true", "1", "enabled"), True),
    **dict.fromkeys(("no", "n", "off", "false", "0", "disabled", "none", "never"), False),
}
_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("s", 1)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), ("m", 1)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "std", "stunde", "stunden", "hora", "horas"), ("h", 1)),
    **dict.fromkeys(("", "d", "day", "days", "tag", "tage", "tagen", "dia", "dias", "d\xeda", "d\xedas"), ("d", 1)),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks", "woche", "wochen", "semana", "semanas"), ("w", 1)),
    **dict.fromkeys(("mo", "mon", "month", "months", "monat", "monate", "mes", "meses"), ("d", 30)),
    **dict.fromkeys(("q", "quarter", "quarters"), ("d", 90)),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), ("d", 365)),
}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PERIOD_OF: Final = {
    **{("h", 1): "hour", ("d", 1): "day", ("w", 1): "week"},
    **{("d", 30): "month", ("d", 90): "quarter", ("d", 365): "year"},
}
_PERIODS: Final = {
    **{word: _PERIOD_OF[length] for word, length in _UNITS.items() if length[0] in "hdw"},
    **{"hourly": "hour", "daily": "day", "24h": "day", "1d": "day", "weekly": "week", "7d": "week", "1w": "week"},
    **{"monthly": "month", "30d": "month", "quarterly": "quarter", "yearly": "year", "annually": "year"},
    **dict.fromkeys(("ever", "total", "lifetime", "overall", "lead", "person", "user", "contact"), "ever"),
}
"""Words for periods."""
_BETWEEN: Final = re.compile(r"(?<=\S)\s*(?:-|\u2013|\bto\b|\bbis\b|\band\b|\.\.+)\s*(?=\S)")


_MAX_CHARS: Final = 200
"""Of a scalar that is worth a guess."""
_MAX_SEARCHED_CHARS: Final = 1000
"""Of a scalar that is searched for a comment."""
Guess = Callable[[str], Iterator[Any]]
"""Values that a text may have been meant as, the likeliest first."""


def is_comment(node: Node) -> bool:
    """Whether a comment is in the place of a value."""
    return node.value is None and node.raw.startswith("#")


def comment_remedy(node: Node) -> str:
    """How to write a comment that was meant as a value."""
    return f"write `{spell(node.raw)}`: without quotes, `#` begins a comment"


def find_remedy(node: Node, is_valid: Callable[[Any], bool], example: str, guess: Guess) -> str:
    """What to write instead of a wrong scalar: the nearest valid value, else an example."""
    if is_comment(node):
        return comment_remedy(node)
    if isinstance(node.value, str) and node.quote and (plain := _plain(node.value)) is not None and is_valid(plain):
        return f"take away the quotes: `{spell(plain)}`"
    for value in _candidates(node, guess):
        if is_valid(value):
            return f"write `{spell(value)}`"
    return f"write one such as `{example}`"


def warn_of_thousands(node: Node, report: Report) -> None:
    """Warn of a point in a number that may separate thousands."""
    if isinstance(node.value, int | float) and not node.quote and _POINT.fullmatch(node.raw):
        remedy = f"write `{node.raw.replace('.', '')}` if the point separates thousands, or `{spell(node.value)}`"
        report.warn(node, f"`{node.raw}` is the number {spell(node.value)}", remedy)


def _candidates(node: Node, guess: Guess) -> Iterator[Any]:
    value = node.value
    if isinstance(value, list):
        yield from [item.value for item in value[:1] if not isinstance(item.value, list | dict)]
        return
    if isinstance(value, dict) and len(value) == 1:
        ((key, inner),) = value.items()
        yield inner.value if key.value in ("name", "event", "type", "value", "id", "signal") else key.value
    if isinstance(value, dict) and len(value) == 1 and not any(part.raw for part in value.values()):
        yield from guess(str(next(iter(value)).value))
    if isinstance(value, dict):
        scalars = [part.raw for part in value.values()]
        names = [str(name.value) for name in value]
        joined = " ".join(scalars if len(scalars) > 1 else scalars + names)
        yield from guess(joined) if re.fullmatch(r"\d+ [a-z]+", joined) else ()
        yield from [part.value for name, part in value.items() if name.value in ("min", "from", "points", "value")]
    if value is None or isinstance(value, dict) or len(node.raw) > _MAX_SEARCHED_CHARS:
        return
    if not isinstance(value, str):
        yield node.raw or str(value).lower()
    text = re.sub(f"[{ODD_SPACES}]", " ", node.raw or str(value))
    text = re.sub(r"\s+(//|--|/\*).*|(?<=\w)#.*", "", text).strip(f" ,;{SMART_QUOTES}")
    if text and len(text) <= _MAX_CHARS:
        yield text
        yield from guess(text)


def guess_nothing(_: str) -> Iterator[Any]:
    """For kinds without a usual other notation."""
    return iter(())


def _plain(text: str) -> Any:
    """The number or the boolean that a quoted text spells."""
    number = number_in(text)
    return number if number is not None else {"true": True, "false": False}.get(text)


def number_in(text: str) -> int | float | None:
    """The number that a text spells as YAML does, if it is one."""
    if not re.fullmatch(r"[-+]?(\d+(\.\d*)?|\.\d+)", text):
        return None
    number = float(text)
    return int(number) if number.is_integer() else number


def guess_number(text: str) -> Iterator[Any]:
    """Decimal commas, thousands, other signs for minus, and units."""
    text = re.sub(r"(?i)^minus\s+", "-", text)
    text = _MINUS.sub("-", re.sub(r"^(\w+ +)?(>=?|<=?|=+|\u2265|\u2264|\+)\s*", "", text))
    text = (
        re.sub(r"\s*(%|points?|pts?\.?|p|usd|eur)$", "", text, flags=re.IGNORECASE)
        .strip("$\u20ac\xa3 ")
        .removesuffix("+")
    )
    whole = _THOUSANDS.fullmatch(text)
    if whole and not re.fullmatch(r"[-+]?0[.,].*", text):
        decimals = whole[2] or ""
        text = re.sub(r"[,.' _]", "", text[: len(text) - len(decimals)]) + decimals.replace(",", ".")
    number = number_in(text.replace(",", ".", 1))
    if number is not None:
        yield from (number, abs(number))
    scaled = re.fullmatch(r"(?i)([-+]?\d+(?:[.,]\d+)?)\s*(k|m|mio|million)\.?", text)
    if scaled:
        exact = float(scaled[1].replace(",", ".")) * (1_000 if scaled[2] in "kK" else 1_000_000)
        yield int(exact) if exact.is_integer() else exact
    fraction = re.fullmatch(r"([-+]?\d{1,9})\s*/\s*([1-9]\d{0,8})", text)
    if fraction:
        yield round(int(fraction[1]) / int(fraction[2]), 3)
    first = re.match(r"([-+]?\d+(?:\.\d+)?)(?=[ (/\u2013-])", text)
    if first and not fraction:
        yield number_in(first[1])


def bounds_in(text: str) -> tuple[Any, Any] | None:
    """The two numbers of a text such as `50-200`, `50 and 200` or `$1M - $10M`."""
    parts = _BETWEEN.split(text[:_MAX_CHARS], maxsplit=1)
    numbers = [number for part in parts for number in list(guess_number(part))[:1]]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def guess_boolean(text: str) -> Iterator[Any]:
    """The words for true and false."""
    if text.casefold() in _BOOLEANS:
        yield _BOOLEANS[text.casefold()]


def guess_duration(text: str) -> Iterator[Any]:
    """Words, other units, a number of days."""
    text = re.sub(r"^(one|an?)\b", "1", re.sub(r"^(two|a couple of)\b", "2", text.casefold()))
    if text in {"none", "no", "forever", "infinite", "infinity", "inf", ".inf", "unlimited", "ever", "off", "false"}:
        yield "never"
    found = re.fullmatch(r"[-\u2212+~]?\s*p?t?(\d+(?:[.,]\d+)?)\s*([a-z\xed]*)\.?", text)
    if found and found[2] in _UNITS:
        unit, factor = _UNITS[found[2]]
        count = float(found[1].replace(",", ".")) * factor
        yield f"{count * 60:g}s" if unit == "m" and count <= 24 else f"{count:g}{unit}"
    parts = re.findall(r"(\d+)\s*([a-z]+)", text)
    if len(parts) > 1 and re.fullmatch(r"(\d+\s*[a-z]+[\s,+]*)+", text) and all(unit in _UNITS for _, unit in parts):
        lengths = [int(count) * _UNITS[unit][1] * _SECONDS[_UNITS[unit][0]] for count, unit in parts]
        least = min((_UNITS[unit][0] for _, unit in parts), key=_SECONDS.__getitem__)
        yield f"{sum(lengths) / _SECONDS[least]:g}{least}"


def guess_limit(text: str) -> Iterator[Any]:
    """Words, and other periods."""
    text = text.casefold()
    if text in {"once", "unique", "1", "one"}:
        yield "1/ever"
    text = re.sub(r"(?<=[a-z])\s*(?:/|per|for each)\s*(lead|person|user|contact|visitor)$", "", text)
    text = re.split(r" (?:and|und|,) ", text)[0]
    found = re.fullmatch(
        r"(?:max(?:imum)?\s+|only\s+)?(\d+|once|one|twice)?\s*(?:x|times?|events?)?\s*"
        r"(?:/|per|a|an|each|every|in|pro|je|por|al|a la|par)?\s*([a-z0-9\xed]*)",
        text,
    )
    if found and found[2] in _PERIODS and (found[1] or found[2]):
        count = {"once": "1", "one": "1", "twice": "2", None: "1"}.get(found[1], found[1])
        yield f"{min(int(count), 1000)}/{_PERIODS[found[2]]}"


def guess_path(text: str) -> Iterator[Any]:
    """Other notations: `$.properties.url`, `properties/url`, `properties['url']`, `{{ properties.url }}`."""
    text = re.sub(r"\[['\"]?(.*?)['\"]?\]", r".\1", text.strip("{}$% "))
    yield re.sub(r"[./]+", ".", text).strip(".")


def guess_name(text: str) -> Iterator[Any]:
    """A name in other letters; those with accents lose them."""
    text = text.casefold()
    for letter, plain in (("\xe4", "ae"), ("\xf6", "oe"), ("\xfc", "ue")):
        text = text.replace(letter, plain)
    plain = "".join(char for char in normalize("NFKD", text) if not combining(char))
    yield re.sub(r"[^a-z0-9_-]+", "_", plain).strip("_")[:64]
