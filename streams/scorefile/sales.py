"""Reads the terms of sales in a scorecard: the reasons to reject a lead, and when it may come back."""

from __future__ import annotations

from typing import Final

from streams.scorefile.timed import WINDOW
from streams.scoring.verdicts import MAX_TEXT_BYTES
from streams.yamlfile.containers import list_of, struct_of
from streams.yamlfile.kinds import DURATION_PATTERN, Field, duration_ms, placed, require, text_of
from streams.yamlfile.repairs import guess_duration


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
SALES_WORDS: Final = {
    "reasons": Field(
        list_of(placed(_REASON)),
        "The reasons to reject a lead that the board offers. Another reason in an event is shown as it is, and "
        "counted as `other`.",
        default="any reason",
        example="[no budget, too small, wrong person]",
    ),
    "recycle_after": Field(
        _RECYCLE_AFTER,
        "How long a rejected lead is held out at least, also if it is recycled before. A lead that sales accepts, "
        "or opens an opportunity for, is not held out any longer.",
        default="until it is recycled",
    ),
}
SALES: Final = struct_of("the terms of sales", SALES_WORDS, "{reasons: [no budget], recycle_after: 30d}")
