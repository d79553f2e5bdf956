"""What is shown to who may not see who a lead is: without traits and addresses, also where these are ids. Pure."""

from __future__ import annotations

import re
from typing import Any, Final
from unicodedata import normalize
from urllib.parse import unquote

from app.board.id_cipher import IdCipher

VIEWER: Final = "viewer"
FULL: Final = "viewer+pii"
ROLES: Final = (VIEWER, FULL)
HIDDEN: Final = "•••"
_PREFIX: Final = "hidden."
_PHONE: Final = re.compile(
    r"((tel|callto|sms|phone|mobile|whatsapp):)?\+?[\d ()./\u2010-\u2015-]+( (x|ext\.?|extension) ?\d+|;ext=\d+)?",
    re.IGNORECASE,
)
"""With what may stand before it, and an extension after it."""
_HASH: Final = re.compile(r"(sha256:)?[0-9a-f]{64}", re.IGNORECASE)
_TIMES_QUOTED: Final = 3
_IDS: Final = frozenset({"lead_id", "subject", "partitionkey"})
_LISTS_OF_IDS: Final = frozenset({"aliases", "anonymous_ids", "lead_ids"})


def is_address(text: str) -> bool:
    """Whether a text holds an e-mail address, or is a telephone number: digits alone are one if they begin with 0."""
    plain = normalize("NFKC", text)
    for _ in range(_TIMES_QUOTED):
        plain = unquote(plain)
    if "@" in plain:
        return True
    many = sum(map(str.isdigit, plain))
    return 7 <= many <= 15 and _PHONE.fullmatch(plain) is not None and (many < len(plain) or plain[0] == "0")


def _is_personal(lead_id: str) -> bool:
    """Whether an id tells who it is, if only to those who have a list: the SHA-256 of an address is one, too."""
    return _HASH.fullmatch(lead_id) is not None or is_address(lead_id)


class Mask:
    """What each role is shown, and which id stands behind the one that it names."""

    def __init__(self, cipher: IdCipher) -> None:
        """The cipher hides ids."""
        self._cipher = cipher

    def mask_id(self, lead_id: str, role: str) -> str:
        """The id of a lead as a role sees it."""
        if role == FULL or not _is_personal(lead_id):
            return lead_id
        return _PREFIX + self._cipher.encrypt(lead_id, "id")

    def resolve_id(self, said: str, role: str) -> str | None:
        """The id that a role means; None for one that it cannot know."""
        if said.startswith(_PREFIX) and (lead_id := self._cipher.decrypt(said[len(_PREFIX) :], "id")) is not None:
            return lead_id
        return None if role != FULL and _is_personal(said) else said

    def mask_channel(self, said: str, role: str) -> str:
        """A source, a medium or a campaign, which anybody may have made up."""
        return HIDDEN if role != FULL and is_address(said) else said

    def mask_value(self, value: Any, role: str, field: str = "") -> Any:
        """A view, a row or an alert, as a role sees it."""
        if role == FULL:
            return value
        return self._mask(value, role, field)

    def _mask(self, value: Any, role: str, field: str) -> Any:
        if isinstance(value, dict):
            if field == "traits":
                return {HIDDEN if is_address(name) else name: HIDDEN for name in value}
            return {name: self._mask(each, role, name) for name, each in value.items() if name != "links"}
        if isinstance(value, list | tuple):
            return [self._mask(each, role, field) for each in value]
        if not isinstance(value, str):
            return value
        if field in _IDS or field in _LISTS_OF_IDS:
            return self.mask_id(value, role)
        return HIDDEN if field == "email" or is_address(value) else value
