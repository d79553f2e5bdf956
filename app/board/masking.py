"""Hides traits and addresses, also in ids, from roles that may not see them. Pure."""

from __future__ import annotations

import re
from typing import Any, Final
from unicodedata import normalize
from urllib.parse import unquote

from app.board.id_cipher import IdCipher

VIEWER: Final = "viewer"
FULL: Final = "viewer+pii"
SALES: Final = "sales"
"""Sees everything, and may give verdicts about leads."""
EDITOR: Final = "editor"
"""Sees everything, and may also publish scorecards."""
ROLES: Final = (VIEWER, FULL, SALES, EDITOR)
"""From the lowest to the highest."""
HIDDEN: Final = "•••"
_PREFIX: Final = "hidden."
_PHONE: Final = re.compile(
    r"((tel|callto|sms|phone|mobile|whatsapp):)?\+?[\d ()./\u2010-\u2015-]+( (x|ext\.?|extension) ?\d+|;ext=\d+)?",
    re.IGNORECASE,
)
"""With an optional prefix and extension."""
_HASH: Final = re.compile(r"(sha256:)?[0-9a-f]{64}", re.IGNORECASE)
_UNQUOTE_ROUNDS: Final = 3
_IDS: Final = frozenset({"lead_id", "subject", "partitionkey"})
_HIDDEN_VALUES: Final = frozenset({"traits", "form_fields"})
_LISTS_OF_IDS: Final = frozenset({"aliases", "anonymous_ids", "lead_ids"})


def sees_everything(role: str) -> bool:
    """Whether a role may see traits and addresses."""
    return role in {FULL, SALES, EDITOR}


def is_address(text: str) -> bool:
    """Whether a text contains an e-mail address or is a telephone number; digits alone are one if they begin with 0."""
    plain = normalize("NFKC", text)
    for _ in range(_UNQUOTE_ROUNDS):
        plain = unquote(plain)
    if "@" in plain:
        return True
    many = sum(map(str.isdigit, plain))
    return 7 <= many <= 15 and _PHONE.fullmatch(plain) is not None and (many < len(plain) or plain[0] == "0")


def is_personal(lead_id: str) -> bool:
    """Whether an id identifies a person; the SHA-256 of an address does, for somebody with a list of addresses."""
    return _HASH.fullmatch(lead_id) is not None or is_address(lead_id)


class Mask:
    """Masks values for a role, and resolves masked ids."""

    def __init__(self, cipher: IdCipher) -> None:
        """``cipher`` encrypts ids."""
        self._cipher = cipher

    def mask_id(self, lead_id: str, role: str) -> str:
        """The id of a lead as shown to a role."""
        if sees_everything(role) or not is_personal(lead_id):
            return lead_id
        return _PREFIX + self._cipher.encrypt(lead_id, "id")

    def resolve_id(self, text: str, role: str) -> str | None:
        """The id behind a possibly masked one; None for an id that the role may not know."""
        if text.startswith(_PREFIX) and (lead_id := self._cipher.decrypt(text[len(_PREFIX) :], "id")) is not None:
            return lead_id
        return None if not sees_everything(role) and is_personal(text) else text

    def mask_account(self, value: str, role: str) -> str:
        """An account as shown to a role: its name is a trait, or a part of an address."""
        return value if sees_everything(role) else _PREFIX + self._cipher.encrypt(value, "account")

    def resolve_account(self, text: str, role: str) -> str | None:
        """The account behind a possibly masked one; None for one that the role may not know."""
        if text.startswith(_PREFIX) and (value := self._cipher.decrypt(text[len(_PREFIX) :], "account")) is not None:
            return value
        return text if sees_everything(role) else None

    def mask_alert(self, alert: dict[str, Any], role: str) -> dict[str, Any]:
        """An alert about a lead or an account as shown to a role."""
        masked: dict[str, Any] = self.mask_value(alert, role)
        return masked | {"account": self.mask_account(alert["account"], role)} if "account" in alert else masked

    def mask_channel(self, text: str, role: str) -> str:
        """A source, medium or campaign; it may contain an address, as anybody can set it."""
        return HIDDEN if not sees_everything(role) and is_address(text) else text

    def mask_value(self, value: Any, role: str, field: str = "") -> Any:
        """A view, row or alert as shown to a role."""
        if sees_everything(role):
            return value
        return self._mask(value, role, field)

    def _mask(self, value: Any, role: str, field: str) -> Any:
        if isinstance(value, dict):
            if field in _HIDDEN_VALUES:
                return {HIDDEN if is_address(name) else name: HIDDEN for name in value}
            hidden = {"show": HIDDEN} if value.get("personal") is True and "show" in value else {}
            return {name: self._mask(each, role, name) for name, each in value.items() if name != "links"} | hidden
        if isinstance(value, list | tuple):
            return [self._mask(each, role, field) for each in value]
        if not isinstance(value, str):
            return value
        if field in _IDS or field in _LISTS_OF_IDS:
            return self.mask_id(value, role)
        return HIDDEN if field == "email" or is_address(value) else value
