"""What a public write key can do to leads: it never joins two known users, and its traits give way to all others."""

from __future__ import annotations

import json
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings

from streams.events.codec import Codec
from streams.events.controls import decode_control
from streams.events.identities import owner_of
from streams.events.rejects import Reject
from streams.intake.adapt import Intake
from streams.scorefile import load
from streams.scoring.event import ANONYMOUS, USER, Identity, Join
from streams.scoring.identity import set_trait
from streams.scoring.lead import Lead, Redirect
from streams.scoring.rules import Rules
from streams.scoring.stored import decode
from streams.transport.topics import Partitioner, Topics
from tests.properties.driver import ShardDriver
from tests.properties.strategies import chances

NOW_MS = 1_795_310_000_000
RULES = Rules(load("leadglow: 1\nsignals:\n  visit: {event: page}\nscorecards: {main: {points: {visit: 1}}}\n"))
CODEC = Codec(RULES.paths)
PUBLIC = {"leadglow": {"key": "site", "public": True}}
SERVER = {"leadglow": {"key": "backend"}}
MAX_TRAITS = 64


def record(sent: dict[str, Any], arrival: int = NOW_MS) -> Any:
    return SimpleNamespace(key=None, value=json.dumps(sent).encode(), timestamp=arrival, headers=(), offset=0)


def joins_of(sent: dict[str, Any]) -> list[Join]:
    """The joins that intake makes of a call, from its bytes."""
    rows = Intake(Topics(), Partitioner(1)).adapt_records({"web-events:0": [record(sent)]}, NOW_MS).rows[0]
    controls = [decode_control("join", value, key, at) for at, key, value, headers in rows if len(headers) > 1]
    return [control for control in controls if isinstance(control, Join)]


def take(shard: ShardDriver, sent: dict[str, Any], arrival: int = NOW_MS) -> None:
    """A call through intake and scoring, with everything that it sets off."""
    event = CODEC.decode_event(record(sent, arrival), owner_of(sent).id)
    assert not isinstance(event, Reject)
    shard.take(event)
    for control in joins_of(sent):
        shard.take(control)
    shard.drain()


def page(**names: str) -> dict[str, Any]:
    return {"type": "page", "messageId": "-".join(names.values()), **names}


# Joins -----------------------------------------------------------------------------------------------------------

ALIASES = [
    {"userId": "eve", "previousId": "bob"},
    {"userId": "eve", "previousId": "bob", "anonymousId": "a"},
    {"userId": "eve", "previousId": "a", "anonymousId": "a"},
]


@pytest.mark.parametrize("names", ALIASES)
def test_an_alias_joins_with_a_server_key_or_none_but_not_with_a_public_one(names: dict[str, str]) -> None:
    call = {"type": "alias", "messageId": "m", **names}
    assert any(join.explicit for join in joins_of(call))
    assert any(join.explicit for join in joins_of(call | SERVER))
    assert not any(join.explicit for join in joins_of(call | PUBLIC))
    assert all({join.lesser.kind, join.greater.kind} != {USER} for join in joins_of(call | PUBLIC))


@pytest.mark.parametrize("forged", [{"public": 1}, {"public": "true"}, {}, [True], "public", None])
def test_only_the_collectors_own_stamp_makes_a_call_public(forged: Any) -> None:
    call = {"type": "alias", "messageId": "m", "userId": "eve", "previousId": "bob", "leadglow": forged}
    assert joins_of(call) == [Join(Identity(USER, "eve"), Identity(USER, "bob"), NOW_MS, True)]


@pytest.mark.parametrize("stamp", [PUBLIC, SERVER, {}])
def test_an_identify_joins_a_visitor_with_any_key(stamp: dict[str, Any]) -> None:
    call = {"type": "identify", "messageId": "m", "userId": "eve", "anonymousId": "a"} | stamp
    assert joins_of(call) == [Join(Identity(ANONYMOUS, "a"), Identity(USER, "eve"), NOW_MS)]


CALLS: list[dict[str, Any]] = [
    {"type": "alias", "userId": "eve", "previousId": "bob"},
    {"type": "alias", "userId": "bob", "previousId": "eve"},
    {"type": "alias", "userId": "eve", "previousId": "a", "anonymousId": "a"},
    {"type": "alias", "userId": "bob", "previousId": "a", "anonymousId": "a"},
    {"type": "alias", "userId": "eve", "previousId": "b", "anonymousId": "b"},
    {"type": "identify", "userId": "eve", "anonymousId": "a", "traits": {"email": "bob@acme.example"}},
    {"type": "identify", "userId": "bob", "anonymousId": "b", "traits": {"email": "bob@acme.example"}},
    {"type": "identify", "userId": "eve", "anonymousId": "b"},
    {"type": "identify", "userId": "bob", "anonymousId": "a"},
]


@settings(max_examples=200)
@given(chances)
def test_no_sequence_of_public_calls_joins_two_known_users(chance: Random) -> None:
    shard = ShardDriver(RULES)
    for name in ("eve", "bob"):
        take(shard, page(userId=name))
    for i, call in enumerate(chance.sample(CALLS, chance.randint(1, len(CALLS)))):
        take(shard, call | {"messageId": f"m{i}"} | PUBLIC, NOW_MS + i)
    assert isinstance(decode(shard.blobs["eve"]), Lead)
    assert isinstance(decode(shard.blobs["bob"]), Lead)


def test_the_same_calls_with_a_server_key_do_join_them() -> None:
    shard = ShardDriver(RULES)
    for sent in (page(userId="eve"), page(userId="bob"), CALLS[0] | {"messageId": "m"} | SERVER):
        take(shard, sent)
    assert isinstance(decode(shard.blobs["eve"]), Redirect)


@pytest.mark.parametrize("user_first", [True, False])
def test_a_known_user_is_not_taken_for_the_anonymous_visitor_that_has_its_name(user_first: bool) -> None:
    shard = ShardDriver(RULES)
    page = {"type": "page", "messageId": "1", "userId": "bob"}
    claim = {"type": "identify", "messageId": "2", "userId": "eve", "anonymousId": "bob"} | PUBLIC
    for call in (page, claim) if user_first else (claim, page):
        take(shard, call)
    take(shard, page | {"messageId": "3"})
    assert sum(shard.lead("bob").count) == 2
    assert sum(shard.lead("eve").count) == 0


def test_a_known_user_whom_others_became_is_not_taken_for_an_anonymous_visitor() -> None:
    shard = ShardDriver(RULES)
    take(shard, {"type": "identify", "messageId": "1", "userId": "bob", "anonymousId": "a"} | PUBLIC)
    take(shard, {"type": "identify", "messageId": "2", "userId": "eve", "anonymousId": "bob"} | PUBLIC)
    assert isinstance(decode(shard.blobs["bob"]), Lead)
    assert shard.tally["join_conflicts"] == 1


# Traits ----------------------------------------------------------------------------------------------------------


def identify(i: int, stamp: dict[str, Any], traits: dict[str, Any], at_ms: int = 0) -> dict[str, Any]:
    return {
        "type": "identify",
        "messageId": f"m{i}",
        "userId": "u",
        "timestamp": f"2026-11-22T00:{at_ms // 60_000:02d}:{at_ms // 1000 % 60:02d}.000Z",
        "traits": traits,
    } | stamp


@pytest.mark.parametrize("stamp", [SERVER, {}, {"leadglow": {"key": "news", "public": False}}])
@pytest.mark.parametrize("public_first", [True, False])
@pytest.mark.parametrize("public_at_ms", [0, 5000, 10_000])
def test_a_trait_of_a_public_key_gives_way_to_any_other_however_old(
    stamp: dict[str, Any], public_first: bool, public_at_ms: int
) -> None:
    public = identify(1, PUBLIC, {"title": "CEO", "city": "Rome"}, public_at_ms)
    calls = [public, identify(2, stamp, {"title": "Intern"}, 5000)]
    shard = ShardDriver(RULES)
    for call in calls if public_first else calls[::-1]:
        take(shard, call)
    assert shard.lead().trait_values() == {"title": "Intern", "city": "Rome"}


def test_of_public_traits_the_latest_counts_as_ever() -> None:
    shard = ShardDriver(RULES)
    for i, at_ms in enumerate((0, 9000, 5000)):
        take(shard, identify(i, PUBLIC, {"title": str(at_ms)}, at_ms))
    assert shard.lead().trait_values() == {"title": "9000"}


def test_traits_stored_before_there_were_keys_outrank_those_of_public_keys() -> None:
    lead = Lead(0)
    lead.traits = {"title": ["CTO", 5, "m"]}
    assert not set_trait(lead, "title", ["CEO", 9, "z", 1])
    assert set_trait(lead, "title", ["CFO", 6, "a"])


def some_identifies(chance: Random) -> list[dict[str, Any]]:
    return [
        identify(
            i,
            chance.choice((PUBLIC, PUBLIC, SERVER, {})),
            {name: chance.choice(("x", "y", 3)) for name in chance.sample(("title", "city", "plan"), 2)},
            chance.choice((0, 0, 1000, 60_000)),
        )
        | {"userId": chance.choice(("u", "u", "v")), "anonymousId": chance.choice(("a", "b"))}
        for i in range(chance.randint(1, 7))
    ]


@settings(max_examples=200)
@given(chances)
def test_law_1_holds_for_traits_of_all_keys_over_every_order_and_merge(chance: Random) -> None:
    calls = [call | {"userId": "u"} for call in some_identifies(chance)]
    ends = []
    for _ in range(3):
        chance.shuffle(calls)
        shard, waiting = ShardDriver(RULES), list(calls)
        for i, call in enumerate(waiting):  # some as the visitor that they were before they were known
            as_visitor = chance.random() < 0.5
            event = CODEC.decode_event(record(call, NOW_MS + i), call["anonymousId"] if as_visitor else "u")
            assert not isinstance(event, Reject)
            shard.take(event)
        for visitor in chance.sample(("a", "b"), 2):
            shard.take(Join(Identity(ANONYMOUS, visitor), Identity(USER, "u"), NOW_MS + 9))
        while shard.waiting:
            shard.deliver(chance.randint(0, 99))
        ends.append(shard.lead().traits)
    assert ends[0] == ends[1] == ends[2]


@settings(max_examples=200)
@given(chances)
def test_public_calls_leave_no_trace_on_traits_that_were_set_otherwise(chance: Random) -> None:
    calls = [call | {"userId": "u"} for call in some_identifies(chance)]
    chance.shuffle(calls)
    mixed, alone = ShardDriver(RULES), ShardDriver(RULES)
    for call in calls:
        take(mixed, call)
    for call in calls:
        if call.get("leadglow") != PUBLIC["leadglow"]:
            take(alone, call)
    trusted = alone.lead().traits if "u" in alone.blobs else {}
    assert {name: mixed.lead().traits[name] for name in trusted} == trusted


@pytest.mark.parametrize("public_first", [True, False])
def test_a_public_key_cannot_fill_a_lead_so_that_others_find_no_room(public_first: bool) -> None:
    public = identify(1, PUBLIC, {f"p{i:02}": "x" for i in range(100)})
    server = identify(2, SERVER, {f"s{i:02}": "x" for i in range(40)})
    shard = ShardDriver(RULES)
    for call in (public, server) if public_first else (server, public):
        take(shard, call)
    traits = shard.lead().trait_values()
    assert len(traits) == MAX_TRAITS
    assert {f"s{i:02}" for i in range(40)} <= set(traits)
    assert {f"p{i:02}" for i in range(24)} <= set(traits)
