"""How many ids of leads the events of a public key may name on a day."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from app.collector.inbound import Delivery, Inbound
from app.collector.keyring import PUBLIC_NEW_IDS, PUBLIC_RATE, Key, Keyring, parse_keys
from app.collector.metrics import Metrics
from app.collector.new_ids import BITS, MIN_BYTES, REFUSED, KnownIds, NewIds, ids_of, traits_in
from app.collector.reception import EventSettings, Reception
from streams.events.codec import Codec
from streams.events.identities import email_id
from streams.events.outgoing import Outgoing
from streams.scorefile import load
from streams.scoring.account_ids import is_account
from streams.scoring.event import LeadEvent
from streams.scoring.rules import Rules
from streams.units import DAY_MS
from tests.properties.driver import ShardDriver
from tests.properties.strategies import START_MS

FILE = "leadglow_keys: 1\nkeys: [{{name: a, write_key: wk, origins: {origins}{more}}}]\n"
SEED = 7
COMPANIES = """leadglow: 1
signals: {visit: {event: page, half_life: 14d}}
scorecards: {main: {points: {visit: 10}, accounts: {key: firm}}}
"""


def bounds_of(origins: str, more: str = "") -> tuple[int, int] | None:
    return parse_keys(FILE.format(origins=origins, more=more)).keys[0].new_ids


def test_86_million_new_ids_a_day_are_not_possible() -> None:
    """A ten-thousandth of what the rate of a public key allows on a day, with a ten-thousandth of the usual bound."""
    of_rate = round(PUBLIC_RATE.calls / PUBLIC_RATE.period_s * 86_400 / 10_000)
    most = PUBLIC_NEW_IDS // 10_000
    ids = NewIds(SEED)
    taken = sum(ids.admit("a", (most, most), "", [f"v{i}"], 0) != REFUSED for i in range(of_rate))
    assert of_rate == 8640
    assert taken == most


def test_a_full_filter_takes_hardly_an_id_for_a_known_one() -> None:
    most = MIN_BYTES * 8 // BITS
    known = KnownIds(most, SEED)
    for i in range(most):
        known.add(f"v{i}")
    assert all(f"v{i}" in known for i in range(0, most, 10))
    assert sum(f"w{i}" in known for i in range(5000)) <= 1


def test_ids_of_the_day_still_count_and_the_next_day_is_new() -> None:
    ids = NewIds(SEED)
    assert [ids.admit("a", (2, 2), "", [each], 0) for each in ("x", "y", "z", "x", "y")] == [1, 1, REFUSED, 0, 0]
    assert ids.admit("b", (2, 2), "", ["z"], 0) == 1
    assert ids.admit("a", (2, 2), "", ["z"], DAY_MS) == 1


def test_a_call_is_taken_with_all_of_its_ids_or_not_at_all() -> None:
    ids = NewIds(SEED)
    assert ids.admit("a", (2, 2), "", ["x", "y", "z"], 0) == REFUSED
    assert ids.admit("a", (2, 2), "", ["x", "y"], 0) == 2


def test_one_address_cannot_use_up_the_day_of_others() -> None:
    ids = NewIds(SEED)
    assert sum(ids.admit("a", (100, 10), "192.0.2.1", [f"v{i}"], 0) > 0 for i in range(50)) == 10
    assert ids.admit("a", (100, 10), "192.0.2.2", ["w"], 0) == 1


def test_the_addresses_of_a_key_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.collector.new_ids.MAX_ADDRESSES", 90)
    ids = NewIds(SEED)
    for i in range(100):
        ids.admit("a", (1, 1), f"192.0.2.{i}", [f"v{i}"], 0)
    assert len(ids._days["a"].by_address) == 90


def test_a_changed_keys_file_does_not_begin_the_day_anew() -> None:
    old, new = (Keyring([Key("a", True, new_ids=(1, 1), write_key=key)]) for key in ("w", "other"))
    assert old.admit_ids(old.keys[0], "", ["x"], 0) == 1
    new.inherit_usage(old)
    assert [new.admit_ids(new.keys[0], "", [each], 0) for each in "xy"] == [0, REFUSED]


@pytest.mark.parametrize("most", [3, 1_000_000])
def test_another_bound_does_not_begin_the_day_anew(most: int) -> None:
    ids = NewIds(SEED)
    assert [ids.admit("a", (4, 4), "", [each], 0) for each in "vwxyz"] == [1, 1, 1, 1, REFUSED]
    now = [ids.admit("a", (most, most), "", [each], 0) for each in "vwxyz"]
    assert now == [0, 0, 0, 0, 1 if most > 4 else REFUSED]


def test_a_greater_bound_has_room_for_all_ids_of_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The filter of the smaller bound would soon take new ids for known ones."""
    monkeypatch.setattr("app.collector.new_ids.MIN_BYTES", 1)
    ids, few, most = NewIds(SEED), 300, 3000
    for i in range(few):
        ids.admit("a", (few, few), "", [f"v{i}"], 0)
    taken = [ids.admit("a", (most, most), "", [f"w{i}"], 0) for i in range(most - few)]
    assert taken.count(0) <= 3
    assert [ids.admit("a", (most, most), "", [f"v{i}"], 0) for i in range(few)] == [0] * few


def test_a_clock_that_steps_back_over_midnight_does_not_begin_the_day_anew() -> None:
    ids = NewIds(SEED)
    assert ids.admit("a", (1, 1), "", ["x"], DAY_MS) == 1
    assert [ids.admit("a", (1, 1), "", [each], at_ms) for each in "xy" for at_ms in (DAY_MS - 1, DAY_MS)] == [
        0, 0, REFUSED, REFUSED
    ]  # fmt: skip
    assert ids.admit("a", (1, 1), "", ["y"], 2 * DAY_MS) == 1
    assert ids.admit("a", (1, 1), "", ["z"], 0) == 1  # it had been wrong for longer


@pytest.mark.parametrize(
    ("origins", "more", "expected"),
    [
        ("any", "", (100_000, 100_000)),
        ("['https://acme.example']", "", (100_000, 10_000)),
        ("['https://acme.example']", ", new_ids: 5000000/day", (5_000_000, 500_000)),
    ],
)
def test_a_public_key_has_a_bound(origins: str, more: str, expected: tuple[int, int]) -> None:
    assert bounds_of(origins, more) == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ({"type": "page", "anonymousId": "v"}, ["v"]),
        ({"type": "track", "userId": "u", "anonymousId": "v"}, ["u"]),
        ({"type": "identify", "userId": "u", "anonymousId": "v"}, ["u", "v"]),
        ({"type": "identify", "anonymousId": "v", "traits": {"email": "A@b.example"}}, ["v", email_id("a@b.example")]),
        ({"type": "alias", "userId": "u", "previousId": "w"}, ["u", "w"]),
        ({"type": "page"}, []),
        ({"type": "identify"}, []),
    ],
)
def test_every_id_that_can_make_a_lead_counts(call: dict[str, Any], expected: list[str]) -> None:
    assert ids_of(call) == expected


@pytest.mark.parametrize(
    "calls",
    [
        [{"type": "identify", "userId": "u", "traits": {"company": f"Company {i}"}} for i in range(9)],
        [{"type": "group", "userId": "u", "groupId": f"g{i}"} for i in range(9)],
        [{"type": "page", "userId": "u", "context": {"traits": {"email": f"a@c{i}.example"}}} for i in range(9)],
        [{"type": "track", "userId": "u", "event": "e", "context": {"traits": {"a": {"b": i}}}} for i in range(9)],
    ],
)
async def test_one_lead_cannot_name_companies_without_end(calls: list[dict[str, Any]]) -> None:
    """Any trait may be the key of accounts, in any type of call; those of the day still count."""
    sent, metrics = await received([*calls, calls[1], {"type": "page", "userId": "u"}], Key("a", True, new_ids=(3, 3)))
    assert [each.topic for each in sent] == ["web"] * 5 + ["rejected"] * 6
    assert {dict(each.headers)["reason"] for each in sent[5:]} == {b"too_many_ids"}
    value = metrics.registry.get_sample_value
    assert value("leadglow_collector_new_traits_total", {"key": "a"}) == 3
    assert value("leadglow_collector_new_ids_total", {"key": "a"}) == 1


async def test_new_ids_of_a_call_that_is_refused_for_its_traits_are_counted_as_spent() -> None:
    calls = [{"type": "identify", "userId": user, "traits": {"firm": i}} for i, user in enumerate("uuv")]
    _, metrics = await received(calls, Key("a", True, new_ids=(2, 2)))
    names = [f"leadglow_collector_new_{kind}_total" for kind in ("ids", "traits")]
    assert [metrics.registry.get_sample_value(name, {"key": "a"}) for name in names] == [2, 2]


@pytest.mark.usefixtures("implementation")
async def test_a_stranger_cannot_make_more_companies_than_the_bound() -> None:
    """From the collector to the states of a shard: an identify for each of 300 companies, of which 20 may be named."""
    rules = Rules(load(COMPANIES))
    calls = [{"type": "identify", "userId": "u", "traits": {"firm": f"Firm {i}"}} for i in range(300)]
    sent, _ = await received(calls, Key("a", True, new_ids=(20, 20)))
    shard, codec = ShardDriver(rules), Codec(rules.paths)
    for i, each in enumerate(each for each in sent if each.topic == "web"):
        record: Any = SimpleNamespace(value=each.value, timestamp=START_MS + i)
        event = codec.decode_event(record)
        assert isinstance(event, LeadEvent)
        shard.take(event)
        shard.drain()
    assert sum(is_account(lead_id) for lead_id in shard.blobs) == 19  # the lead is still in the last one
    for lead_id in list(shard.blobs):
        shard.advance_lead(lead_id, START_MS + 61 * DAY_MS)
    assert list(shard.blobs) == ["u"]


def test_a_set_of_traits_is_one_whatever_its_order_and_its_lead() -> None:
    one, other = ({"a": 1, "b": {"c": "x"}}, {"b": {"c": "x"}, "a": 1})
    same = [{"type": "identify", "userId": user, "traits": traits} for user in "uv" for traits in (one, other)]
    assert len({text for call in same for text in traits_in(call)}) == 1
    assert traits_in({"type": "identify", "traits": {}}) == traits_in({"type": "page"}) == []
    assert traits_in({"type": "identify", "traits": {"a": "\ud800"}})


def test_a_changed_keys_file_does_not_begin_the_day_of_traits_anew() -> None:
    old, new = (Keyring([Key("a", True, new_ids=(1, 1), write_key=key)]) for key in ("w", "other"))
    assert old.admit_traits(old.keys[0], "", ["x"], 0) == 1
    new.inherit_usage(old)
    assert [new.admit_traits(new.keys[0], "", [each], 0) for each in "xy"] == [0, REFUSED]


@pytest.mark.parametrize(
    ("bounds", "call", "said"),
    [
        ((2, 2), {"type": "page", "anonymousId": "{}"}, "new ids of the key `a`"),
        (
            (9, 2),
            {"type": "page", "anonymousId": "{}"},
            "new ids of one address that uses the key `a`",
        ),
        (
            (2, 2),
            {"type": "group", "userId": "u", "groupId": "{}"},
            "sets of traits of the key `a`",
        ),
    ],
)
async def test_the_log_has_one_line_a_day_when_a_bound_is_exceeded(
    bounds: tuple[int, int], call: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    calls = [json.loads(json.dumps(call).replace("{}", str(i))) for i in range(5)]
    watched: Any = type(
        "Watched", (), {"value": Keyring([Key("a", True, any_origin=True, write_key="w", new_ids=bounds)])}
    )
    reception = Reception(EventSettings("web", "mail", "rejected"), Kept(), watched, Metrics())
    for day in (0, 0, 1):
        inbound = Inbound("POST", "/v1/batch", received_ms=day * DAY_MS)
        await reception.accept_tracked("segment", inbound, lambda _: Delivery(list(calls), [], "w"))
    assert [f"the {said} are used up for today (2)" in line for line in caplog.messages] == [True, True]


async def received(calls: list[dict[str, Any]], key: Key) -> tuple[list[Outgoing], Metrics]:
    """The records that a request with these calls makes."""
    keys = Keyring([replace(key, any_origin=True, write_key="w")])
    kept, metrics = Kept(), Metrics()
    watched: Any = type("Watched", (), {"value": keys})()
    reception = Reception(EventSettings("web", "mail", "rejected"), kept, watched, metrics)
    await reception.accept_tracked("segment", Inbound("POST", "/v1/batch"), lambda _: Delivery(list(calls), [], "w"))
    return kept.records, metrics


class Kept:
    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def write_records(self, records: Any) -> None:
        self.records += records


async def test_an_event_over_the_bound_is_rejected_with_its_bytes_and_the_others_are_taken() -> None:
    calls = [{"type": "page", "messageId": f"m{i}", "anonymousId": who} for i, who in enumerate("xyx")]
    sent, metrics = await received(calls, Key("a", True, new_ids=(1, 1)))
    assert [json.loads(each.value or b"")["anonymousId"] for each in sent if each.topic == "web"] == ["x", "x"]
    (reject,) = [each for each in sent if each.topic == "rejected"]
    assert json.loads(reject.value or b"") == calls[1]
    assert ("reason", b"too_many_ids") in reject.headers
    value = metrics.registry.get_sample_value
    assert value("leadglow_collector_new_ids_total", {"key": "a"}) == 1
    assert value("leadglow_collector_calls_rejected_total", {"reason": "too_many_ids"}) == 1
