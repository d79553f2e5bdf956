"""The value types that only scorecard files use: events, half-lives, limits, operands."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, get_args

from streams.scoring.scorecard import Limit, Period
from streams.yamlfile.containers import list_of
from streams.yamlfile.kinds import (
    DURATION_PATTERN,
    MAX_DURATION_DAYS,
    MAX_NUMBER,
    NAME,
    NAME_PATTERN,
    PATH,
    Kind,
    duration_ms,
    number_from,
    require,
    scalar_of,
    text_of,
)
from streams.yamlfile.repairs import (
    comment_remedy,
    guess_duration,
    guess_limit,
    guess_name,
    guess_number,
    is_comment,
    number_in,
)
from streams.yamlfile.source import in_quotes, spell
from streams.yamlfile.tree import Node, Report

_OPERAND = "one text, number, true or false"
_CHANGED = re.compile(r"[-+]?0\d.*|\+.*|.*_.*|0[xob].*|[-+]?\d+[eE].*|[-+]?\d+\.(\d*[1-9])?0+")
"""Numbers that may have been meant as texts: as texts, they would be written otherwise."""
MAX_EVENTS = 1000
MAX_LABEL_CHARS = 200
MAX_GRADE_CHARS = 16
MAX_EVENT_CHARS = 200
_ZERO = re.compile(r"[-+]?0+([.,]0+)?\s*[a-z]*")
_PERIODS = " or ".join([", ".join(get_args(Period)[:-1]), get_args(Period)[-1]])
_LIMIT = rf"^[0-9]{{1,4}}/({'|'.join(get_args(Period))})$"


def _limit(text: str) -> Limit:
    count, _, period = text.partition("/")
    require(1 <= int(count) <= MAX_EVENTS)
    return Limit(int(count), next(known for known in get_args(Period) if known == period))


def _read_operand(node: Node, report: Report) -> Any:
    value = node.value
    if isinstance(value, list) and value and all(isinstance(item.value, dict) for item in value):
        report.add(node, f"{node} is not {_OPERAND}", "write `any:` with this list below it, or `all:`")
    elif isinstance(value, list):
        shown = ", ".join(spell(item.value) for item in value if isinstance(item.value, int | float | str))
        report.add(node, f"{node} is not {_OPERAND}", f"write `{{in: [{shown or 'a, b'}]}}`")
    elif isinstance(value, dict):
        remedy = "write `none:` with the operators that must not hold" if value else "write a value, or operators"
        report.add(node, f"{node} is not {_OPERAND}", remedy)
    elif value is None:
        report.add(node, f"{node} is not {_OPERAND}", _missing_remedy(node))
    elif isinstance(value, str | bool) or node.quote or not _CHANGED.fullmatch(node.raw):
        return value
    else:
        remedy = f"write `{in_quotes(node.raw)}` for the text, or `{spell(value)}` for the number"
        if "." in node.raw:
            report.warn(node, f"{node} is the number {spell(value)}", remedy)
            return value
        report.add(node, f"{node} is the number {spell(value)} without quotes", remedy)
    return None


def _read_amount(node: Node, report: Report) -> str | None:
    product = re.fullmatch(r"([\w.]+)\s*[*/]\s*[\d.,]+", node.value) if isinstance(node.value, str) else None
    if product:
        report.add(node, f"{node} is not a path", f"write `{product[1]}`, and multiply the points")
        return None
    number = number_in(node.raw)
    if number is None or isinstance(node.value, list | dict):
        path: str | None = PATH.read(node, report)
        return path
    remedy = (
        "remove `amount`, and make the points negative" if number < 0 else "remove `amount`, and multiply the points"
    )
    report.add(node, f"{node} is a constant, and an amount is read from each event", f"{remedy}, or write a path")
    return None


def _read_distinct(node: Node, report: Report) -> str | None:
    if isinstance(node.value, bool):
        remedy = "write the path of what must differ, such as `properties.path`"
        report.add(node, f"{node} is not {PATH.about}", remedy if node.value else "remove `distinct`")
        return None
    if node.raw.casefold() in ("no", "none", "off", "never", "yes", "on"):
        report.add(node, f"{node} is not {PATH.about}", "remove `distinct`, or write a path")
        return None
    path: str | None = PATH.read(node, report)
    return path


def _missing_remedy(node: Node) -> str:
    if is_comment(node):
        return comment_remedy(node)
    text = f", or `{in_quotes(node.raw)}` for the text" if node.raw else ", or a value"
    return f"write `{{exists: false}}` for what is missing{text}"


def _limit_hint(text: str) -> str:
    if re.match(r"0+\b", text):
        return "write how many events count; a signal of which none counts needs no points"
    each = re.fullmatch(r"(\d+) ?(?:/|per|for each) ?([a-z_ ]+)", text)
    if each and not next(guess_limit(text), ""):
        return f"write a period, as in `{each[1]}/day`, or use `distinct` to count each `{each[2]}` once"
    return ""


def _comparable(value: Any) -> Any:
    require(isinstance(value, int | float) and not isinstance(value, bool))
    return value


def _comparable_hint(text: str) -> str:
    if re.fullmatch(r"\d{1,2}:\d\d(:\d\d)?", text):
        return "compare a number: a time of day is a text"
    length = re.fullmatch(r"(\d+(?:\.\d+)?) ?([smhdw]|(?:sec|min|hour|day|week|month|year)[a-z]*)", text)
    if length:
        millions = f" for minutes, `{length[1]}000000` for millions" if length[2] == "m" else ""
        return f"write the number alone, in the unit of the events: `{length[1]}`{millions}"
    return "remove it: conditions do not know the time" if re.search(r"\b(now|today|ago|yesterday)\b", text) else ""


def _read_reference(node: Node, report: Report) -> Any:
    """Any text: one that is no signal's name gets the nearest name later, when all names are known."""
    return node.value if isinstance(node.value, str) and node.value else NAME.read(node, report)


REFERENCE = replace(NAME, read=_read_reference)
CATEGORY_NAME = text_of(
    f"{NAME.about}, and not `other`",
    "intent",
    NAME_PATTERN.replace("^", "^(?!other$)"),
    guess=guess_name,
)
LABEL = text_of(f"a text of 1 to {MAX_LABEL_CHARS} characters", "Whole company", rf"^[\s\S]{{1,{MAX_LABEL_CHARS}}}$")
GRADE = text_of(f"a grade of 1 to {MAX_GRADE_CHARS} characters", "A", rf"^[\s\S]{{1,{MAX_GRADE_CHARS}}}$")
GRADE_BOUND = number_from(
    -MAX_NUMBER, "10", lambda text: "write the score at which it begins" if text.startswith(("<", "\u2264")) else ""
)
EVENT = text_of(
    "a call type (page, screen, identify, group, alias) or the name of a track call",
    "Demo Requested",
    rf"^(?!track$)[\s\S]{{1,{MAX_EVENT_CHARS}}}$",
)
COOLDOWN = text_of(
    f"a duration above 0 and up to {MAX_DURATION_DAYS}d",
    "7d",
    DURATION_PATTERN,
    lambda text: round(duration_ms(text)),
    guess_duration,
    lambda text: "remove it: without it, every entry is published" if _ZERO.fullmatch(text) else "",
)
HALF_LIFE = text_of(
    f"{COOLDOWN.about} (a number with s, m, h, d or w), or `never`",
    "14d",
    rf"^never$|{DURATION_PATTERN}",
    lambda text: float("inf") if text == "never" else duration_ms(text),
    guess_duration,
    lambda text: "write `never` if it must not fade, else a time above 0" if _ZERO.fullmatch(text) else "",
)
LIMIT = text_of(
    f"a limit of 1 to {MAX_EVENTS} per {_PERIODS}",
    "1/day",
    _LIMIT,
    _limit,
    guess_limit,
    _limit_hint,
)
WORDS = text_of("a text with a letter or a digit", "head of", r"[^\s!-/:-@\[-`{-~]")
OPERAND = Kind(_read_operand, {"type": ["string", "number", "boolean"]}, "CTO", _OPERAND)
AMOUNT = replace(PATH, read=_read_amount, example="properties.value")
DISTINCT = replace(PATH, read=_read_distinct)
SHOW = list_of(replace(PATH, example="properties.title"), or_one=True)
COMPARABLE = scalar_of("a number", "200", {"type": "number"}, _comparable, guess_number, _comparable_hint)
