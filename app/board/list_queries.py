"""Turns the filters of a list into a query of the search index, and checks leads against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from app.board.filters import RANK, SEEN, Filters
from app.board.formatting import words
from app.board.lead_columns import OPEN_COLUMNS, TRAIT, Entry
from app.board.masking import is_address, sees_everything
from app.board.search_query import Query
from app.board.search_words import fold_text, has_words, parse_search
from app.http.refusals import Refusal
from streams.events.times import parse_ms
from streams.units import parse_duration_ms

_HIDDEN: Final = "Your role does not show `{name}`, so lists cannot be filtered or sorted by it."


def make_query(filters: Filters, card: str, columns: Sequence[str], role: str, at_ms: int) -> Query:
    """The query of a list for a role.

    Raises:
        Refusal: a filter is malformed, or the role may not know what it would show.
    """
    sort, down = _order_of(filters.sort or RANK, columns)
    for name in (*(name for name, _ in filters.equals), *(() if isinstance(sort, str) else (columns[sort],))):
        _check_column(name, columns, role)
    return Query(
        card,
        parse_search(filters.q or ""),
        not sees_everything(role),
        tuple((columns.index(name), fold_text(value)) for name, value in filters.equals),
        _ago(filters, "seen", at_ms),
        _ago(filters, "unseen", at_ms),
        filters.stage,
        _instant_of(filters.new_since),
        sort,
        down,
    )


def list_columns(columns: Sequence[str], role: str) -> dict[str, Any]:
    """The columns and orders that a role may use, with labels."""
    shown = [
        {"name": name, "label": words(name.removeprefix(TRAIT)).capitalize()}
        for name in columns
        if sees_everything(role) or name in OPEN_COLUMNS
    ]
    sorted_by = [(each["name"], each["label"]) for each in shown if sees_everything(role)]
    by_time = [
        ("", "Hottest first"),
        ("-rank", "Coldest first"),
        ("seen", "Seen last"),
        ("-seen", "Not seen for longest"),
    ]
    return {
        "columns": shown,
        "orders": [*by_time, *sorted_by, *((f"-{n}", f"{label}, reversed") for n, label in sorted_by)],
    }


def check_shown(filters: Filters, columns: Sequence[str], role: str) -> None:
    """Refuse columns that there are not, or that the role may not see.

    Raises:
        Refusal: there is one.
    """
    for name in filters.show:
        _check_column(name, columns, role)


def can_match(filters: Filters, role: str) -> bool:
    """Whether any lead can match: nobody is found by an address that the role may not see."""
    return sees_everything(role) or not any(is_address(value) for _, value in filters.equals)


def is_match(query: Query, entry: Entry) -> bool:
    """Whether a lead matches, as it is now."""
    standing = next((each for each in entry.standings if each.scorecard == query.card), None)
    if standing is None or not _is_seen(query, entry.seen_ms):
        return False
    if query.stage is not None and standing.stage != query.stage:
        return False
    if query.entered_from_ms is not None and (standing.entered_ms or 0) <= query.entered_from_ms:
        return False
    if any(entry.columns[column] != value for column, value in query.equals):
        return False
    return not query.words or has_words([entry.ids] if query.only_ids else [entry.ids, entry.more], query.words)


def _is_seen(query: Query, seen_ms: int) -> bool:
    low, high = query.seen_from_ms, query.seen_until_ms
    return (low is None or seen_ms >= low) and (high is None or seen_ms <= high)


def _order_of(sort: str, columns: Sequence[str]) -> tuple[str | int, bool]:
    """What to sort by, and whether the greatest come first: so do scores and times, unless turned around."""
    name, is_turned = sort.removeprefix("-"), sort.startswith("-")
    if name in {RANK, SEEN}:
        return name, not is_turned
    if name not in columns:
        raise Refusal(400, "unknown_sort", f"There is no such order. Known are: {', '.join((RANK, SEEN, *columns))}.")
    return columns.index(name), is_turned


def _check_column(name: str, columns: Sequence[str], role: str) -> None:
    if name not in columns:
        hint = "; LEADGLOW_BOARD_TRAITS names the traits" if name.startswith(TRAIT) else ""
        raise Refusal(400, "unknown_column", f"There is no such column. Known are: {', '.join(columns)}{hint}.")
    if not sees_everything(role) and name not in OPEN_COLUMNS:
        raise Refusal(403, "hidden_column", _HIDDEN.format(name=name))


def _ago(filters: Filters, name: str, at_ms: int) -> int | None:
    text = getattr(filters, name)
    if text is None:
        return None
    try:
        return at_ms - round(parse_duration_ms(text))
    except ValueError:
        raise Refusal(400, "bad_duration", f"`{name}` is a duration, as `7d` (s, m, h, d, w).") from None


def _instant_of(text: str | None) -> int | None:
    at_ms = None if text is None else parse_ms(text)
    if text is not None and at_ms is None:
        raise Refusal(400, "bad_time", "`new_since` is a time, as 2026-12-24T18:00:00Z.")
    return at_ms
