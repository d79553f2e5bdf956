"""Identifies who sent a request, and with which role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from typing import Final

from app.board.access_file import EVERYBODY, AccessFile, Proxy
from app.board.masking import EDITOR, ROLES, SALES, sees_everything

COOKIE: Final = "leadglow_board"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who may see the board."""

    name: str
    role: str
    can_sign_out: bool = False
    """Whether the viewer signed in with a cookie."""

    @property
    def sees_everything(self) -> bool:
        """Whether the viewer may see traits and addresses."""
        return sees_everything(self.role)

    @property
    def is_editor(self) -> bool:
        """Whether the viewer may publish scorecards."""
        return self.role == EDITOR

    @property
    def may_sell(self) -> bool:
        """Whether the viewer may give verdicts about leads."""
        return self.role in {SALES, EDITOR}


LOCAL_VIEWER: Final = Viewer("", EDITOR)
"""Everybody, for a board on a loopback address without an access file."""


def identify_viewer(
    file: AccessFile | None, headers: Mapping[str, str], cookie: str | None, remote: str | None
) -> Viewer | None:
    """The viewer who sent a request; None for an unknown one.

    ``headers`` must be case-insensitive.
    """
    if file is None:
        return LOCAL_VIEWER
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return find_by_token(file, token.strip())
    if file.proxy is not None and (viewer := _find_by_proxy(file.proxy, headers, remote)) is not None:
        return viewer
    found = find_by_token(file, cookie) if cookie else None
    return None if found is None else Viewer(found.name, found.role, can_sign_out=True)


def find_by_token(file: AccessFile, given: str) -> Viewer | None:
    """The viewer with a token."""
    digest = sha256(given.encode("utf-8", "surrogatepass")).hexdigest()
    found = [token for token in file.tokens if compare_digest(token.digest, digest)]
    return Viewer(found[0].name, found[0].role) if found else None


def _find_by_proxy(proxy: Proxy, headers: Mapping[str, str], remote: str | None) -> Viewer | None:
    """The viewer whom a trusted proxy names, if one of their groups has a role."""
    user = headers.get(proxy.user_header, "").strip()
    if not user or not _is_trusted(proxy, remote):
        return None
    names = headers.get(proxy.groups_header, "") if proxy.groups_header else ""
    groups = [EVERYBODY, *(group.strip() for group in names.split(","))]
    roles = [proxy.roles[group] for group in groups if group in proxy.roles]
    return Viewer(user[:200], max(roles, key=ROLES.index)) if roles else None


def _is_trusted(proxy: Proxy, remote: str | None) -> bool:
    try:
        address = ip_address((remote or "").partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address.version == network.version and address in network for network in proxy.trusted)
