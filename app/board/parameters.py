"""Parameters in the query of a request, and their limits; the OpenAPI document reads the limits from here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from app.board.filters import Filters, filters_of
from app.http.refusals import Refusal
from app.instants import parse_instant_in_query
from streams.clock import now_ms

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 90
MAX_FILTER_CHARS: Final = 200


def check_parameters(request: web.Request, *names: str, beginning: str | None = None) -> None:
    """Refuse unknown and repeated parameters: a misspelt filter would list everybody.

    ``beginning`` is that of more names.

    Raises:
        Refusal: there is one.
    """
    for name in request.query:
        if len(request.query.getall(name)) > 1:
            raise Refusal(400, "repeated_parameter", f"`{name}` may be given once.")
        if name not in names and not (beginning and name.startswith(beginning)):
            known = ", ".join(f"`{each}`" for each in names) or "none"
            raise Refusal(400, "unknown_parameter", f"This address has no such parameter; it has: {known}.")


def choose_period(request: web.Request, days: Sequence[int]) -> tuple[str, int]:
    """The touch and the number of days that a page is asked for; the default for any value that it does not offer."""
    touch = "last" if request.query.get("touch") == "last" else "first"
    return touch, next((each for each in days if request.query.get("days") == str(each)), DEFAULT_DAYS)


def parse_filters(request: web.Request) -> Filters:
    """The filters of a list; an empty parameter is no filter."""
    if any(len(request.query[name]) > MAX_FILTER_CHARS for name in request.query if name != "cursor"):
        raise Refusal(400, "too_long", f"A filter has at most {MAX_FILTER_CHARS} characters.")
    return filters_of(request.query)


def parse_cursor(request: web.Request) -> str | None:
    """The cursor of a list; None for its beginning."""
    return request.query.get("cursor") or None


def parse_limit(request: web.Request) -> int:
    """The number of rows to list."""
    return parse_number(request, "limit", DEFAULT_LIMIT, MAX_LIMIT)


def parse_number(request: web.Request, name: str, default: int, most: int) -> int:
    """A whole number from 1 to ``most``."""
    text = request.query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise Refusal(400, "bad_number", f"`{name}` is a number from 1 to {most}.")
    return int(text)


def parse_at(request: web.Request) -> int | None:
    """The instant to show, in ms since the epoch; None for now."""
    text = request.query.get("at")
    try:
        return parse_instant_in_query(text, now_ms()) if text else None
    except ValueError as error:
        raise Refusal(400, "bad_time", f"`at`: {error}") from None
