"""Record bytes <-> what scoring takes in. Pure: a record is an event, a control record or a Reject, never an error.

Events are JSON in the shape of the Segment spec. The usual ones are decoded into a structure that has only the
fields that the scorecards read; whatever does not fit it goes a slower way through plain dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, Protocol, TypeVar

import msgspec
from xxhash import xxh3_128_hexdigest

from streams.scoring.event import ANONYMOUS, EMAIL, USER, Arrived, Control, Erase, Identity, Join, LeadEvent, Retract
from streams.scoring.lead import decode as decode_lead
from streams.scoring.rules import event_name
from streams.scoring.scorecard import CALL_TYPES

TYPES: Final = frozenset({"track", "page", "screen", "identify", "group", "alias"})
MOST_ID_CHARS: Final = 512
MOST_MESSAGE_ID_CHARS: Final = 200
"""Longer ones are known by their hash."""
MOST_EVENT_BYTES: Final = 900_000
"""What fits into a record of Kafka's usual 1 MB with all that is added to it."""
MOST_TRAIT_CHARS: Final = 1024
MOST_TRAIT_DEPTH: Final = 3
SOURCE_HEADER: Final = "leadglow-source"
"""Where a record came from: ``topic:partition:offset`` of a source, or ``~partition:number`` of another shard."""
KIND_HEADER: Final = "leadglow-kind"
"""``join``, ``arrived``, ``erase`` or ``retract`` on control records; absent on events."""
RETRACTION: Final = "Event Retracted"
"""The track call that takes back what the event with the id in ``properties.messageId`` gave."""


Other = TypeVar("Other")


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
    "no_target": "a retraction needs the id of the event that it takes back, in `properties.messageId`",
    "no_lead": "there is no `userId`, `anonymousId` or e-mail address to know the lead by",
    "bad_id": f"an id must be a string of 1 to {MOST_ID_CHARS} characters without control characters",
    "too_large": f"the value has more than {MOST_EVENT_BYTES} bytes",
    "bad_control": "the record claims to be one of Leadglow's own, but cannot be read",
    "not_allowed": "a public write key may not say this: send it with a server key",
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
_MOST_MINUTES = 100_000


class _Minutes(dict[str, int]):
    """``2026-11-22T01:02`` -> ms since the epoch, for the times that browsers send: parsed once a minute."""

    def __missing__(self, text: str) -> int:
        at_ms = _parse(text + ":00Z")
        if len(self) >= _MOST_MINUTES:
            self.clear()
        self[text] = at_ms
        return at_ms


_minutes = _Minutes()
_seconds = {f":{s:02d}.": 1000 * s for s in range(60)}
_millis = {f"{ms:03d}Z": ms for ms in range(1000)}


def _parse(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MILLISECOND


def parse_ms(text: Any) -> int | None:
    """RFC 3339 to ms since the epoch; None if it cannot be read. A time without a zone is UTC."""
    try:
        return _parse(text)
    except (TypeError, ValueError, OverflowError):
        return None


def event_time(sent: Mapping[str, Any], arrival: int) -> int:
    """When it happened: ``timestamp`` corrected for the sender's clock by ``sentAt``, never after arrival."""
    said = parse_ms(sent.get("timestamp") or sent.get("originalTimestamp"))
    if said is None:
        return arrival
    sent_at = parse_ms(sent.get("sentAt"))
    at = said if sent_at is None else arrival - (sent_at - said)
    return max(min(at, arrival), 0)


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
        self._keys += [("type",)] * (2 - len(self._keys))  # a getter of fewer than two gives no tuple
        self._fast, where = _structure(self._keys)
        self._values = attrgetter(*(where[path] for path in self._keys))
        self._campaigns = attrgetter(*(where[path] for path in _CAMPAIGN))
        self._campaign = attrgetter(where[_CAMPAIGN[0]])

    def event(self, record: Record, lead_id: str | None = None) -> LeadEvent | Retract | Reject:
        """Read one event. ``lead_id`` is given where intake has determined it already."""
        return next(self.events([record], [lead_id or ""]))

    def events(
        self, records: Iterable[Record], owners: Iterable[str | Other]
    ) -> Iterator[LeadEvent | Retract | Reject | Other]:
        """Read events in order; ``owners`` are their leads where intake has determined them, else empty.

        What stands among the owners and is no string is passed on in place of an event. One loop for all of them,
        because a call each would cost as much again.
        """
        fast, campaign, values = self._fast, self._campaign, self._values
        minutes, seconds, millis = _minutes, _seconds, _millis
        for record, lead_id in zip(records, owners, strict=True):
            if type(lead_id) is not str:
                yield lead_id  # type: ignore[misc]
                continue
            arrival = record.timestamp
            raw = record.value
            try:
                sent = fast(raw)  # type: ignore[arg-type]
                name = sent.type
                if name == "track" and (name := sent.event) in NOT_PLAIN:
                    raise LookupError
                owner = lead_id or sent.userId or sent.anonymousId
                if not lead_id and (len(owner) > MOST_ID_CHARS or not owner.isprintable()):
                    raise LookupError
                stamp = sent.timestamp
                if sent.sentAt is not None and stamp:
                    at = event_time({"timestamp": stamp, "sentAt": sent.sentAt}, arrival)
                else:
                    at = minutes[stamp[:16]] + seconds[stamp[16:20]] + millis[stamp[20:]]
                touch = None if campaign(sent) is None else self._touch(sent)
                at = at if at < arrival else arrival
                known = sent.userId == owner
                yield LeadEvent(owner, name, values(sent), sent.messageId, at, arrival, None, touch, raw, False, known)  # type: ignore[arg-type]
            except _RARER:
                yield self._rare(raw or b"", arrival, lead_id or None)

    def _touch(self, sent: Any) -> tuple[str, str, str] | None:
        return _touch(*self._campaigns(sent))

    def _rare(self, raw: bytes, arrival: int, lead_id: str | None) -> LeadEvent | Retract | Reject:
        """Read any event, by way of dictionaries."""
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
        known = str(sent.get("userId")) == lead_id
        return LeadEvent(lead_id, name, values, message_id, at, arrival, traits, touch, raw, public, known)


def known_id(message_id: Any) -> str:
    """A message id as it is remembered: a very long one by its hash, none as an empty text."""
    if not isinstance(message_id, str):
        return ""
    return message_id if len(message_id) <= MOST_MESSAGE_ID_CHARS else xxh3_128_hexdigest(message_id.encode())


def _retraction(sent: Mapping[str, Any], lead_id: str, arrival: int) -> Retract:
    target = known_id(_lookup(sent, ("properties", "messageId")))
    if not target:
        raise Refused("no_target")
    return Retract(lead_id, target, arrival)


_RARER = (
    msgspec.MsgspecError, AttributeError, UnicodeError, RecursionError, LookupError, TypeError, ValueError,
)  # fmt: skip
"""What reading an event of a rarer shape as a plain one may raise."""
NOT_PLAIN: Final = frozenset(CALL_TYPES) | {None, "", RETRACTION}
"""Names of a track call that are read the longer way: none, that of a call type, a retraction."""
_CAMPAIGN = [("context", "campaign", key) for key in ("source", "medium", "name")]


_MESSAGE_ID: Final = Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_MESSAGE_ID_CHARS)]
_ENVELOPE: Final[list[tuple[str, Any, Any]]] = [
    ("type", Literal["track", "page", "screen"], msgspec.NODEFAULT),
    ("messageId", _MESSAGE_ID, msgspec.NODEFAULT),
    *((name, str | None, None) for name in ("event", "userId", "anonymousId", "timestamp", "sentAt")),
    ("traits", None, None),
]


def _structure(keys: list[tuple[str, ...]]) -> tuple[Callable[[bytes], Any], Mapping[tuple[str, ...], str]]:
    """A decoder of the fields that matter, and where in its result the value of each path stands."""
    tree: dict[str, Any] = {"context": {"traits": None}}
    wanted = [*keys, *_CAMPAIGN]
    scalars = {name for name, _, _ in _ENVELOPE}
    for path in wanted:
        node = tree
        if len(path) > 1 and path[0] in scalars:
            return _unreadable, dict.fromkeys(wanted, "type")
        for key in path[:-1]:
            node = node.setdefault(key, {})
            if node is None:  # a path into a value that is read whole, too: dictionaries will do
                return _unreadable, dict.fromkeys(wanted, "type")
        if node.setdefault(path[-1], None) is not None:
            return _unreadable, dict.fromkeys(wanted, "type")
    try:
        kind, attributes = _struct("Sent", tree, _ENVELOPE)
    except ValueError:  # a key with a quote or a backslash
        return _unreadable, dict.fromkeys(wanted, "type")
    return msgspec.json.Decoder(kind).decode, attributes


def _unreadable(raw: bytes) -> Any:
    raise LookupError  # these scorecards read paths that no structure can hold


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

_KINDS: Final[dict[str, Any]] = {"join": Join, "arrived": Arrived, "erase": Erase, "retract": Retract}


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
            if kind or not key:
                return Reject("empty", REASONS["empty"])
            return Erase(key.decode(), arrival)
        control: Control = msgspec.msgpack.decode(value, type=_KINDS[kind])
        sound = not isinstance(control, Join) or control.greater < control.lesser
        if isinstance(control, Arrived) and control.blob:
            decode_lead(control.blob)
        return control if sound else Reject("bad_control", REASONS["bad_control"])
    except (LookupError, TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return Reject("bad_control", REASONS["bad_control"])
