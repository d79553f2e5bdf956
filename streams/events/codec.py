"""Events of ``lead-events``: record bytes -> what scoring takes in. Pure; what cannot be read is a Reject, no error.

Events are JSON in the shape of the Segment spec. This says what is right; ``plain_json`` reads the usual ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xxhash import xxh3_128_hexdigest

from streams.events.calls import RETRACTION, check, from_public_key, known_id, parse, traits_of
from streams.events.identities import names_user, owner_of
from streams.events.records import Record
from streams.events.rejects import Refused, Reject
from streams.events.times import FIRST_MS, LAST_MS, event_time
from streams.scoring.event import LeadEvent, Retract


class Codec:
    """Reads the records of ``lead-events`` for one set of scorecards."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        """``paths`` are what the scorecards read; an event's values come in their order."""
        self._keys = [tuple(path.split(".")) for path in paths]

    def event(self, record: Record, lead_id: str | None = None) -> LeadEvent | Retract | Reject:
        """Read one event. ``lead_id`` is given where intake has determined it already."""
        raw, arrival = record.value or b"", min(max(record.timestamp, FIRST_MS), LAST_MS)
        try:
            sent = parse(raw)
            name = check(sent)
            lead_id = lead_id or owner_of(sent).id
            if name == RETRACTION:
                return _retraction(sent, lead_id, arrival)
        except Refused as refused:
            return refused.reject
        message_id = known_id(sent.get("messageId")) or xxh3_128_hexdigest(raw)
        values = tuple(_lookup(sent, keys) for keys in self._keys)
        touch = _touch(*(_lookup(sent, keys) for keys in _CAMPAIGN))
        at = event_time(sent, arrival)
        traits = traits_of(sent)
        public = traits is not None and from_public_key(sent)
        known = names_user(sent, lead_id)
        return LeadEvent(lead_id, name, values, message_id, at, arrival, traits, touch, raw, public, known)


def _lookup(sent: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        if not isinstance(sent, dict):
            return None
        sent = sent.get(key)
    return sent


def _touch(source: Any, medium: Any, name: Any) -> tuple[str, str, str] | None:
    """A campaign, if its source is known."""
    if not isinstance(source, str) or not source:
        return None
    medium, name = (value[:200] if isinstance(value, str) else "" for value in (medium, name))
    return source[:200], medium, name


def _retraction(sent: Mapping[str, Any], lead_id: str, arrival: int) -> Retract:
    target = known_id(_lookup(sent, ("properties", "messageId")))
    if not target:
        raise Refused("no_target")
    return Retract(lead_id, target, arrival)


_CAMPAIGN = [("context", "campaign", key) for key in ("source", "medium", "name")]
