"""Reads what a scorecard says about sales: how many leads it wants, why it may reject one, when that may come back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from streams.scorefile.timed import WINDOW
from streams.scoring.scorecard import Period, Target
from streams.scoring.verdicts import MAX_TEXT_BYTES
from streams.yamlfile.containers import list_of, struct_of
from streams.yamlfile.kinds import DURATION_PATTERN, Field, duration_ms, placed, require, text_of
from streams.yamlfile.repairs import guess_duration, guess_limit


def _reason(text: str) -> str:
    require(len(text.encode("utf-8", "replace")) <= MAX_TEXT_BYTES and text == " ".join(text.split()))
    return text


_REASON: Final = text_of(
    f"a text of 1 to {MAX_TEXT_BYTES} bytes, with single spaces", "no budget", r"^\S[^\n]{0,39}$", _reason
)
_RECYCLE_AFTER: Final = text_of(
    WINDOW.about,
    "30d",
    DURATION_PATTERN,
    lambda text: round(duration_ms(text)),
    guess_duration,
    lambda text: "remove it: without it, a lead may be recycled at once" if text.strip("0smhdw") == "" else "",
)
CURRENCY: Final = text_of(
    "a currency of three capital letters", "EUR", r"^[A-Z]{3}$", str, lambda text: iter([text.upper()])
)
_PERIODS: Final[tuple[Period, ...]] = ("day", "week", "month", "quarter")
MAX_TARGET: Final = 1_000_000


def _target(text: str) -> Target:
    count, _, period = text.partition("/")
    require(1 <= int(count) <= MAX_TARGET)
    return Target(int(count), next(known for known in _PERIODS if known == period))


def _guess_target(text: str) -> Iterator[Any]:
    return iter(()) if text.isdigit() else guess_limit(text)


TARGET: Final = text_of(
    f"a number of leads per {', '.join(_PERIODS[:-1])} or {_PERIODS[-1]}",
    "40/week",
    rf"^[0-9]{{1,7}}/({'|'.join(_PERIODS)})$",
    _target,
    _guess_target,
    lambda text: "" if next(_guess_target(text), "") else "write the leads of a period, as in `40/week`",
)
SALES_WORDS: Final = {
    "reasons": Field(
        list_of(placed(_REASON)),
        "The reasons to reject a lead that the board offers. Another reason in an event is shown as it is, and "
        "counted as `other`.",
        default="any reason",
        example="[no budget, too small, wrong person]",
    ),
    "currencies": Field(
        list_of(placed(CURRENCY)),
        "The currencies of amounts that the board offers, the most usual first. An event may name any.",
        default="the one of the costs file",
        example="[EUR, USD]",
    ),
    "recycle_after": Field(
        _RECYCLE_AFTER,
        "How long a rejected lead is held out at least, also if it is recycled before. A lead that sales accepts, "
        "or opens an opportunity for, is not held out any longer.",
        default="until it is recycled",
    ),
}
SALES: Final = struct_of("the terms of sales", SALES_WORDS, "{reasons: [no budget], recycle_after: 30d}")
