"""Decides whether trying a scorecard would show more about traits than the scorecards in use do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_args

from streams.scorefile.models import canonical_part
from streams.scoring.scorecard import Condition, FitLine, Model


def asks_about_traits(old: Model, new: Model) -> bool:
    """Whether a new file has a fit line, or another condition of a scorecard, that the old one does not have.

    Its effect on a lead would show whether the condition holds, to a role that may not see traits. Points and limits
    may differ, as everybody sees which fit lines match a lead.
    """
    known = set(_list_conditions(old.scorecards))
    return any(condition not in known for condition in _list_conditions(new.scorecards))


def _list_conditions(part: Any) -> Iterator[str]:
    if isinstance(part, FitLine):
        yield canonical_part(replace(part, points=0.0))
    elif isinstance(part, get_args(Condition)):
        yield canonical_part(part)
    else:
        for each in _list_members(part):
            yield from _list_conditions(each)


def _list_members(part: Any) -> Iterable[Any]:
    if isinstance(part, dict):
        return part.values()
    if is_dataclass(part):
        return (getattr(part, field.name) for field in fields(part))
    return part if isinstance(part, list | tuple) else ()
