"""The story of one person: anonymous visits on two devices, a click in a mail, then a name. One lead, in any order."""

from __future__ import annotations

from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from app.collector import segment
from app.collector.inbound import Call
from streams.events.codec import Codec
from streams.events.controls import decode_control
from streams.events.identities import email_id
from streams.events.records import KIND_HEADER
from streams.events.rejects import Reject
from streams.intake.adapt import Intake
from streams.scorefile import load
from streams.scoring.lead import Redirect
from streams.scoring.replay import Input
from streams.scoring.rules import Rules
from streams.scoring.stored import decode
from streams.transport.topics import Partitioner, Topics
from tests.properties.driver import ShardDriver
from tests.properties.strategies import chances
from tests.support.mail_services import public_key, read, sendgrid
from tests.support.payloads import NOW_MS, Arriving, post

pytestmark = pytest.mark.usefixtures("implementation")

RULES = Rules(
    load(
        "leadglow: 1\n"
        "signals:\n"
        "  visit: {event: page, half_life: 7d}\n"
        "  first_visit: {event: page, half_life: never, limit: 1/ever}\n"
        "  click: {event: Email Link Clicked, half_life: 7d}\n"
        "scorecards: {main: {points: {visit: 1, first_visit: 50, click: 10}}}\n"
    )
)
CODEC = Codec(RULES.paths)
ANA = "ana@acme.example"
SAID_AT = "2026-11-23T00:00:00Z"


def tracked(kind: str, message_id: str, **fields: Any) -> Call:
    """A call of a website tracker, converted by the collector."""
    body = {"type": kind, "messageId": message_id, "timestamp": SAID_AT, "writeKey": "wk", **fields}
    (call,) = segment.read_segment(post(f"/v1/{kind}", body)).calls
    return call


def clicked() -> Call:
    """A click in an email as SendGrid reports it: with only the address."""
    event = {"email": ANA, "event": "click", "url": "https://acme.example/", "sg_event_id": "c", "sg_message_id": "m"}
    (call,) = read("sendgrid", sendgrid([event | {"timestamp": NOW_MS // 1000}]), public_key=public_key()).calls
    return call


STORY = [
    *(tracked("page", f"phone-{i}", anonymousId="phone") for i in range(2)),
    *(tracked("page", f"laptop-{i}", anonymousId="laptop") for i in range(2)),
    clicked(),
    tracked("identify", "hello", userId="ana", anonymousId="phone", traits={"email": ANA}),
    tracked("identify", "again", userId="ana", anonymousId="laptop"),
    tracked("page", "known", userId="ana", anonymousId="laptop"),
]


def inputs_of(call: Call, arrival: int) -> list[Input]:
    """The inputs of scoring that intake makes of a call."""
    output = Intake(Topics(), Partitioner(1)).adapt_records(
        {"web-events:0": [Arriving(orjson.dumps(call), None, arrival)]}, arrival
    )
    found: list[Input] = []
    for at, key, value, headers in output.rows[0]:
        kind = dict(headers).get(KIND_HEADER)
        record = Arriving(value, key, at)
        item = decode_control(kind.decode(), value, key, at) if kind else CODEC.decode_event(record, key.decode())
        assert not isinstance(item, Reject)
        found.append(item)
    return found


@settings(max_examples=300)
@given(chances)
def test_one_person_is_one_lead_with_everything_counted_once_in_any_order(chance: Random) -> None:
    story = chance.sample(STORY, len(STORY)) + chance.sample(STORY, chance.randint(0, 4))  # some come twice
    shard = ShardDriver(RULES)
    for i, call in enumerate(story):
        for record in inputs_of(call, NOW_MS + i):
            shard.take(record, chance.choice(("step", "show", "reload")))
        while shard.waiting and chance.random() < 0.6:
            shard.deliver()
    shard.drain()
    lead = shard.lead("ana")
    assert set(lead.aliases) == {"phone", "laptop", email_id(ANA)}
    assert all(isinstance(decode(shard.blobs[name]), Redirect) for name in lead.aliases)
    counts = {RULES.by_id[signal].name: count for signal, count in zip(lead.signals, lead.count, strict=True)}
    assert counts["visit"] == 5
    assert counts["click"] == 1
    assert lead.amount[lead.signals.index(RULES.signals["first_visit"].id)] == 1
