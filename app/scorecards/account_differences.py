"""Describes what differs between the accounts of two scorecards. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from app.scorecards.values import format_value, label_of
from streams.scorefile.models import canonical_part
from streams.scoring.scorecard import Accounts, Scorecard, Stage


def account_texts(old: Scorecard, new: Scorecard) -> Iterator[str]:
    """Each difference: ``accounts by company (sum) → by email domain (top 3)``."""
    before, after = old.accounts, new.accounts
    if _describe(before) != _describe(after):
        yield f"accounts {_describe(before)} → {_describe(after)}"
    known = {stage.name: stage for stage in before.stages} if before is not None else {}
    wanted = {stage.name: stage for stage in after.stages} if after is not None else {}
    for name in dict.fromkeys([*wanted, *known]):
        if canonical_part({"stage": known.get(name)}) != canonical_part({"stage": wanted.get(name)}):
            yield f"stage {name} of accounts: {_describe_change(known.get(name), wanted.get(name))}"


def _describe(accounts: Accounts | None) -> str:
    if accounts is None:
        return "none"
    how = f"top {accounts.top}" if accounts.roll_up == "top" else accounts.roll_up
    return f"by {accounts.key} ({how})"


def _describe_change(old: Stage | None, new: Stage | None) -> str:
    """The fields that differ; all that are set of a stage that comes, and that it goes."""
    if new is None:
        return "removed"
    blank = old or Stage(new.name, 0.0, 0.0)
    texts = []
    for field in fields(new):
        before, after = (format_value(getattr(stage, field.name), field.name) for stage in (blank, new))
        if before != after:
            texts.append(f"{label_of(field.name)} {f'{before} → ' if old is not None else ''}{after}")
    return ", ".join(texts)
