"""What is shown to who may not see who a lead is: without traits and addresses, also where these are ids. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from app.board.sealing import Seal

VIEWER: Final = "viewer"
FULL: Final = "viewer+pii"
ROLES: Final = (VIEWER, FULL)
HIDDEN: Final = "•••"
_PREFIX: Final = "hidden."
_PHONE: Final = re.compile(r"\+[\d ().-]{6,}")
_WITH_ADDRESS: Final = re.compile(r"@|%40", re.IGNORECASE)
_IDS: Final = frozenset({"lead_id", "subject", "partitionkey"})
_LISTS_OF_IDS: Final = frozenset({"aliases", "anonymous_ids", "lead_ids"})


def is_address(text: str) -> bool:
    """Whether an id is an e-mail address or a telephone number."""
    return _WITH_ADDRESS.search(text) is not None or _PHONE.fullmatch(text) is not None


class Mask:
    """What each role is shown, and which id stands behind the one that it names."""

    def __init__(self, seal: Seal) -> None:
        """The seal hides ids."""
        self._seal = seal

    def id(self, lead_id: str, role: str) -> str:
        """The id of a lead as a role sees it."""
        if role == FULL or not is_address(lead_id):
            return lead_id
        return _PREFIX + self._seal.close(lead_id, "id")

    def named(self, said: str, role: str) -> str | None:
        """The id that a role means; None for one that it cannot know."""
        if said.startswith(_PREFIX) and (lead_id := self._seal.open(said[len(_PREFIX) :], "id")) is not None:
            return lead_id
        return None if role != FULL and is_address(said) else said

    def value(self, value: Any, role: str, field: str = "") -> Any:
        """A view, a row or an alert, as a role sees it."""
        if role == FULL:
            return value
        return self._hidden(value, role, field)

    def _hidden(self, value: Any, role: str, field: str) -> Any:
        if isinstance(value, dict):
            if field == "traits":
                return dict.fromkeys(value, HIDDEN)
            return {name: self._hidden(each, role, name) for name, each in value.items() if name != "links"}
        if isinstance(value, list | tuple):
            return [self._hidden(each, role, field) for each in value]
        if not isinstance(value, str):
            return value
        if field in _IDS or field in _LISTS_OF_IDS:
            return self.id(value, role)
        return HIDDEN if field == "email" or is_address(value) else value
