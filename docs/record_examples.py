"""Makes the whole records that docs/records.md shows: a short history, scored by the example scorecard."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from streams.events.codec import Codec
from streams.events.rejects import Reject, reject_record
from streams.events.times import parse_ms
from streams.schemas import RECORDS
from streams.schemas.handoff import VERSION
from streams.scorefile import load_file
from streams.scoring.event import ANONYMOUS, USER, Identity, Join, LeadEvent
from streams.scoring.lead import Lead
from streams.scoring.replay import Replay
from streams.scoring.rules import Rules
from streams.scoring.stages import standing
from streams.shard.alert import alert, score_record
from streams.units import DAY_MS

SCORECARDS = Path(__file__).parents[1] / "scorecards.yaml"
BOARD = "https://board.acme.example"
PRICING = {"url": "https://acme.example/pricing", "path": "/pricing", "title": "Prices"}
GOOGLE = {"campaign": {"source": "google", "medium": "cpc", "name": "spring"}}
TRAITS = {"title": "CTO", "employees": 450, "email": "ana@acme.example"}
VISIT = {"type": "page", "messageId": "m-1", "anonymousId": "5f3c", "properties": PRICING, "context": GOOGLE}
LATER: list[dict[str, Any]] = [
    {"type": "identify", "messageId": "m-2", "userId": "ana", "anonymousId": "5f3c", "traits": TRAITS},
    {"type": "track", "event": "Demo Requested", "messageId": "m-3", "userId": "ana", "properties": {"form": "Demo"}},
]
UNKNOWN = b'{"type":"purchase","messageId":"m-4","userId":"ana"}'


def at(text: str) -> int:
    """An instant in ms since the epoch."""
    found = parse_ms(text)
    assert found is not None
    return found


def play(rules: Rules) -> Replay:
    """A visitor becomes a known lead, asks for a demo, and cools."""
    replay, codec = Replay(rules), Codec(rules.paths)

    def happen(call: dict[str, Any], time: str) -> None:
        raw = json.dumps(call | {"timestamp": time}).encode()
        event = codec.decode_event(SimpleNamespace(key=None, value=raw, timestamp=at(time) + 250, headers=()))
        assert isinstance(event, LeadEvent)
        replay.play(event)
        replay.end_step()

    happen(VISIT, "2026-11-22T08:00:00Z")
    joined = "2026-11-24T09:00:00Z"
    replay.play(Join(Identity(ANONYMOUS, "5f3c"), Identity(USER, "ana"), at(joined)))
    (forward,) = replay.end_step().forwards
    replay.play(forward.item)
    happen(LATER[0], joined)
    happen(LATER[1], "2026-11-24T09:05:00Z")
    replay.advance_lead("ana", at("2026-11-24T09:05:00Z") + 120 * DAY_MS)
    replay.end_step()
    return replay


def examples() -> dict[str, Any]:
    """Name -> a record, decoded."""
    rules = Rules(replace(load_file(SCORECARDS), version=VERSION))
    replay = play(rules)
    entered, left = (json.loads(alert(each, rules, BOARD)) for each in replay.crossings if each.transition.is_alert)
    lead = replay.state("ana")
    assert isinstance(lead, Lead)
    (card,) = rules.cards
    scored = score_record("ana", card, standing(card, lead, at(left["time"]) + 170), rules.version)
    place = "web-events:3:10452"
    raw = SimpleNamespace(key=None, value=UNKNOWN, timestamp=at("2026-11-24T09:06:00Z"), headers=())
    reason = Codec(rules.paths).decode_event(raw)
    assert isinstance(reason, Reject)
    reject = reject_record("rejected-events", raw, place, reason)
    return {
        "entered": entered,
        "left": left,
        "account": RECORDS["account-event"].example(),
        "score": json.loads(scored),
        "reject": {name: value.decode() for name, value in reject.headers},
    }
