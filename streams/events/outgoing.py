"""A record to send to Kafka, and its form in an outbox."""

from __future__ import annotations

import msgspec


class Outgoing(msgspec.Struct, array_like=True):
    """One record to produce. ``timestamp_ms`` is kept by Kafka as the record's own."""

    topic: str
    key: bytes
    value: bytes | None
    timestamp_ms: int
    headers: list[tuple[str, bytes]]
    alert_id: str = ""
    """On handoff only."""
    arrived_ms: int | None = None
    """Arrival of the event that caused an alert."""


_decoder = msgspec.msgpack.Decoder(Outgoing)
_encoder = msgspec.msgpack.Encoder()


def encode_outgoing(outgoing: Outgoing) -> bytes:
    """The payload of an outbox entry."""
    return _encoder.encode(outgoing)


def decode_outgoing(payload: bytes) -> Outgoing:
    """Read the payload of an outbox entry."""
    return _decoder.decode(payload)
