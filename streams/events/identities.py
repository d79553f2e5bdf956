"""Determines the lead that an event belongs to.

An event identifies its lead by ``userId``, ``anonymousId`` or an e-mail address. The first of these is its owner.
``identify`` and ``alias`` join the other identities to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from streams.events.rejects import MOST_ID_CHARS, Refused
from streams.scoring.event import ANONYMOUS, EMAIL, USER, Identity

MOST_EMAIL_CHARS: Final = 320
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_ID_CHARS)]
"""An id in a call that is decoded into a structure. It may still contain unprintable characters."""


class LeadIds(NamedTuple):
    """The ids and the e-mail address in an event; an empty string for each one that is missing."""

    user_id: str = ""
    anonymous_id: str = ""
    email: str = ""
    """As written in the event; ``email_id`` converts it to lower case."""


def owner_of(sent: Mapping[str, Any]) -> Identity:
    """The identity that an event belongs to.

    Raises:
        Refused: the event has no identity, or the owner's id is not valid.
    """
    known = identities(sent)
    if not known:
        raise Refused("no_lead")
    return known[0]


def identities(sent: Mapping[str, Any]) -> list[Identity]:
    """All identities in an event, its owner first. An invalid id of another identity is ignored.

    Raises:
        Refused: the owner's id is not valid.
    """
    ids = lead_ids(sent)
    known = [Identity(kind, name) for kind, name in ((USER, ids.user_id), (ANONYMOUS, ids.anonymous_id)) if name]
    if ids.email:
        known.append(Identity(EMAIL, email_id(ids.email)))
    return known


def lead_ids(sent: Mapping[str, Any]) -> LeadIds:
    """The ids and the e-mail address in an event. An invalid ``anonymousId`` beside a ``userId`` is ignored.

    Raises:
        Refused: the owner's id is not valid.
    """
    user_id = clean_id(sent.get("userId"))
    try:
        anonymous_id = clean_id(sent.get("anonymousId"))
    except Refused:
        if user_id is None:
            raise
        anonymous_id = None
    return LeadIds(user_id or "", anonymous_id or "", _email_of(sent))


def plain_owner(user_id: Any, anonymous_id: Any) -> str:
    """Return the owner's id in the usual case of a printable string; an empty string if ``owner_of`` must decide."""
    owner = anonymous_id if user_id is None or user_id == "" else user_id
    return owner if type(owner) is str and len(owner) <= MOST_ID_CHARS and owner.isprintable() else ""


def previous_identity(sent: Mapping[str, Any]) -> Identity | None:
    """The identity that an ``alias`` call joins to its owner.

    Raises:
        Refused: the previous id is not valid.
    """
    previous = clean_id(sent.get("previousId"))
    if previous is None:
        return None
    return Identity(ANONYMOUS if previous == sent.get("anonymousId") else USER, previous)


def names_user(sent: Mapping[str, Any], lead_id: str) -> bool:
    """Whether the ``userId`` of an event is this lead id."""
    return sent.get("userId") not in (None, "") and str(sent["userId"]) == lead_id


def record_key(call: Mapping[str, Any]) -> bytes:
    """The key of an event's record in a source topic: the owner's id, or its e-mail address in lower case.

    The key is empty if the event has no owner.
    """
    owner = plain_owner(call.get("userId"), call.get("anonymousId"))
    if not owner:
        try:
            ids = lead_ids(call)
        except Refused:
            return b""
        owner = ids.user_id or ids.anonymous_id or _folded(ids.email)
    return owner.encode(errors="replace")


def name_lead(call: dict[str, Any], user_id: Any = "", anonymous_id: Any = "", email: str = "") -> None:
    """Add the ids and the e-mail address of a lead to a call. An e-mail address in the call is kept."""
    if user_id:
        call["userId"] = user_id
    if anonymous_id:
        call["anonymousId"] = anonymous_id
    if email:
        call.setdefault("context", {}).setdefault("traits", {}).setdefault("email", email)


def clean_id(value: Any) -> str | None:
    """Return an id as a string, or None if it is missing, null or empty.

    Raises:
        Refused: the id is neither a string nor a whole number, is too long, or contains control characters.
    """
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > MOST_ID_CHARS or not value.isprintable():
        raise Refused("bad_id")
    return value


def email_id(address: str) -> str:
    """The lead id of an e-mail address: the SHA-256 of its lower-cased form."""
    return sha256(_folded(address).encode()).hexdigest()


def _folded(address: str) -> str:
    return address.strip().lower()


def _email_of(sent: Mapping[str, Any]) -> str:
    context = sent.get("context")
    inner = context.get("traits") if isinstance(context, dict) else None
    for place in (sent.get("traits"), inner, sent.get("properties")):
        address = place.get("email") if isinstance(place, dict) else None
        if isinstance(address, str) and "@" in address and len(address) <= MOST_EMAIL_CHARS:
            return address
    return ""
