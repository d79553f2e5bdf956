"""Queries of the search index: filters, an order, and a place to go on from.

If the most selective filter finds few leads, all of them are read and sorted. Otherwise the query walks down the order,
as it soon finds a page of frequent ones; only if that is not enough, it sorts all. So the time depends on how many
leads a query examines, and hardly on how many the board has.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from app.board.filters import RANK, SEEN
from app.board.search_words import Words
from streams.clock import monotonic_s

FEW: Final = 5000
"""Leads that are sorted without a walk."""
WALK: Final = 20_000
"""Leads that are examined in the order before all that match are sorted."""
LIMIT_S: Final = 1.5
STEPS: Final = 20_000
"""Steps of SQLite between two looks at the clock."""
_INDEXED: Final = (5, 3, 2)
"""Lengths of prefixes in the index of words, as in ``search_index.sql``."""
Key = str | float | None


class Found(NamedTuple):
    """A lead that a query found; ``key`` and ``row`` are its place in the order."""

    key: Key
    row: int
    lead_id: str


class Result(NamedTuple):
    """The leads that a query found, in order."""

    leads: list[Found]
    after: tuple[Key, int] | None
    """The place to go on from; None at the end."""
    looked: int
    """About how many leads were examined."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to find, and in which order."""

    card: str
    words: Words = ()
    only_ids: bool = False
    """Whether to search only the words that every role may see."""
    equals: tuple[tuple[int, str], ...] = ()
    """(number of the column, folded value)."""
    seen_from_ms: int | None = None
    seen_until_ms: int | None = None
    stage: str | None = None
    entered_from_ms: int | None = None
    sort: str | int = RANK
    """``RANK``, ``SEEN`` or the number of a column."""
    down: bool = True
    """Whether the greatest come first; leads without a value come last in any case."""

    @property
    def is_filtered(self) -> bool:
        """Whether it has any filter but the scorecard."""
        return bool(self.words or self.equals or self.stage or self.ranges())

    def ranges(self) -> list[tuple[str, int]]:
        """Conditions with a bound."""
        given = [
            ("l.seen >= ?", self.seen_from_ms),
            ("l.seen <= ?", self.seen_until_ms),
            ("p.entered > ?", self.entered_from_ms),
        ]
        return [(condition, bound) for condition, bound in given if bound is not None]


class Sql(NamedTuple):
    """A part of a statement with its values."""

    text: str
    values: tuple[object, ...] = ()


def find_leads(reader: sqlite3.Connection, query: Query, after: tuple[Key, int] | None, limit: int) -> Result:
    """The next leads after a place in the order."""
    leads: list[Found] = []
    looked, place = 0, after
    few = _count_few(reader, query)
    for phase in _phases(query, after):
        wanted = limit - len(leads)
        rest = None if few is None else _sort_rest(reader, query, phase, place, wanted)
        if few is None or rest is None:
            walked = _walk(reader, query, phase, place, wanted)
            looked += walked.looked
            leads += walked.leads
            place, wanted = walked.after, limit - len(leads)
            rest = [] if place is None or not wanted else _sort_rest(reader, query, phase, place, wanted)
            if rest is None:  # there was no time for all of them
                return Result(leads, place, looked)
        else:
            looked += few
        leads += rest
        if len(leads) == limit:
            return Result(leads, _place_of(leads[-1]), looked)
        place = None
    return Result(leads, None, looked)


def find_by_mail(reader: sqlite3.Connection, mail: str, limit: int) -> list[str]:
    """Leads with exactly this folded address."""
    found = reader.execute("SELECT id FROM leads WHERE mail = ? ORDER BY seen DESC LIMIT ?", (mail, limit))
    return [lead_id for (lead_id,) in found]


def list_values(reader: sqlite3.Connection, column: int, limit: int) -> list[str]:
    """The most frequent values of a column, folded."""
    found = reader.execute(
        f"SELECT c{column} FROM leads WHERE c{column} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT ?",
        (limit,),
    )
    return [value for (value,) in found]


@dataclass(frozen=True, slots=True)
class _Phase:
    """One index to walk along: of the leads with a value, or of those without."""

    key: str
    table: str
    index: str
    condition: Sql
    down: bool
    by_row: bool = False


def _phases(query: Query, after: tuple[Key, int] | None) -> Iterator[_Phase]:
    if query.sort == RANK:
        yield _Phase("place", "places", "by_place", Sql("card = ?", (query.card,)), query.down)
    elif query.sort == SEEN:
        yield _Phase("seen", "leads", "by_seen", Sql("1"), query.down)
    else:
        key = f"c{query.sort}"
        if after is None or after[0] is not None:
            yield _Phase(key, "leads", f"by_{key}", Sql(f"{key} IS NOT NULL"), query.down)
        yield _Phase(key, "leads", f"by_{key}", Sql(f"{key} IS NULL"), query.down, by_row=True)


def _beyond(phase: _Phase, place: tuple[Key, int] | None, table: str = "") -> Sql:
    """The condition that a row comes after a place."""
    if place is None:
        return Sql("1")
    sign = "<" if phase.down else ">"
    if phase.by_row:
        return Sql(f"{table}row {sign} ?", (place[1],))
    return Sql(f"({table}{phase.key}, {table}row) {sign} (?, ?)", place)


def _order(phase: _Phase, table: str = "") -> str:
    way = "DESC" if phase.down else "ASC"
    return f"{table}row {way}" if phase.by_row else f"{table}{phase.key} {way}, {table}row {way}"


def _walk(
    reader: sqlite3.Connection, query: Query, phase: _Phase, place: tuple[Key, int] | None, wanted: int
) -> Result:
    """The first matching leads among the next ones in the order; ``after`` is the last one that was examined."""
    beyond, where = _beyond(phase, place), _conditions(query)
    part = f"FROM {phase.table} INDEXED BY {phase.index} WHERE {phase.condition.text} AND {beyond.text}"
    values = phase.condition.values + beyond.values
    walked = f"SELECT {phase.key}, row {part} ORDER BY {_order(phase)}"
    tables = f"({walked} LIMIT {WALK}) w CROSS JOIN leads l ON l.row = w.row CROSS JOIN places p ON p.row = w.row"
    found = reader.execute(
        f"SELECT w.{phase.key}, l.row, l.id FROM {tables} AND p.card = ? WHERE {where.text} LIMIT ?",
        (*values, query.card, *where.values, wanted),
    ).fetchall()
    leads = [Found(*row) for row in found]
    if len(leads) == wanted:
        return Result(leads, _place_of(leads[-1]), len(leads))
    (looked,) = reader.execute(f"SELECT count(*) FROM ({walked} LIMIT {WALK})", values).fetchone()
    last = reader.execute(f"{walked} LIMIT 1 OFFSET {WALK - 1}", values).fetchone()
    return Result(leads, last, looked)


def _sort_rest(
    reader: sqlite3.Connection, query: Query, phase: _Phase, place: tuple[Key, int] | None, wanted: int
) -> list[Found] | None:
    """Sort all matching leads after a place; None if there are too many for the time."""
    driver, where = _driver(query), _conditions(query)
    table = "p." if phase.table == "places" else "l."
    beyond = _beyond(phase, place, table)
    condition = "1" if phase.table == "places" else phase.condition.text.replace(phase.key, f"l.{phase.key}")
    end_s = monotonic_s() + LIMIT_S
    reader.set_progress_handler(lambda: monotonic_s() > end_s, STEPS)
    try:
        found = reader.execute(
            f"SELECT {table}{phase.key}, l.row, l.id FROM {driver.text} "
            f"WHERE +{condition} AND {where.text} AND {beyond.text} ORDER BY {_order(phase, f'+{table}')} LIMIT ?",
            (*driver.values, *where.values, *beyond.values, wanted),
        ).fetchall()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        return None
    finally:
        reader.set_progress_handler(None, 0)
    return [Found(*row) for row in found]


def _count_few(reader: sqlite3.Connection, query: Query) -> int | None:
    """The number of leads that the most selective filter finds; None if there are many, or no filter."""
    if not query.is_filtered or any(max(map(len, prefixes)) == 1 for prefixes in query.words):
        return None  # single letters are not in the index of prefixes
    source = _source(query)
    found = reader.execute(f"SELECT count(*) FROM (SELECT 1 FROM {source.text} LIMIT {FEW + 1})", source.values)
    (count,) = found.fetchone()
    return None if count > FEW else int(count)


def _source(query: Query) -> Sql:
    """The leads that the most selective filter finds, as ``w`` or, with their place, as ``p``."""
    if (match := match_of(query)) is not None:
        return Sql("(SELECT rowid AS row FROM words WHERE words MATCH ?) w", (match,))
    if query.equals:
        column, value = query.equals[0]
        return Sql(f"(SELECT row FROM leads INDEXED BY by_c{column} WHERE c{column} = ?) w", (value,))
    if query.entered_from_ms is not None:
        entered = "(SELECT * FROM places INDEXED BY by_entered WHERE card = ? AND entered > ?) p"
        return Sql(entered, (query.card, query.entered_from_ms))
    if query.stage is not None:
        return Sql(
            "(SELECT * FROM places INDEXED BY by_stage WHERE card = ? AND stage = ?) p", (query.card, query.stage)
        )
    low, high = query.seen_from_ms or 0, query.seen_until_ms or 2**62
    return Sql("(SELECT row FROM leads INDEXED BY by_seen WHERE seen BETWEEN ? AND ?) w", (low, high))


def _driver(query: Query) -> Sql:
    """The tables, the one with the most selective filter first."""
    source = _source(query)
    if source.text.endswith("p"):
        return Sql(f"{source.text} CROSS JOIN leads l ON l.row = p.row", source.values)
    places = "CROSS JOIN places p ON p.row = l.row AND p.card = ?"
    return Sql(f"{source.text} CROSS JOIN leads l ON l.row = w.row {places}", (*source.values, query.card))


def match_of(query: Query) -> str | None:
    """The search in the language of FTS5, by prefixes that its index has; a superset of what is searched for."""
    alternatives = []
    for prefixes in query.words:
        longest = [_indexed(prefix) for prefix in prefixes]
        used = [prefix for prefix in longest if len(prefix) > 1] or longest
        alternatives.append("(" + " AND ".join(f'"{prefix}"*' for prefix in used) + ")")
    if not alternatives:
        return None
    text = " OR ".join(alternatives)
    return f"ids : ({text})" if query.only_ids else text


def _indexed(prefix: str) -> str:
    length = next((length for length in _INDEXED if length <= len(prefix)), len(prefix))
    return prefix[:length]


def _conditions(query: Query) -> Sql:
    """Every filter, as a condition on one lead."""
    texts: list[str] = []
    values: list[object] = []
    for column, value in query.equals:
        texts.append(f"l.c{column} = ?")
        values.append(value)
    if query.stage is not None:
        texts.append("p.stage = ?")
        values.append(query.stage)
    for condition, bound in query.ranges():
        texts.append(condition)
        values.append(bound)
    has, times = ("instr(l.ids, ?)", 1) if query.only_ids else ("(instr(l.ids, ?) OR instr(l.more, ?))", 2)
    alternatives = [" AND ".join([has] * len(prefixes)) for prefixes in query.words]
    if alternatives:
        texts.append(f"({' OR '.join(alternatives)})")
    values += [f" {prefix}" for prefixes in query.words for prefix in prefixes for _ in range(times)]
    return Sql(" AND ".join(texts) or "1", tuple(values))


def _place_of(found: Found) -> tuple[Key, int]:
    return found.key, found.row
