"""How many ids of leads the events of a public key may name on a day."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.collector.inbound import Delivery, Inbound
from app.collector.keyring import PUBLIC_NEW_IDS, PUBLIC_RATE, Key, Keyring, parse_keys
from app.collector.metrics import Metrics
from app.collector.new_ids import BITS, MIN_BYTES, REFUSED, KnownIds, NewIds, ids_of
from app.collector.reception import EventSettings, Reception
from streams.events.identities import email_id
from streams.events.outgoing import Outgoing
from streams.units import DAY_MS

FILE = "leadglow_keys: 1\nkeys: [{{name: a, write_key: wk, origins: {origins}{more}}}]\n"
SEED = 7


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
    assert sum(ids.admit("a", (100, 10), "192.0.2.1", [f"v{i}"], 0) != REFUSED for i in range(50)) == 10
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


class Kept:
    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def write_records(self, records: Any) -> None:
        self.records += records


async def test_an_event_over_the_bound_is_rejected_with_its_bytes_and_the_others_are_taken() -> None:
    keys = Keyring([Key("a", True, any_origin=True, new_ids=(1, 1), write_key="w")])
    kept, metrics = Kept(), Metrics()
    watched: Any = type("Watched", (), {"value": keys})()
    reception = Reception(EventSettings("web", "mail", "rejected"), kept, watched, metrics)
    calls = [{"type": "page", "messageId": f"m{i}", "anonymousId": who} for i, who in enumerate("xyx")]
    await reception.accept_tracked("segment", Inbound("POST", "/v1/batch"), lambda _: Delivery(list(calls), [], "w"))
    assert [json.loads(each.value or b"")["anonymousId"] for each in kept.records if each.topic == "web"] == ["x", "x"]
    (reject,) = [each for each in kept.records if each.topic == "rejected"]
    assert json.loads(reject.value or b"") == calls[1]
    assert ("reason", b"too_many_ids") in reject.headers
    value = metrics.registry.get_sample_value
    assert value("leadglow_collector_new_ids_total", {"key": "a"}) == 1
    assert value("leadglow_collector_calls_rejected_total", {"reason": "too_many_ids"}) == 1
