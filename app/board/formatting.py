"""Formats numbers, times and names for the pages. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.lead_views import round_down
from streams.events.times import parse_ms

NONE: Final = "\N{EN DASH}"
_MINUS: Final = "\N{MINUS SIGN}"
_SPACE: Final = "\N{NARROW NO-BREAK SPACE}"
_UNITS: Final = (("d", 86_400, 3600), ("h", 3600, 60), ("min", 60, 1), ("s", 1, 1))
"""Name, seconds, and the seconds to which a future time is rounded: `in 7 d` must not become `in 6 d` at once."""
_NOW_S: Final = 5
_DAY: Final = timedelta(days=1)
_CAUSES: Final = {
    "decay": "Decay.",
    "event": "New event.",
    "scorecard_changed": "Changed scorecard.",
    "retracted": "Retracted event.",
    "merged": "Merged with another lead.",
    "erased": "Lead erased.",
    "forgotten": "Idle lead forgotten.",
    "not_applicable": "The scorecard does not apply any more.",
}

_CAUSES_OF_ACCOUNTS: Final = {
    "decay": "Decay of the score of a lead.",
    "event": "New event of a lead.",
    "moved": "A lead left for another account.",
    "merged": "A lead was merged with another one.",
    "erased": "A lead was erased.",
}


def ago(time: str, now_ms: int) -> str:
    """A time relative to now: ``5 min ago``, ``in 3 d``."""
    seconds = (now_ms - (parse_ms(time) or now_ms)) / 1000
    size = abs(seconds)
    if size < _NOW_S:
        return "now"
    sizes = ((unit, length, size if seconds > 0 else round(size / finer) * finer) for unit, length, finer in _UNITS)
    unit, length, whole = next(each for each in sizes if each[2] >= each[1])
    many = f"{int(whole // length)} {unit}"
    return f"{many} ago" if seconds > 0 else f"in {many}"


def exact_time(time: str | float) -> str:
    """A time to the second: RFC 3339, or milliseconds since the epoch."""
    at = moment(time)
    return f"{at.day} {at:%b %Y, %H:%M:%S} UTC"


def day(time: str | float, now_ms: int | None = None) -> str:
    """The day of a time; today and yesterday by name."""
    at = moment(time)
    if now_ms is not None:
        today = moment(now_ms).date()
        names = {today: "Today", today - _DAY: "Yesterday"}
        if at.date() in names:
            return names[at.date()]
    return f"{at.day} {at:%b %Y}"


def moment(time: str | float) -> datetime:
    """The datetime of RFC 3339, or of milliseconds since the epoch."""
    at_ms = (parse_ms(time) or 0) if isinstance(time, str) else time
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def words(name: object) -> str:
    """A name from the scorecard file as words: ``pricing_visit`` is pricing visit."""
    return str(name if name is not None else "").replace("_", " ")


def titled(thing: Mapping[str, Any]) -> str:
    """The label of a part or a reason; without one, its name as words."""
    name = thing["name"] if "name" in thing else thing.get("rule", "")
    label = thing.get("label") or name
    return words(name) if label == name else str(label)


def number(value: float | None, digits: int = 2) -> str:
    """A number with separated thousands and no trailing zeros."""
    if value is None:
        return NONE
    text = f"{abs(value):,.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    sign = _MINUS if value < 0 and text != "0" else ""
    return sign + text.replace(",", _SPACE)


def score(points: float, digits: int = 2) -> str:
    """A score, rounded down."""
    return number(round_down(points, digits), digits)


def signed(value: float | None) -> str:
    """A number with its sign."""
    text = number(value)
    return f"+{text}" if value is not None and value > 0 and text != "0" else text


def percent(share: float) -> str:
    """A share of one as a percentage."""
    return f"{number(100 * share, 0 if share >= 0.1 else 1)} %"


def money(value: float | None) -> str:
    """An amount in the currency of the costs file, which is not named."""
    return NONE if value is None else f"{value:,.2f}".replace(",", _SPACE)


def span(hours: float | None) -> str:
    """A length of time in at most two units."""
    if hours is None:
        return NONE
    minutes = round(hours * 60)
    if minutes < 1:
        return "under a minute"
    days, rest = divmod(minutes, 1440)
    parts = ((days, "d"), (rest // 60, "h"), (rest % 60, "min"))
    shown = [f"{many} {unit}" for many, unit in parts if many]
    return " ".join(shown[:2])


def cause(name: str | None, of_account: bool = False) -> str:
    """The cause of a change of stage of a lead, or of an account."""
    if of_account and name in _CAUSES_OF_ACCOUNTS:
        return _CAUSES_OF_ACCOUNTS[name]
    return _CAUSES.get(name or "", words(name).capitalize() + "." if name else "")


def shown(value: Any) -> str:
    """The value of a trait."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, dict):
        return ", ".join(f"{words(name)}: {shown(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return NONE if value is None else str(value)
