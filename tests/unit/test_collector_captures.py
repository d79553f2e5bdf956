"""Every request that a real tracker sent, replayed: accepted, and mapped to calls that were checked by hand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from app.collector import segment, snowplow
from app.collector.collector import watch_keys
from app.collector.inbound import Call, Delivery, Inbound
from app.collector.metrics import Metrics
from app.collector.reception import EventSettings, Reception
from app.collector.request_reader import Limits
from app.collector.site import Site
from app.private_files import write_private
from streams.events.outgoing import Outgoing
from streams.events.times import event_time
from tests.support.payloads import NOW_MS, event_of

DATA = Path(__file__).parent.parent / "data"
EXPECTED: dict[str, list[dict[str, str]]] = json.loads((DATA / "captures-expected.json").read_text())
CANONICAL: dict[str, list[dict[str, Any]]] = json.loads((DATA / "captures" / "canonical.json").read_text())
TP2 = "/com.snowplowanalytics.snowplow/tp2"
FIRST_KEY = {"browser-snowplow-get": "site", "browser-snowplow-post": "site"}


def requests(client: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DATA / "captures" / f"{client}.json").read_text())["requests"]
    return found


def inbound(request: dict[str, Any]) -> Inbound:
    """A captured request; bodies were recorded as JSON, after unpacking."""
    return Inbound(
        method=request["method"],
        path=request["path"],
        query=tuple(request["query"].items()),
        headers={name.lower(): value for name, value in request["headers"].items()},
        body=b"" if request["body"] is None else json.dumps(request["body"]).encode(),
        received_ms=NOW_MS,
        remote="203.0.113.9",
    )


def deliver(request: dict[str, Any]) -> Delivery | None:
    """What the adapter of its path makes of it; None for preflights and settings."""
    path = request["path"]
    if request["method"] == "OPTIONS" or path == "/sourceConfig/" or path.endswith("/settings"):
        return None
    read = snowplow.read_snowplow if path in (TP2, "/i") else segment.read_segment
    return read(inbound(request))


def at(call: Call, path: str) -> Any:
    found: Any = call
    for key in path.split("."):
        found = (found or {}).get(key)
    return found


def row(call: Call) -> dict[str, str]:
    """What the table tells of a call."""
    said = {
        "type": call["type"],
        "event": call.get("event"),
        "userId": call.get("userId"),
        "anonymousId": call.get("anonymousId"),
        "messageId": call["messageId"],
        "time": call.get("timestamp") or call.get("originalTimestamp"),
        "sentAt": call["sentAt"],
        "url": at(call, "properties.url") or at(call, "context.page.url"),
        "email": at(call, "traits.email") or at(call, "context.traits.email"),
    }
    return {name: value for name, value in said.items() if value}


def test_every_tracker_capture_has_expectations() -> None:
    kept = {path.stem for path in (DATA / "captures").glob("*.json")}
    trackers = {name for name in kept if name.startswith(("browser-", "rudder-", "segment-"))}
    assert trackers == set(EXPECTED)
    assert set(CANONICAL) == set(EXPECTED)


@pytest.mark.parametrize("client", EXPECTED)
def test_a_captured_client_is_accepted_and_mapped_to_the_expected_calls(client: str) -> None:
    deliveries = [delivery for delivery in map(deliver, requests(client)) if delivery is not None]
    assert deliveries
    assert [delivery.bad for delivery in deliveries] == [[]] * len(deliveries)
    assert {delivery.write_key for delivery in deliveries} == {FIRST_KEY.get(client, "WRITEKEY1")}
    assert [row(call) for delivery in deliveries for call in delivery.calls] == EXPECTED[client]


@pytest.mark.parametrize("client", CANONICAL)
def test_a_canonical_request_is_mapped_to_calls_of_its_client(client: str) -> None:
    expected = {str(each) for each in EXPECTED[client]}
    for request in CANONICAL[client]:
        delivery = deliver(request)
        if delivery is not None:
            assert delivery.calls
            assert {str(row(call)) for call in delivery.calls} <= expected


@pytest.mark.parametrize("client", EXPECTED)
def test_the_engine_takes_every_call_with_its_id_and_its_corrected_time(client: str) -> None:
    for delivery in map(deliver, requests(client)):
        for call in delivery.calls if delivery is not None else []:
            event = event_of(call)
            assert event.message_id == call["messageId"]
            assert event.at == event_time(call, NOW_MS) < NOW_MS


@pytest.mark.parametrize("client", [name for name in EXPECTED if "snowplow" not in name])
def test_calls_of_the_segment_family_stay_as_they_were_sent(client: str) -> None:
    for request in requests(client):
        delivery = deliver(request)
        if delivery is None:
            continue
        body = request["body"]
        events = body.get("batch", [body])
        for call, event in zip(delivery.calls, events, strict=True):
            sent = {"sentAt": body["sentAt"]} | {name: value for name, value in event.items() if name != "writeKey"}
            assert json.dumps(call, sort_keys=True) == json.dumps(sent, sort_keys=True).replace(
                '"referrer": "$direct"', '"referrer": ""'
            )


@pytest.mark.parametrize("client", EXPECTED)
def test_preflights_are_for_known_paths_and_settings_are_answered(client: str) -> None:
    for request in requests(client):
        path = request["path"]
        if request["method"] == "OPTIONS":
            assert path in (TP2, "/sourceConfig/") or path in segment.PATHS
        elif path == "/sourceConfig/":
            assert segment.rudderstack_settings(request["query"]["writeKey"])["source"]["writeKey"] == "WRITEKEY1"
        elif path.endswith("/settings"):
            assert segment.segment_settings("WRITEKEY1", "http://localhost:9911")["integrations"]


# The same over a socket -------------------------------------------------------------------------------------------

KEYS = """
leadglow_keys: 1
keys:
  - {name: all, write_key: WRITEKEY1, origins: any}
  - {name: snowplow, write_key: site, origins: any}
"""
SET_ANEW = {"Host", "Content-Length", "Connection", "Accept-Encoding"}
"""Headers that the client of the test writes itself."""


class Kept:
    """A publisher that keeps everything."""

    ready = True

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def write_records(self, records: Sequence[Outgoing]) -> None:
        self.records += records


async def replayed(url: str, request: dict[str, Any]) -> int:
    """The status of a request that is sent as it was captured, packed if it was."""
    headers = {name: value for name, value in request["headers"].items() if name not in SET_ANEW}
    body = None if request["body"] is None else json.dumps(request["body"]).encode()
    if body and headers.get("Content-Encoding") == "gzip":
        body = gzip.compress(body)
    query = f"?{urlencode(request['query'])}" if request["query"] else ""
    async with (
        aiohttp.ClientSession(skip_auto_headers=["User-Agent", "Accept", "Content-Type"]) as session,
        session.request(request["method"], url + request["path"] + query, data=body, headers=headers) as reply,
    ):
        await reply.read()
        if request["method"] == "OPTIONS":
            assert reply.headers["Access-Control-Allow-Origin"] == headers["Origin"]
            assert reply.headers["Access-Control-Allow-Headers"] == headers["Access-Control-Request-Headers"]
        return reply.status


@pytest.mark.parametrize("client", EXPECTED)
async def test_a_captured_client_is_answered_200_to_everything(client: str, tmp_path: Path) -> None:
    path, metrics, kept = tmp_path / "keys.yaml", Metrics(), Kept()
    write_private(path, KEYS)
    site = Site(
        Reception(EventSettings("web", "mail", "rejected"), kept, watch_keys(path, metrics), metrics), Limits(), metrics
    )
    url = await site.start("127.0.0.1", 0)
    try:
        statuses = {await replayed(url, request) for request in requests(client)}
    finally:
        await site.stop()

    found = [json.loads(record.value or b"") for record in kept.records]
    for call in found:
        call["messageId"] = call["messageId"].split(":", 2)[2]
    assert statuses == {200}
    assert [row(call) for call in found] == EXPECTED[client]
