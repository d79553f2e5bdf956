"""The names of accounts: in the store, in alerts, and those of their rankings."""

from __future__ import annotations

from typing import Final

SUBJECT: Final = "account:"
"""Begins the subject of the alerts of an account."""
_BEGIN, _BETWEEN = "\x01", "\x1f"
"""Parts of the id of an account. The id of a lead has no control characters."""
_RANKING: Final = "/accounts"
"""Ends the name of the ranking of accounts; the name of a scorecard has no slash."""


def account_id(card: str, value: str) -> str:
    """The id under which an account is stored."""
    return f"{_BEGIN}{card}{_BETWEEN}{value}"


def is_account(lead_id: str) -> bool:
    """Whether an id is that of an account."""
    return lead_id.startswith(_BEGIN)


def card_and_value(of: str) -> tuple[str, str]:
    """The scorecard and the value of the key of an account, from its id."""
    card, _, value = of.removeprefix(_BEGIN).partition(_BETWEEN)
    return card, value


def ranking_of(card: str) -> str:
    """The name of the ranking of the accounts of a scorecard."""
    return card + _RANKING


def card_of_ranking(ranking: str) -> str:
    """The scorecard of a ranking of accounts."""
    return ranking.removesuffix(_RANKING)
