"""The mixed workload of the benchmark has the shares that it is named for, and is the same every time."""

from __future__ import annotations

from collections import Counter

import orjson
import pytest

from streams.events.records import KIND_HEADER
from streams.scorefile import load_file
from tests.benchmarks import decayed, mixed

COUNT, END_MS = 20_000, 1_800_000_000_000


@pytest.fixture(scope="module")
def calls() -> list[dict]:  # type: ignore[type-arg]  # JSON
    return [orjson.loads(event.value) for event in mixed.events(COUNT, END_MS)]


def test_the_same_seed_gives_the_same_events() -> None:
    again, other = (list(mixed.events(500, END_MS, mixed.Traffic(seed))) for seed in (7, 8))
    assert list(mixed.events(500, END_MS)) == again != other


def test_shares_of_kinds(calls: list[dict]) -> None:  # type: ignore[type-arg]
    names = Counter(call.get("event", call["type"]) for call in calls)
    for name, percent in mixed.SHARES.items():
        assert names[name] / COUNT == pytest.approx(percent / 100, rel=0.15)
    pages = [call for call in calls if call["type"] == "page"]
    assert sum("context" in page for page in pages) / len(pages) == pytest.approx(0.15, rel=0.1)
    amounts = [call for call in calls if "revenue" in call.get("properties", {})]
    assert len(amounts) / COUNT == pytest.approx(0.03, rel=0.15)


def test_four_fifths_of_identifies_change_nothing(calls: list[dict]) -> None:  # type: ignore[type-arg]
    known: dict[str, object] = {}
    seen, changed = set(), 0
    identifies = [call for call in calls if call["type"] == "identify"]
    for call in identifies:
        changed += call["messageId"] not in seen and known.get(call["userId"]) != call["traits"]
        seen.add(call["messageId"])
        known[call["userId"]] = call["traits"]
    assert changed / len(identifies) == pytest.approx(0.2, rel=0.1)


def test_half_the_leads_are_anonymous_until_they_identify_themselves(calls: list[dict]) -> None:  # type: ignore[type-arg]
    first: dict[str, dict] = {}  # type: ignore[type-arg]
    for call in calls:
        if "properties" not in call or "email" not in call["properties"]:
            lead = (call.get("anonymousId") or call["userId"])[2:]
            first.setdefault(lead, call)
    begun = [call for call in first.values() if "anonymousId" in call]
    assert len(begun) / len(first) == pytest.approx(0.5, rel=0.1)
    assert all("userId" not in call or call["type"] == "identify" for call in begun)
    assert sum(call["type"] == "identify" for call in begun) / len(begun) < 0.2


def test_duplicates_and_late_events(calls: list[dict]) -> None:  # type: ignore[type-arg]
    traffic = mixed.Traffic()
    assert len(list(mixed.events(COUNT, END_MS, traffic))) == COUNT
    assert COUNT - len({call["messageId"] for call in calls}) == traffic.drawn["duplicate"]
    assert traffic.drawn["duplicate"] / COUNT == pytest.approx(0.02, rel=0.2)
    assert traffic.drawn["late"] / COUNT == pytest.approx(0.02, rel=0.2)


def test_intake_makes_joins_of_identifies() -> None:
    made = list(mixed.adapted(2000, END_MS))
    kinds = Counter(dict(headers).get(KIND_HEADER, b"") for _, headers in made)
    assert kinds[b""] == 2000
    assert kinds.keys() == {b"", b"join"}
    assert len(made) == kinds.total()


def test_peers_score_it_by_its_scorecard(calls: list[dict]) -> None:  # type: ignore[type-arg]
    model = decayed.Model(decayed.MIXED)
    points = Counter(call.get("event", call["type"]) for call in calls if model.points(call))
    assert points.keys() == mixed.SHARES.keys() - {"identify", "Heartbeat"} | {"page"}
    assert {signal.name for signal in load_file(decayed.MIXED).signals} >= set(decayed.SIGNALS.values()) - {
        "demo_request"
    }
