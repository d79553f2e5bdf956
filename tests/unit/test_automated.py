"""What a machine did is worth nothing, unless a signal's `where` reads `properties.automated` itself."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from streams.events.codec import Codec
from streams.events.rejects import Reject
from streams.scorefile import load
from streams.scoring.event import LeadEvent
from streams.scoring.rules import Rules
from tests.properties.driver import ShardDriver

NOW_MS = 1_795_310_000_000
FILE = """\
leadglow: 1
signals:
  plain:   {event: Opened, half_life: never}
  deep:    {event: Opened, where: {properties.kind: x}, half_life: never}
  heeding: {event: Opened, where: {properties.automated: {not: true}}, half_life: never}
  machine: {event: Opened, where: {properties.automated: true}, half_life: never}
  nested:  {event: Opened, where: {any: [{properties.kind: x}, {properties.automated: true}]}, half_life: never}
  visit:   {event: page, half_life: never}
  never:   {event: Left, half_life: never, limit: 1/ever}
scorecards:
  main:
    points: {plain: 1, deep: 1, heeding: 1, machine: 1, nested: 1, visit: 1}
    stages: [{name: hot, enter: 1, leave: 0.5, blocked_by: [never]}]
"""
WITHOUT = "leadglow: 1\nsignals:\n  plain: {event: Opened}\nscorecards: {main: {points: {plain: 1}}}\n"


def matched(rules: Rules, **sent: Any) -> set[str]:
    """The signals that an event matches, from its bytes."""
    value = json.dumps({"type": "track", "messageId": "m", "userId": "u"} | sent).encode()
    event = Codec(rules.paths).decode_event(SimpleNamespace(key=b"u", value=value, timestamp=NOW_MS, headers=()))
    assert isinstance(event, LeadEvent)
    return {hit.rule.name for hit in rules.match(event.name, event.values).hits}


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, {"plain", "heeding"}),
        ({"kind": "x"}, {"plain", "deep", "heeding", "nested"}),
        ({"automated": False, "kind": "x"}, {"plain", "deep", "heeding", "nested"}),
        ({"automated": True, "kind": "x"}, {"machine", "nested"}),
        ({"automated": True}, {"machine", "nested"}),
        ({"automated": 1}, {"plain", "heeding"}),
        ({"automated": "true"}, {"plain", "heeding"}),
        ({"automated": None}, {"plain", "heeding"}),
        ({"automated": {"a": True}}, {"plain", "heeding"}),
    ],
)
def test_only_signals_that_read_the_mark_match_a_machines_event(properties: dict[str, Any], expected: set[str]) -> None:
    rules = Rules(load(FILE))
    for _ in range(2):  # the second time from memory, where True and 1 must not be one
        assert matched(rules, event="Opened", properties=properties) == expected


def test_the_same_event_in_a_mixed_order_is_distinguished() -> None:
    rules = Rules(load(FILE))
    marks = (True, 1, True, 1.0, None, True)
    found = [matched(rules, event="Opened", properties={"automated": mark}) for mark in marks]
    assert ["plain" in names for names in found] == [False, True, False, True, True, False]


@pytest.mark.parametrize("mark", [True, False])
def test_scorecards_that_never_mention_the_mark_heed_it_too(mark: bool) -> None:
    assert matched(Rules(load(WITHOUT)), event="Opened", properties={"automated": mark}) == (
        set() if mark else {"plain"}
    )


def test_a_crawlers_visit_is_worth_nothing_but_its_lead_is_known() -> None:
    rules = Rules(load(FILE))
    assert matched(rules, type="page", properties={"automated": True}) == set()
    assert matched(rules, type="page") == {"visit"}
    shard = ShardDriver(rules)
    value = b'{"type":"page","messageId":"m","userId":"u","properties":{"automated":true}}'
    event = Codec(rules.paths).decode_event(SimpleNamespace(key=b"u", value=value, timestamp=NOW_MS, headers=()))
    assert not isinstance(event, Reject)
    shard.take(event)
    assert (shard.lead().signals, shard.transitions) == ([], [])


def test_a_machine_cannot_block_a_stage() -> None:
    rules = Rules(load(FILE))
    assert matched(rules, event="Left", properties={"automated": True}) == set()
    assert matched(rules, event="Left") == {"never"}
