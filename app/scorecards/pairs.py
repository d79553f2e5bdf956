"""Pairs the parts of two scorecard files: by name, and renamed ones by content. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from itertools import chain
from typing import Any, Final, NamedTuple

from streams.scorefile.models import canonical_part
from streams.scoring.scorecard import Scorecard

_FIXED: Final = frozenset({"name", "label", "events", "where", "distinct", "amount", "limit", "show"})
"""Fields that never contain the name of a signal."""


class Pairs(NamedTuple):
    """Parts of an old and a new file."""

    both: list[tuple[Any, Any]]
    """Old and new with one name, or with one content if no other part has it."""
    gone: list[Any]
    come: list[Any]


def pair_parts(old: Iterable[Any], new: Iterable[Any]) -> Pairs:
    """Pair parts by their names; renamed ones by their content, if that is unambiguous."""
    olds, news = ({part.name: part for part in parts} for parts in (old, new))
    both = [(olds[name], part) for name, part in news.items() if name in olds]
    gone = _group_by_content(part for name, part in olds.items() if name not in news)
    come = _group_by_content(part for name, part in news.items() if name not in olds)
    moved = [content for content in gone if len(gone[content]) == len(come.get(content, ())) == 1]
    both += [(gone.pop(content)[0], come.pop(content)[0]) for content in moved]
    return Pairs(both, list(chain(*gone.values())), list(chain(*come.values())))


def _group_by_content(parts: Iterable[Any]) -> dict[str, list[Any]]:
    found = defaultdict(list)
    for part in parts:
        unnamed = {field.name: "" for field in fields(part) if field.name in {"name", "label"}}
        found[canonical_part(replace(part, **unnamed))].append(part)
    return dict(found)


def rename_signals(part: Any, renamed: Mapping[str, str]) -> Any:
    """A signal or a scorecard with the new names of signals in it."""
    if isinstance(part, Scorecard):
        names = ["points", "categories", "stages"]
    else:
        names = [field.name for field in fields(part) if field.name not in _FIXED]
    return replace(part, **{name: _rename(getattr(part, name), renamed) for name in names})


def _rename(value: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return renamed.get(value, value)
    if isinstance(value, tuple):
        return tuple(_rename(item, renamed) for item in value)
    if isinstance(value, Mapping):
        return {renamed.get(key, key): item for key, item in value.items()}
    return rename_signals(value, renamed) if is_dataclass(value) else value
