"""A record to be sent to Kafka, and its encoding in an outbox."""

from __future__ import annotations

import msgspec


class Outgoing(msgspec.Struct, array_like=True):
    """One record to be sent. Kafka stores ``timestamp_ms`` as the timestamp of the record."""

    topic: str
    key: bytes
    value: bytes | None
    timestamp_ms: int
    headers: list[tuple[str, bytes]]
    alert_id: str = ""
    """Set only for records of handoff."""
    arrived_ms: int | None = None
    """Arrival time of the event that caused an alert, in ms since the epoch."""


_decoder = msgspec.msgpack.Decoder(Outgoing)
_encoder = msgspec.msgpack.Encoder()


def encode_outgoing(outgoing: Outgoing) -> bytes:
    """Encode the payload of an outbox entry."""
    return _encoder.encode(outgoing)


def decode_outgoing(payload: bytes) -> Outgoing:
    """Decode the payload of an outbox entry."""
    return _decoder.decode(payload)
