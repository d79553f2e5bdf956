"""Reads a call in the shape of the Segment spec: its name, its identities and its traits.

Intake and the collector read calls so, and the codec those of a rarer shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
from xxhash import xxh3_128_hexdigest

from streams.events.rejects import MOST_ID_CHARS, Refused
from streams.scoring.event import ANONYMOUS, EMAIL, USER, Identity
from streams.scoring.rules import event_name
from streams.scoring.scorecard import CALL_TYPES

TYPES: Final = frozenset({"track", *CALL_TYPES})
MOST_MESSAGE_ID_CHARS: Final = 200
"""Longer ones are known by their hash."""
MOST_TRAIT_NAME_CHARS: Final = 200
MOST_TRAIT_CHARS: Final = 1024
MOST_TRAIT_DEPTH: Final = 3
RETRACTION: Final = "Event Retracted"
"""The track call that takes back what the event with the id in ``properties.messageId`` gave."""
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_ID_CHARS)]
"""An id where a call is read into a structure; that it is printable remains to be seen."""


def parse(value: bytes | None) -> dict[str, Any]:
    """The JSON object of a record.

    Raises:
        Refused: it is none.
    """
    if not value:
        raise Refused("empty")
    try:
        sent = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError):
        raise Refused("not_json") from None
    if not isinstance(sent, dict):
        raise Refused("not_an_object")
    return sent


def check(sent: Mapping[str, Any]) -> str:
    """The name that signals know an event by.

    Raises:
        Refused: the type is unknown, or a track call has no name.
    """
    call = sent.get("type")
    if not isinstance(call, str) or call not in TYPES:
        raise Refused("unknown_type")
    track = sent.get("event")
    if call == "track" and (not isinstance(track, str) or not track):
        raise Refused("no_event")
    return event_name(call, track if isinstance(track, str) else None)


def known_id(message_id: Any) -> str:
    """A message id as it is remembered: a very long one by its hash, none as an empty text."""
    if not isinstance(message_id, str):
        return ""
    return message_id if len(message_id) <= MOST_MESSAGE_ID_CHARS else xxh3_128_hexdigest(message_id.encode())


# Identity -------------------------------------------------------------------------------------------------------


def email_id(address: str) -> str:
    """The lead id of an e-mail address: the SHA-256 of its lower-cased form."""
    return sha256(address.strip().lower().encode()).hexdigest()


def clean_id(value: Any) -> str | None:
    """An id as a string; None where there is none (null, missing, empty).

    Raises:
        Refused: it is no string or number, too long, or has control characters.
    """
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > MOST_ID_CHARS or not value.isprintable():
        raise Refused("bad_id")
    return value


def _email(sent: Mapping[str, Any]) -> str | None:
    context = sent.get("context")
    inner = context.get("traits") if isinstance(context, dict) else None
    for place in (sent.get("traits"), inner, sent.get("properties")):
        address = place.get("email") if isinstance(place, dict) else None
        if isinstance(address, str) and "@" in address and len(address) <= 320:
            return address
    return None


def owner_of(sent: Mapping[str, Any]) -> Identity:
    """The identity that an event belongs to.

    Raises:
        Refused: there is none, or it is not fit for an id.
    """
    known = identities(sent)
    if not known:
        raise Refused("no_lead")
    return known[0]


def identities(sent: Mapping[str, Any]) -> list[Identity]:
    """Everything that an event knows its lead by, the lead's own id first.

    Raises:
        Refused: the lead's own id is not fit for one; an unfit further one is no identity.
    """
    known: list[Identity] = []
    for kind, field in ((USER, "userId"), (ANONYMOUS, "anonymousId")):
        try:
            name = clean_id(sent.get(field))
        except Refused:
            if not known:
                raise
            continue
        if name is not None:
            known.append(Identity(kind, name))
    address = _email(sent)
    if address is not None:
        known.append(Identity(EMAIL, email_id(address)))
    return known


def from_public_key(sent: Mapping[str, Any]) -> bool:
    """Whether the collector took an event by a public write key, which anybody can use."""
    stamp = sent.get("leadglow")
    return isinstance(stamp, dict) and stamp.get("public") is True


# Traits ---------------------------------------------------------------------------------------------------------


def traits_of(sent: Mapping[str, Any]) -> dict[str, Any] | None:
    """The traits that an event carries: scalars by dotted name, those of a group under ``group.``."""
    found: dict[str, Any] = {}
    context = sent.get("context")
    if isinstance(context, dict):
        _flatten(context.get("traits"), "", found)
    _flatten(sent.get("traits"), "group." if sent.get("type") == "group" else "", found)
    return found or None


def _flatten(traits: Any, prefix: str, found: dict[str, Any], depth: int = 1) -> None:
    if not isinstance(traits, dict):
        return
    for name, value in traits.items():
        if len(prefix) + len(name) > MOST_TRAIT_NAME_CHARS:
            continue
        if isinstance(value, dict):
            if depth < MOST_TRAIT_DEPTH:
                _flatten(value, f"{prefix}{name}.", found, depth + 1)
        elif isinstance(value, str):
            found[prefix + name] = value[:MOST_TRAIT_CHARS]
        elif isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**53):
            found[prefix + name] = value
