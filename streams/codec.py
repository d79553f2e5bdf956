"""Events of ``lead-events``: record bytes -> what scoring takes in. Pure; what cannot be read is a Reject, no error.

Events are JSON in the shape of the Segment spec. The usual ones are decoded into a structure that has only the
fields that the scorecards read; whatever does not fit it goes a slower way through plain dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from xxhash import xxh3_128_hexdigest

from streams.calls import (
    MOST_MESSAGE_ID_CHARS,
    RETRACTION,
    Id,
    check,
    from_public_key,
    known_id,
    owner_of,
    parse,
    traits_of,
)
from streams.records import Record
from streams.rejects import Refused, Reject
from streams.scoring.event import LeadEvent, Retract
from streams.scoring.scorecard import CALL_TYPES
from streams.times import FIRST_MS, LAST_MS, event_time, millis, minutes, seconds

Other = TypeVar("Other")
Kind = Callable[[tuple[str, ...]], Any]
"""The type of a path's value."""


class Codec:
    """Reads the records of ``lead-events`` for one set of scorecards."""

    def __init__(self, paths: tuple[str, ...], numeric: Collection[str] | None = None) -> None:
        """``paths`` are what the scorecards read; an event's values come in their order.

        Where ``numeric`` says which of them are compared with numbers, an event with a value that is neither text nor
        truth, nor such a number, is read the longer way.
        """
        self._keys = [tuple(path.split(".")) for path in paths]
        self._numeric = None if numeric is None else {tuple(path.split(".")) for path in numeric}
        self._keys += [("type",)] * (2 - len(self._keys))  # a getter of fewer than two gives no tuple
        self._fast, where = _structure(self._keys, self._kind, nullable=numeric is None)
        self._values = attrgetter(*(where[path] for path in self._keys))
        self._campaigns = attrgetter(*(where[path] for path in _CAMPAIGN))
        self._campaign = attrgetter(where[_CAMPAIGN[0]])
        self.has_structure = self._fast is not _unreadable
        """Whether no path leads into the value of another: else each event goes the longer way."""

    def _kind(self, path: tuple[str, ...]) -> Any:
        """What the value of a path may be in a plain event."""
        if path == _CONTEXT_TRAITS:
            return None  # an event that has any is read the longer way
        if self._numeric is None or path in _CAMPAIGN:
            return Any
        return str | int | float | None if path in self._numeric else str | bool | None

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
        minute, second, milli = minutes, seconds, millis
        for record, lead_id in zip(records, owners, strict=True):
            if type(lead_id) is not str:
                yield lead_id  # type: ignore[misc]
                continue
            arrival = record.timestamp
            if not FIRST_MS <= arrival <= LAST_MS:
                arrival = min(max(arrival, FIRST_MS), LAST_MS)
            raw = record.value
            try:
                sent = fast(raw)  # type: ignore[arg-type]
                name = sent.type
                if name == "track" and (name := sent.event) in NOT_PLAIN:
                    raise LookupError
                owner = lead_id or sent.userId or sent.anonymousId
                if not lead_id and not owner.isprintable():
                    raise LookupError
                stamp = sent.timestamp
                if sent.sentAt is not None and stamp:
                    at = event_time({"timestamp": stamp, "sentAt": sent.sentAt}, arrival)
                else:
                    at = minute[stamp[:16]] + second[stamp[16:20]] + milli[stamp[20:]]
                touch = None if campaign(sent) is None else self._touch(sent)
                at = arrival if at > arrival else at if at > 0 else 0
                known = sent.userId == owner
                yield LeadEvent(owner, name, values(sent), sent.messageId, at, arrival, None, touch, raw, False, known)  # type: ignore[arg-type]
            except RARER:
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
        known = sent.get("userId") not in (None, "") and str(sent["userId"]) == lead_id
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


RARER = (
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
    *((name, Id | None, None) for name in ("userId", "anonymousId")),
    *((name, str | None, None) for name in ("event", "timestamp", "sentAt")),
    ("traits", None, None),
]


def _structure(
    keys: list[tuple[str, ...]], kind_of: Kind, nullable: bool
) -> tuple[Callable[[bytes], Any], Mapping[tuple[str, ...], str]]:
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
        kind, attributes = _struct((), tree, _ENVELOPE, kind_of, nullable)
    except ValueError:  # a key with a quote or a backslash
        return _unreadable, dict.fromkeys(wanted, "type")
    return msgspec.json.Decoder(kind).decode, attributes


def _unreadable(raw: bytes) -> Any:
    raise LookupError  # these scorecards read paths that no structure can hold


def _struct(
    place: tuple[str, ...], tree: Mapping[str, Any], fixed: list[tuple[str, Any, Any]], kind_of: Kind, nullable: bool
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
            inner, inside = _struct((*place, key), below, [], kind_of, nullable)
            fields.append((attribute, inner | None if nullable else inner, inner()))
            attributes |= {(key, *path): f"{attribute}.{where}" for path, where in inside.items()}
        else:
            fields.append((attribute, kind_of((*place, key)), None))
            attributes[(key,)] = attribute
    name = "_".join(("Sent", *map(str.title, filter(str.isidentifier, place))))
    return msgspec.defstruct(name, fields, rename=rename, frozen=True, gc=False), attributes


_CONTEXT_TRAITS = ("context", "traits")
