"""Traces of single events. Every process computes the same ids from the event's own id, so no header is needed.

A trace has a span `receive` of the collector; `intake`, one `score` for each shard that scores the event, and one
`handoff` for each alert, of workers; and one `deliver` for each attempt to send an alert, of the notifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from streams.events.calls import message_id_of
from streams.events.outgoing import Outgoing
from streams.events.records import KIND_HEADER, SOURCE_HEADER

_RECEIVE: Final = "receive"
_INTAKE: Final = "intake"
_LOW_BITS: Final = (1 << 64) - 1


class Traced(NamedTuple):
    """An event that is traced."""

    trace_id: int
    event_id: str
    from_collector: bool = False

    @property
    def exemplar(self) -> dict[str, str]:
        """The labels of an exemplar of a metric."""
        return {"trace_id": f"{self.trace_id:032x}"}


@dataclass(frozen=True, slots=True)
class Span:
    """One step of an event; times in ns since the epoch."""

    event: Traced
    place: str
    """Its name, and what distinguishes it from others of that name in the trace."""
    parent: str
    """The place of the parent; empty without one."""
    begin_ns: int
    end_ns: int
    attributes: Mapping[str, str | int] = field(default_factory=dict)
    caller: str = ""
    """The `traceparent` of the request."""
    failed: bool = False

    @property
    def name(self) -> str:
        """The name of the step."""
        return self.place.partition(" ")[0]


class _Call(msgspec.Struct, gc=False):
    """The fields of an event that tracing needs."""

    messageId: Any = None  # noqa: N815 - the Segment spec's name
    leadglow: Any = None
    """Set by the collector."""


class Tracer:
    """Chooses the events that are traced, and exports their spans."""

    def __init__(self, ratio: float, export: Callable[[Span], None]) -> None:
        """``ratio`` is the share of events that are traced, from 0 to 1."""
        self._bound = round(ratio * (_LOW_BITS + 1))
        self._decode = msgspec.json.Decoder(_Call).decode
        self.export = export

    def find(self, event_id: str) -> Traced | None:
        """The event, if it is traced; an alert without an event has none."""
        trace_id = trace_id_of(event_id)
        return Traced(trace_id, event_id) if event_id and trace_id & _LOW_BITS < self._bound else None

    def read(self, value: bytes | None) -> Traced | None:
        """The event in the value of a record, if it is traced."""
        try:
            call = self._decode(value or b"")
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
            return None
        found = self.find(message_id_of({"messageId": call.messageId}, value or b""))
        return found and found._replace(from_collector=isinstance(call.leadglow, dict))

    def trace_received(self, records: Sequence[Outgoing], times_ns: tuple[int, int], route: str, caller: str) -> None:
        """Export the traced events of a request; ``times_ns`` are begin and end."""
        for event in filter(None, (self.read(record.value) for record in records)):
            self.export(Span(event, _RECEIVE, "", *times_ns, {"leadglow.route": route}, caller))

    def trace_intake(self, fetched: Mapping[Any, Sequence[Any]], begin_ns: int, end_ns: int) -> None:
        """Export the traced records of one fetch, by partition of a source topic."""
        for tp, records in fetched.items():
            for record in records:
                event = self.read(record.value)
                if event is not None:
                    place = f"{tp.topic}:{tp.partition}:{record.offset}"
                    waited_ms = max(begin_ns // 1_000_000 - record.timestamp, 0)
                    parent = _RECEIVE if event.from_collector else ""
                    attributes = {"leadglow.record": place, "leadglow.waited_ms": waited_ms}
                    self.export(Span(event, _INTAKE, parent, begin_ns, end_ns, attributes))

    def trace_scored(self, partition: int, records: Sequence[Any], begin_ns: int, end_ns: int) -> Traced | None:
        """Export the traced records of a step; returns the event of the last one."""
        last = None
        for record in records:
            headers = dict(record.headers)
            event = None if KIND_HEADER in headers else self.read(record.value)
            if event is not None:
                last = event
                attributes = {"leadglow.partition": partition, "leadglow.offset": record.offset}
                parent = _parent_of(headers.get(SOURCE_HEADER))
                self.export(Span(event, f"score {partition}", parent, begin_ns, end_ns, attributes))
        return last

    def trace_alert(self, alert: Outgoing, partition: int, begin_ns: int, end_ns: int) -> Traced | None:
        """Export that Kafka has an alert of a shard; returns the event that caused it, if that is traced."""
        event = self.find_cause(orjson.loads(alert.value or b"{}").get("data", {}))
        if event is not None:
            place, attributes = f"handoff {alert.alert_id}", {"leadglow.alert_id": alert.alert_id}
            self.export(Span(event, place, f"score {partition}", begin_ns, end_ns, attributes))
        return event

    def find_cause(self, data: Mapping[str, Any]) -> Traced | None:
        """The event that caused an alert, if it is traced; alerts by decay have none."""
        event = data.get("triggering_event")
        event_id = event.get("event_id") if isinstance(event, dict) else None
        return self.find(event_id) if isinstance(event_id, str) else None

    def trace_attempt(
        self, event: Traced, names: tuple[str, str, int], times_ns: tuple[int, int], result: str, failed: bool
    ) -> None:
        """Export an attempt to deliver an alert; ``names`` are its route, the id of the alert, and its number."""
        route, alert_id, number = names
        attributes: dict[str, str | int] = {
            "leadglow.route": route,
            "leadglow.attempt": number,
            "leadglow.result": result,
        }
        place = f"deliver {route} {alert_id} {number}"
        self.export(Span(event, place, f"handoff {alert_id}", *times_ns, attributes, failed=failed))


def trace_id_of(event_id: str) -> int:
    """The id of the trace of an event."""
    return int.from_bytes(blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=16).digest())


def span_id_of(event: Traced, place: str) -> int:
    """The id of a span; a step that is repeated has the same one."""
    key = event.trace_id.to_bytes(16)
    return int.from_bytes(blake2b(place.encode(), key=key, digest_size=8).digest())


def _parent_of(source: bytes | None) -> str:
    """What wrote a record to lead-events: intake, or a shard that forwarded the event."""
    if source is None:
        return ""
    is_shard = source.startswith(b"~")
    return f"score {source[1:].partition(b':')[0].partition(b'.')[0].decode()}" if is_shard else _INTAKE
