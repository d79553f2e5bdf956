"""Filters and order of a list of leads, and how they are written in an address. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.board.lead_columns import COLUMNS, TRAIT

TEXTS: Final = ("scorecard", "stage", "grade", "category", "channel", "q", "seen", "unseen", "new_since", "sort")
"""Fields of ``Filters`` that are parameters of the same name."""
COLUMN_FILTERS: Final = COLUMNS[1:]
"""Columns that are parameters; those of traits begin with ``TRAIT``."""
PARAMETERS: Final = (*TEXTS[:6], *COLUMN_FILTERS, *TEXTS[6:], "columns")
RANK, SEEN = "rank", "seen"


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters and order of a list; None for no filter."""

    scorecard: str | None = None
    stage: str | None = None
    """The current stage."""
    grade: str | None = None
    category: str | None = None
    """The category of most of the points."""
    channel: str | None = None
    """The source of the last touch."""
    q: str | None = None
    """Words or their beginnings, of ids, names, companies, addresses, numbers and some traits."""
    seen: str | None = None
    """Seen within this time, as ``7d``."""
    unseen: str | None = None
    """Not seen within this time."""
    new_since: str | None = None
    """Entered the current stage after this instant."""
    sort: str | None = None
    """``rank``, ``seen`` or a column; a ``-`` before it turns the order around."""
    equals: tuple[tuple[str, str], ...] = ()
    """(column, value), without regard to case and accents."""
    show: tuple[str, ...] = ()
    """Columns that each row has."""

    @property
    def any(self) -> bool:
        """Whether any filter is set."""
        return bool(self.is_narrow or self.q or self.seen or self.unseen or self.new_since or self.equals)

    @property
    def is_narrow(self) -> bool:
        """Whether the ranking itself is filtered."""
        return any((self.stage, self.grade, self.category, self.channel))

    @property
    def needs_index(self) -> bool:
        """Whether the search index is needed, as the ranking does not have this order or these filters."""
        narrow = (self.q, self.seen, self.unseen, self.new_since, self.equals)
        return any(narrow) or self.sort not in {None, RANK}

    def to_query(self) -> dict[str, str]:
        """The parameters."""
        texts = {name: getattr(self, name) for name in TEXTS}
        given = {**texts, **dict(self.equals), "columns": ",".join(self.show)}
        names = (*PARAMETERS, *(name for name, _ in self.equals if name.startswith(TRAIT)))
        return {name: given[name] for name in names if given.get(name)}


def filters_of(query: Mapping[str, str]) -> Filters:
    """The filters in the parameters of a request; an empty parameter is no filter."""
    given = {name: text.strip() for name, text in query.items() if text.strip()}
    names = (*COLUMN_FILTERS, *sorted(name for name in given if name.startswith(TRAIT)))
    return Filters(
        **{name: given.get(name) for name in TEXTS},
        equals=tuple((name, given[name]) for name in names if name in given),
        show=tuple(dict.fromkeys(filter(None, given.get("columns", "").split(",")))),
    )
