"""Requests for tests of the payload adapters, including arbitrary ones, and checks of the resulting calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import strategies as st

from app.collector.inbound import Call, Delivery, Inbound, Refusal
from streams.events.codec import Codec
from streams.events.rejects import REASONS
from streams.intake.adapt import Intake
from streams.scoring.event import LeadEvent
from streams.transport.topics import Partitioner, Topics

NOW_MS = 1_795_400_000_000


@dataclass
class Arriving:
    """A record of a source topic."""

    value: bytes | None
    key: bytes | None = None
    timestamp: int = NOW_MS
    headers: Iterable[tuple[str, bytes]] = ()
    offset: int = 0


def post(
    path: str, body: Any, headers: Mapping[str, str] | None = None, query: Iterable[tuple[str, str]] = ()
) -> Inbound:
    """A POST request; a body that is not bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Inbound("POST", path, tuple(query), headers or {}, raw, NOW_MS, "203.0.113.9")


def get(path: str, query: Iterable[tuple[str, str]], headers: Mapping[str, str] | None = None) -> Inbound:
    """A GET request."""
    return Inbound("GET", path, tuple(query), headers or {}, b"", NOW_MS, "203.0.113.9")


def refusal(read: Callable[[], object]) -> tuple[int, str]:
    """The status and code with which a request is refused."""
    with pytest.raises(Refusal) as caught:
        read()
    assert caught.value.message.endswith(".")
    return caught.value.status, caught.value.code


def event_of(call: Call) -> LeadEvent:
    """The event that scoring reads for a call, after intake."""
    value = orjson.dumps(call)
    output = Intake(Topics(), Partitioner(1)).adapt_records({"web-events:0": [Arriving(value)]}, NOW_MS)
    assert output.reasons == []
    event = Codec(()).decode_event(Arriving(value))
    assert isinstance(event, LeadEvent)
    return event


def check_sound(delivery: Delivery) -> None:
    """Check that the engine accepts every call, and that every rejected one has a reason."""
    for call in delivery.calls:
        assert event_of(call).message_id
    for bad in delivery.bad:
        assert bad.reason in REASONS
        assert bad.sentence
    assert isinstance(delivery.write_key.encode(), bytes)


def check_safe(read: Callable[[Inbound], Delivery], inbound: Inbound) -> None:
    """Check that any request gives valid calls or is refused."""
    refused: Refusal | None = None
    try:
        check_sound(read(inbound))
    except Refusal as raised:
        refused = raised
    if refused is not None:
        assert 400 <= refused.status < 500
        assert orjson.dumps({"code": refused.code, "message": refused.message})


# Arbitrary requests ---------------------------------------------------------------------------------------------

WORDS = ("", "u-1", "track", "page", "alias", "Demo Requested", "ana@acme.example", "2026-11-22T01:02:03Z", "\x00", "é")


def objects(inner: st.SearchStrategy[Any], *names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of these keys, and others."""
    return st.dictionaries(st.sampled_from(names) if names else st.text(max_size=5), inner, max_size=8)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=8)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | objects(inner), max_leaves=8)
raw_text = st.text(st.characters(), max_size=12)
"""With lone surrogates, which servers put into headers and queries for bytes that are not UTF-8."""


def bodies(events: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Bodies of these events, of any JSON, and of anything."""
    written = (events | values).map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
    broken = st.tuples(written, st.binary(max_size=4), st.integers(0, 200)).map(
        lambda case: case[0][: case[2]] + case[1] + case[0][case[2] :]
    )
    return written | broken | st.binary(max_size=40)


def inbounds(
    events: st.SearchStrategy[Any], paths: Iterable[str], headers: Iterable[str], parameters: Iterable[str]
) -> st.SearchStrategy[Inbound]:
    """Requests with these events, paths, headers and parameters, and with others."""
    said = st.sampled_from(WORDS) | raw_text | st.sampled_from(("Basic V0s6", "Basic é", "application/json", "dS0x"))
    return st.builds(
        Inbound,
        method=st.sampled_from(("POST", "GET", "")),
        path=st.sampled_from(tuple(paths)) | raw_text,
        query=st.lists(st.tuples(st.sampled_from(tuple(parameters)) | raw_text, said), max_size=6),
        headers=st.dictionaries(
            st.sampled_from((*headers, "authorization", "user-agent", "referer", "content-type")) | raw_text, said
        ),
        body=bodies(events),
        received_ms=st.just(NOW_MS),
        remote=st.sampled_from(("203.0.113.9", "")),
    )
