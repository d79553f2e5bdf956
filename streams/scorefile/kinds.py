"""The value types that only scorecard files use: events, half-lives, limits, operands."""

from __future__ import annotations

from typing import Any, get_args

from streams.scoring.scorecard import Limit, Period
from streams.yamlfile.kinds import DURATION_PATTERN, NAME_PATTERN, duration_ms, require, scalar_of, text_of

_LIMIT = rf"^[0-9]{{1,4}}/({'|'.join(get_args(Period))})$"


def _limit(text: str) -> Limit:
    count, _, period = text.partition("/")
    require(1 <= int(count) <= 1000)
    return Limit(int(count), next(known for known in get_args(Period) if known == period))


def _operand(value: Any) -> Any:
    require(isinstance(value, int | float | str))
    return value


def _comparable(value: Any) -> Any:
    require(isinstance(value, int | float) and not isinstance(value, bool))
    return value


CATEGORY_NAME = text_of(
    "a name of 1 to 64 of a-z, 0-9, _ and -, and not `other`", "intent", NAME_PATTERN.replace("^", "^(?!other$)")
)
LABEL = text_of("a text of 1 to 200 characters", "Whole company", r"^[\s\S]{1,200}$")
GRADE = text_of("a grade of 1 to 16 characters", "A", r"^[\s\S]{1,16}$")
EVENT = text_of(
    "a call type (page, screen, identify, group, alias) or the name of a track call",
    "Demo Requested",
    r"^(?!track$)[\s\S]{1,200}$",
)
COOLDOWN = text_of("a duration above 0 and up to 36500d", "7d", DURATION_PATTERN, lambda text: round(duration_ms(text)))
HALF_LIFE = text_of(
    "a duration above 0 and up to 36500d (a number with s, m, h, d or w), or `never`",
    "14d",
    rf"^never$|{DURATION_PATTERN}",
    lambda text: float("inf") if text == "never" else duration_ms(text),
)
LIMIT = text_of("a limit of 1 to 1000 per hour, day, week or ever", "1/day", _LIMIT, _limit)
OPERAND = scalar_of("one text, number, true or false", "true", {"type": ["string", "number", "boolean"]}, _operand)
COMPARABLE = scalar_of("a number", "200", {"type": "number"}, _comparable)
