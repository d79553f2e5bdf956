"""Compile the accounts of a scorecard: of which account a lead is, and how the scores of its leads add up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from heapq import nlargest
from typing import TYPE_CHECKING, Any, Final
from unicodedata import normalize

from streams.scoring.account_ids import ranking_of
from streams.scoring.fit import UNIT
from streams.scoring.free_mail import is_free_mail
from streams.scoring.scorecard import EMAIL_DOMAIN, Accounts

if TYPE_CHECKING:
    from streams.scoring.card_rules import StageRule

MAX_VALUE_CHARS: Final = 200
"""The longest value of a key; the rest of a longer one does not count."""
_NO_COMPANY: Final = frozenset(["none", "null", "nil", "n/a", "na", "undefined", "unknown", "private", "self", "test"])


class AccountRule:
    """The accounts of one scorecard."""

    def __init__(self, name: str, accounts: Accounts, maximum: float, stages: tuple[StageRule, ...]) -> None:
        """``name`` and ``maximum`` are those of the scorecard."""
        self.name = name
        self.accounts = accounts
        self.stages = stages
        self.ranking = ranking_of(name)
        self.trait = "email" if accounts.key == EMAIL_DOMAIN else accounts.key
        """The trait that has the key."""
        self._maximum = maximum

    def value_of(self, traits: Mapping[str, list[Any]]) -> str | None:
        """The account of a lead with these rows of traits; None if it has none."""
        row = traits.get(self.trait)
        if row is None:
            return None
        return domain_of(row[0]) if self.accounts.key == EMAIL_DOMAIN else value_of(row[0])

    def roll_up(self, scores: Iterable[int]) -> int:
        """The score of an account from the published scores of its leads, in units; scores below 1 count nothing."""
        counted = sorted(score for score in scores if score > 0)
        kind = self.accounts.roll_up
        if kind == "max":
            return UNIT * max(counted, default=0)
        if kind == "sum":
            return UNIT * sum(counted)
        if kind == "top":
            return UNIT * sum(nlargest(self.accounts.top, counted))
        missing = math.prod(1 - min(score / self._maximum, 1) for score in counted)
        return round(UNIT * self._maximum * (1 - missing))


def key_value_of(rule: AccountRule, text: str) -> str | None:
    """The value of the key that a person means: as it is kept, or a mail address for its domain."""
    if rule.accounts.key == EMAIL_DOMAIN:
        return domain_of(text if "@" in text else f"anybody@{text}")
    return value_of(text)


def domain_of(address: Any) -> str | None:
    """The domain of a mail address of a company; None for one of a free mail service, and for anything else."""
    if not isinstance(address, str) or address.count("@") != 1:
        return None
    domain = normalize("NFKC", address).strip().rpartition("@")[2].rstrip(".").casefold()
    if "." not in domain or " " in domain or is_free_mail(domain):
        return None
    return _sound(domain)


def value_of(trait: Any) -> str | None:
    """The account that a trait names: a text without regard to case, width and spaces, or a number."""
    if isinstance(trait, list):
        trait = trait[0] if trait else None
    if isinstance(trait, float) and trait.is_integer():
        trait = int(trait)
    if isinstance(trait, bool) or not isinstance(trait, str | int | float):
        return None
    text = " ".join(normalize("NFKC", str(trait)).casefold().split())
    return None if text in _NO_COMPANY or not any(map(str.isalnum, text)) else _sound(text)


def _sound(text: str) -> str | None:
    """A value as it is kept: printable, and not too long."""
    kept = "".join(c for c in text.encode("utf-8", "ignore").decode() if c.isprintable())[:MAX_VALUE_CHARS].strip()
    return kept or None
