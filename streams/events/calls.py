"""Reads an event in the format of the Segment spec: its name, its message id and the traits of its lead.

Intake, the collector and the codec use it. The accelerator has its own reader for the usual formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from xxhash import xxh3_128_hexdigest

from streams.events.rejects import Refused
from streams.scoring.rules import event_name
from streams.scoring.scorecard import CALL_TYPES

TYPES: Final = frozenset({"track", *CALL_TYPES})
MAX_MESSAGE_ID_CHARS: Final = 200
"""A longer message id is replaced by its hash."""
MAX_TRAIT_NAME_CHARS: Final = 200
MAX_TRAIT_CHARS: Final = 1024
MAX_TRAIT_DEPTH: Final = 3
MAX_ELEMENTS: Final = 64
MAX_ELEMENT_BYTES: Final = 1024
_ELEMENTS: Final = (str, bool, float)
RETRACTION: Final = "Event Retracted"
"""The track call that retracts the event with the id in ``properties.messageId``."""


def parse_call(value: bytes | None) -> dict[str, Any]:
    """Parse the JSON object in the value of a record.

    Raises:
        Refused: the value is not a JSON object.
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


def check_call(sent: Mapping[str, Any]) -> str:
    """Return the event name that signals refer to.

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
    """Return the message id as it is stored: the hash of a very long id, an empty string if there is no id."""
    if not isinstance(message_id, str):
        return ""
    return message_id if len(message_id) <= MAX_MESSAGE_ID_CHARS else xxh3_128_hexdigest(message_id.encode())


def message_id_of(sent: Mapping[str, Any], raw: bytes) -> str:
    """The message id of an event; without one, the hash of its bytes."""
    return known_id(sent.get("messageId")) or xxh3_128_hexdigest(raw)


def from_public_key(sent: Mapping[str, Any]) -> bool:
    """Whether the collector received the event with a public write key, which anybody can use."""
    stamp = sent.get("leadglow")
    return isinstance(stamp, dict) and stamp.get("public") is True


# Traits ---------------------------------------------------------------------------------------------------------


def traits_of(sent: Mapping[str, Any]) -> dict[str, Any] | None:
    """The traits in an event by dotted name; those in ``traits`` come before those in ``context.traits``.

    Those of a group have the prefix ``group.``; ``groupId`` is ``group.id``. null takes a trait back.
    """
    context = sent.get("context")
    inner = context.get("traits") if isinstance(context, dict) else None
    found: dict[str, Any] = {}
    _flatten(inner, "", found)
    is_group = sent.get("type") == "group"
    _flatten(sent.get("traits"), "group." if is_group else "", found)
    if is_group and isinstance(group_id := sent.get("groupId"), str | int) and not isinstance(group_id, bool):
        _flatten({"id": group_id}, "group.", found)
    return found or None


def _flatten(traits: Any, prefix: str, found: dict[str, Any], depth: int = 1) -> None:
    if not isinstance(traits, dict):
        return
    for name, value in traits.items():
        if len(prefix) + len(name) > MAX_TRAIT_NAME_CHARS:
            continue
        if isinstance(value, str):
            found[prefix + name] = value[:MAX_TRAIT_CHARS]
        elif isinstance(value, dict):
            if depth < MAX_TRAIT_DEPTH:
                _flatten(value, f"{prefix}{name}.", found, depth + 1)
        elif _is_trait(value):
            found[prefix + name] = _elements(value) if isinstance(value, list) else value


def _is_trait(value: Any) -> bool:
    if isinstance(value, list):
        return not value or any(map(_is_element, value))
    return value is None or _is_element(value)


def _elements(values: list[Any]) -> list[Any]:
    """The first texts, numbers and booleans of a list."""
    found = [_cut(value) if isinstance(value, str) else value for value in values if _is_element(value)]
    return found[:MAX_ELEMENTS]


def _is_element(value: Any) -> bool:
    """Whether it is a text, a boolean, or a number that floats tell from its neighbours."""
    return isinstance(value, _ELEMENTS) or (isinstance(value, int) and abs(value) < 2**53)


def _cut(text: str) -> str:
    """As much of a text as MAX_ELEMENT_BYTES hold."""
    if len(text) <= MAX_ELEMENT_BYTES // 4:
        return text
    return text.encode("utf-8", "ignore")[:MAX_ELEMENT_BYTES].decode("utf-8", "ignore")
