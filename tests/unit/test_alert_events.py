"""An alert says what the lead did: the event behind it, and those before that the worker still has."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from streams.events.codec import Codec
from streams.scoring.event import LeadEvent
from streams.scoring.lead import UNKNOWN_OFFSET
from streams.scoring.replay import Replay
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal, Stage
from streams.shard.alert import alert
from streams.shard.recent_records import MAX_BYTES, MAX_RECORDS, RecentRecords
from tests.properties.strategies import START_MS

SIGNALS = (
    Signal("view", ("page",), label="Page"),
    Signal("order", ("Ordered",), label="Ordered", show=("properties.product", "traits.name")),
)
CARD = Scorecard("card", {"view": Points(1.0), "order": Points(50.0)}, stages=(Stage("hot", 40.0, 30.0, handoff=True),))
RULES = Rules(Model(SIGNALS, (CARD,), "ab" * 32))
FIRST = 2**32 - 4
"""The offset of the first record: those of the others pass four bytes."""


def record(number: int, **call: Any) -> Any:
    value = json.dumps({"messageId": f"m{number}", "userId": "u", **call}).encode()
    return SimpleNamespace(key=None, value=value, timestamp=START_MS + 1000 * number, headers=(), offset=FIRST + number)


RECORDS = [
    *(record(i, type="page", properties={"title": f"Page {i}", "path": f"/{i}"}) for i in range(7)),
    record(7, type="track", event="Ordered", properties={"product": "Seat", "value": 7}, traits={"name": "Ana"}),
]


def alert_with(kept: int) -> Any:
    """The alert after all records, of which the worker has kept the last ones."""
    replay, codec, recent = Replay(RULES), Codec(RULES.paths), RecentRecords()
    for each in RECORDS:
        event = codec.decode_event(each)
        assert isinstance(event, LeadEvent)
        replay.play(event, each.offset)
    replay.end_step()
    recent.add(RECORDS[-kept:])
    (crossing,) = replay.crossings
    return json.loads(alert(crossing, RULES, "", recent.find))["data"]["activity"]["events"]


def test_the_event_behind_an_alert_is_named_with_five_before_it() -> None:
    cause, *before = alert_with(kept=8)
    assert cause == {
        "at": "2026-01-06T00:00:07.000Z", "signals": ["order"], "label": "Ordered", "event": "Ordered",
        "show": "Seat · Ana", "personal": True, "asset": "Seat", "amount": 7,
    }  # fmt: skip
    assert [(row["label"], row["show"], row["path"]) for row in before] == [
        ("Page", f"Page {i}", f"/{i}") for i in (6, 5, 4, 3, 2)
    ]


def test_events_that_the_worker_does_not_have_are_told_by_their_signals() -> None:
    events = alert_with(kept=3)
    assert [row.get("show") for row in events] == ["Seat · Ana", "Page 6", "Page 5", None, None, None]
    assert events[-1] == {"at": "2026-01-06T00:00:02.000Z", "signals": ["view"], "label": "Page"}


def test_another_event_at_the_same_place_is_not_taken_for_it() -> None:
    wrong = [record(100 + each.offset - FIRST, type="page") for each in RECORDS]
    for each, old in zip(wrong, RECORDS, strict=True):
        each.offset = old.offset
    recent = RecentRecords()
    recent.add(wrong)
    assert recent.find(RECORDS[3].offset & UNKNOWN_OFFSET) is wrong[3]


def test_only_the_latest_records_are_kept() -> None:
    recent = RecentRecords()
    batches = [
        [SimpleNamespace(offset=first + i, value=b"x") for i in range(0, 1000, 2)] for first in range(0, 30_000, 1000)
    ]
    for batch in batches:
        recent.add(batch)
    assert recent.find(29_998) is batches[-1][-1]
    assert recent.find(29_997) is None  # not in the log
    assert recent.find(29_998 - 2 * MAX_RECORDS) is not None
    assert recent.find(0) is recent.find(40_000) is recent.find(UNKNOWN_OFFSET) is None

    large = [SimpleNamespace(offset=40_000 + i, value=b"x" * (MAX_BYTES // 4)) for i in range(40)]
    recent.add(large)
    assert recent.find(40_039) is large[-1]
    assert recent.find(40_000) is None
    recent.add([SimpleNamespace(offset=40_040, value=b"x" * (MAX_BYTES + 1))])
    assert recent.find(40_040) is None
    assert recent.find(40_039) is large[-1]
