"""Requests as trackers really send them, with the right outcome: what becomes of each event, and whose it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest

from app.collector import cloudevents, links, segment, snowplow
from app.collector.inbound import Call, Inbound
from streams.events.calls import check_call, traits_of
from streams.events.identities import email_id, identities, lead_ids
from streams.events.times import event_time, parse_ms
from tests.support.payloads import NOW_MS, event_of, refusal

CASES = json.loads((Path(__file__).parents[1] / "data/doors/requests.json").read_text())
READERS = {
    **dict.fromkeys(segment.PATHS, segment.read_segment),
    cloudevents.PATH: cloudevents.read_cloudevents,
    snowplow.POST_PATH: snowplow.read_snowplow,
    snowplow.GET_PATH: snowplow.read_snowplow,
    links.PIXEL_PATH: links.read_pixel,
}


def inbound_of(case: dict[str, Any]) -> Inbound:
    body = orjson.dumps(case["body"]) if "body" in case else b""
    query = parse_qsl(case.get("query", ""))
    return Inbound(case.get("method", "POST"), case["path"], query, case.get("headers", {}), body, NOW_MS)


def outcome(call: Call) -> dict[str, Any]:
    """What scoring makes of a call; addresses instead of their hashes."""
    addresses = {email_id(lead_ids(call).email): lead_ids(call).email}
    names = [addresses.get(each.id, each.id) for each in identities(call)]
    assert event_of(call).at == event_time(call, NOW_MS)
    return {
        **call,
        "event": check_call(call),
        "lead": names[0],
        "joined": names[1:],
        "at": event_time(call, NOW_MS),
        "traits": traits_of(call),
    }


def narrowed(found: Any, wanted: Any) -> Any:
    """The part of a value that a case names."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return {name: narrowed(found.get(name), wanted[name]) for name in wanted}
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["about"])
def test_a_real_request_has_the_right_outcome(case: dict[str, Any]) -> None:
    read, inbound = READERS[case["path"]], inbound_of(case)
    if "refused" in case:
        assert refusal(lambda: read(inbound)) == (400, case["refused"])
        return
    delivery = read(inbound)
    wanted = [{**each} for each in case["gives"]]
    for each in wanted:
        if "at" in each:
            each["at"] = NOW_MS if each["at"] == "arrival" else parse_ms(each["at"])
    assert [narrowed(outcome(call), each) for call, each in zip(delivery.calls, wanted, strict=True)] == wanted
    assert delivery.bad == []
    assert delivery.write_key == case.get("key", "")
