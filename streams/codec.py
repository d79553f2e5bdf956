"""Record bytes <-> what scoring takes in. Pure: a record is an event, a control record or a Reject, never an error.

Events are JSON in the shape of the Segment spec. The usual ones are decoded into a structure that has only the
fields that the scorecards read; whatever does not fit it goes a slower way through plain dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from operator import attrgetter
from typing import Any, Final, Literal, Protocol

import msgspec
from xxhash import xxh3_128_hexdigest

from streams.scoring.event import ANONYMOUS, EMAIL, USER, Arrived, Control, Erase, Identity, Join, LeadEvent
from streams.scoring.rules import event_name

TYPES: Final = frozenset({"track", "page", "screen", "identify", "group", "alias"})
MOST_ID_CHARS: Final = 512
MOST_TRAIT_CHARS: Final = 1024
MOST_TRAIT_DEPTH: Final = 3
SOURCE_HEADER: Final = "leadglow-source"
"""Where a record came from: ``topic:partition:offset`` of a source, or ``~partition:number`` of another shard."""
KIND_HEADER: Final = "leadglow-kind"
"""``join``, ``arrived`` or ``erase`` on control records; absent on events."""


class Record(Protocol):
    """What the codec reads of a Kafka record."""

    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Iterable[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that cannot be scored: a code for machines and a sentence for people."""

    reason: str
    sentence: str


REASONS: Final = {
    "empty": "the record has no value",
    "not_json": "the value is not valid JSON in UTF-8",
    "not_an_object": "the value is JSON, but not an object",
    "unknown_type": "`type` must be track, page, screen, identify, group or alias",
    "no_event": "a track call needs `event`, its name as a string",
    "no_lead": "there is no `userId`, `anonymousId` or e-mail address to know the lead by",
    "bad_id": f"an id must be a string of 1 to {MOST_ID_CHARS} characters without control characters",
    "bad_control": "the record claims to be one of Leadglow's own, but cannot be read",
}
"""Every reason code, with the sentence that goes with it."""


class Refused(Exception):
    """The record cannot be scored."""

    def __init__(self, reason: str) -> None:
        """``reason`` is one of REASONS."""
        super().__init__(reason)
        self.reject = Reject(reason, REASONS[reason])


# Time -----------------------------------------------------------------------------------------------------------

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_minutes: dict[str, int] = {}


def parse_ms(text: Any) -> int | None:
    """RFC 3339 to ms since the epoch; None if it cannot be read. A time without a zone is UTC."""
    try:
        if len(text) == 24 and text[23] == "Z":  # 2026-11-22T01:02:03.456Z, what browsers send
            minute = _minutes.get(text[:16])
            if minute is not None and text[16] == ":" and text[19] == ".":
                return minute + int(text[17:19]) * 1000 + int(text[20:23])
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        at_ms = (moment - _EPOCH) // _MILLISECOND
    except (TypeError, ValueError, OverflowError):
        return None
    if len(text) == 24 and text[23] == "Z":
        if len(_minutes) > 100_000:
            _minutes.clear()
        _minutes[text[:16]] = at_ms - at_ms % 60_000
    return at_ms


def event_time(sent: Mapping[str, Any], arrival: int) -> int:
    """When it happened: ``timestamp`` corrected for the sender's clock by ``sentAt``, never after arrival."""
    said = parse_ms(sent.get("timestamp") or sent.get("originalTimestamp"))
    if said is None:
        return arrival
    sent_at = parse_ms(sent.get("sentAt"))
    at = said if sent_at is None else arrival - (sent_at - said)
    return min(at, arrival)


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
    """Everything that an event knows its lead by, the lead's own id first."""
    known = [
        Identity(kind, name)
        for kind, name in ((USER, clean_id(sent.get("userId"))), (ANONYMOUS, clean_id(sent.get("anonymousId"))))
        if name is not None
    ]
    address = _email(sent)
    if address is not None:
        known.append(Identity(EMAIL, email_id(address)))
    return known


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
        if isinstance(value, dict):
            if depth < MOST_TRAIT_DEPTH:
                _flatten(value, f"{prefix}{name}.", found, depth + 1)
        elif isinstance(value, str):
            found[prefix + name] = value[:MOST_TRAIT_CHARS]
        elif isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**53):
            found[prefix + name] = value


# Events ---------------------------------------------------------------------------------------------------------


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


class Codec:
    """Reads the records of ``lead-events`` for one set of scorecards."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        """``paths`` are what the scorecards read; an event's values come in their order."""
        self._keys = [tuple(path.split(".")) for path in paths]
        self._fast, self._getter = _structure(self._keys)

    def event(self, record: Record, lead_id: str | None = None) -> LeadEvent | Reject:
        """Read an event. ``lead_id`` is given where intake has determined it already."""
        raw = record.value or b""
        arrival = record.timestamp
        try:
            sent = self._fast(raw)
            name = sent.event if sent.type == "track" else sent.type
            owner = lead_id or sent.userId or sent.anonymousId
            at = parse_ms(sent.timestamp) if sent.sentAt is None else event_time(_times(sent), arrival)
            if at is None or at > arrival:
                at = arrival
            if name and name not in CALLS and owner and sent.messageId and _plain(owner):
                *values, source, medium, campaign = self._getter(sent)
                touch = _touch(source, medium, campaign) if source is not None else None
                return LeadEvent(owner, name, tuple(values), sent.messageId, at, arrival, None, touch, raw)
        except (msgspec.MsgspecError, AttributeError, UnicodeError, RecursionError, ValueError):
            pass  # it is of a rarer shape
        return self._rare(raw, arrival, lead_id)

    def _rare(self, raw: bytes, arrival: int, lead_id: str | None) -> LeadEvent | Reject:
        """Read any event, by way of dictionaries."""
        try:
            sent = parse(raw)
            name = check(sent)
            lead_id = lead_id or owner_of(sent).id
        except Refused as refused:
            return refused.reject
        message_id = sent.get("messageId")
        if not isinstance(message_id, str) or not message_id:
            message_id = xxh3_128_hexdigest(raw)
        values = tuple(_lookup(sent, keys) for keys in self._keys)
        touch = _touch(*(_lookup(sent, keys) for keys in _CAMPAIGN))
        at = event_time(sent, arrival)
        return LeadEvent(lead_id, name, values, message_id, at, arrival, traits_of(sent), touch, raw)


CALLS: Final = TYPES - {"track", "page", "screen"}
"""Calls that carry traits or identities, and names that a track call shares with a call: read the longer way."""
_CAMPAIGN = [("context", "campaign", key) for key in ("source", "medium", "name")]


def _plain(owner: str) -> bool:
    return len(owner) <= MOST_ID_CHARS and owner.isprintable()


def _times(sent: Any) -> dict[str, Any]:
    return {"timestamp": sent.timestamp, "sentAt": sent.sentAt}


_ENVELOPE: Final[list[tuple[str, Any, Any]]] = [
    ("type", Literal["track", "page", "screen"], msgspec.NODEFAULT),
    *((name, str | None, None) for name in ("event", "messageId", "userId", "anonymousId", "timestamp", "sentAt")),
    ("traits", None, None),
]


def _structure(keys: list[tuple[str, ...]]) -> tuple[Callable[[bytes], Any], Callable[[Any], tuple[Any, ...]]]:
    """A decoder of the fields that matter, and a getter of the values of ``keys`` and the campaign from it."""
    tree: dict[str, Any] = {"context": {"traits": None}}
    wanted = [*keys, *_CAMPAIGN]
    for path in wanted:
        node = tree
        for key in path[:-1]:
            node = node.setdefault(key, {})
            if node is None:  # a path into a value that is read whole, too: dictionaries will do
                return _unreadable, attrgetter("type", "event")
        if node.setdefault(path[-1], None) is not None:
            return _unreadable, attrgetter("type", "event")
    kind, attributes = _struct("Sent", tree, _ENVELOPE)
    return msgspec.json.Decoder(kind).decode, attrgetter(*(attributes[path] for path in wanted))


def _unreadable(raw: bytes) -> Any:
    raise ValueError("these scorecards read paths that no structure can hold")


def _struct(
    name: str, tree: Mapping[str, Any], fixed: list[tuple[str, Any, Any]]
) -> tuple[type[msgspec.Struct], dict[tuple[str, ...], str]]:
    """A structure for the keys of ``tree``, with the attribute path of every leaf."""
    fields = list(fixed)
    known = {field[0] for field in fixed}
    attributes: dict[tuple[str, ...], str] = {(key,): key for key in known}
    rename: dict[str, str] = {}
    for i, (key, below) in enumerate(tree.items()):
        if key in known:
            continue
        attribute = f"field_{i}"
        rename[attribute] = key
        if isinstance(below, dict):
            inner, inside = _struct(f"{name}_{i}", below, [])
            fields.append((attribute, inner | None, inner()))
            attributes |= {(key, *path): f"{attribute}.{where}" for path, where in inside.items()}
        else:
            kind = None if (name, key) == _CONTEXT_TRAITS else Any
            fields.append((attribute, kind, None))
            attributes[(key,)] = attribute
    return msgspec.defstruct(name, fields, rename=rename, frozen=True, gc=False), attributes


_CONTEXT_TRAITS = ("Sent_0", "traits")
"""Typed as null: an event that has any is read the longer way."""


# Control records ------------------------------------------------------------------------------------------------

_KINDS: Final[dict[str, Any]] = {"join": Join, "arrived": Arrived, "erase": Erase}


def kind_of(control: Control) -> str:
    """What the kind header says of a control record."""
    return next(kind for kind, cls in _KINDS.items() if isinstance(control, cls))


def encode_control(control: Control) -> bytes:
    """The value of a control record."""
    return msgspec.msgpack.encode(control)


def decode_control(kind: str, value: bytes | None, key: bytes | None, arrival: int) -> Control | Reject:
    """Read a control record; a record without a value asks to erase the lead of its key."""
    try:
        if value is None:
            return Erase(key.decode(), arrival) if key else Reject("empty", REASONS["empty"])
        control: Control = msgspec.msgpack.decode(value, type=_KINDS[kind])
        return control
    except (KeyError, UnicodeError, msgspec.MsgspecError):
        return Reject("bad_control", REASONS["bad_control"])
