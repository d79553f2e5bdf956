"""A lead as JSON: what a program reads."""

from dataclasses import replace
from datetime import datetime
from math import log2
from pathlib import Path
from typing import Any

import pytest

from app import lead_lookup
from app.lead_views import describe_obstacle, lead_view, row_view
from streams.events.identities import email_id
from streams.scorefile import load_file
from streams.scoring.event import Identity
from streams.scoring.lead import Erased, Lead, Redirect
from streams.scoring.rules import Rules
from streams.scoring.stored import encode, encode_erased, encode_redirect
from streams.store.base import Commit
from streams.store.memory import MemoryStore
from streams.transport.topics import partition_of

MODEL = load_file(Path(__file__).parents[1] / "data/scorecards/golden.yaml")
RULES = Rules(MODEL)
NOON = 1_795_262_400_000
DAY = 86_400_000


def lead_of(**amounts: float) -> Lead:
    lead = Lead(NOON)
    for name, amount in amounts.items():
        rule = RULES.signals[name]
        lead.add(rule.id, rule.inverse_half_life, 0, amount)
    return lead


def card_of(lead: Lead, at_ms: int = NOON) -> dict[str, Any]:
    card: dict[str, Any] = lead_view("ana", lead, RULES, at_ms)["scorecards"]["default"]
    return card


def test_a_view_has_exactly_the_documented_keys() -> None:
    view = lead_view("ana", lead_of(download=1), RULES, NOON)

    assert " ".join(view) == "lead_id as_of first_seen_at last_seen_at forgotten_at aliases traits sales scorecards"
    assert " ".join(view["scorecards"]["default"]) == (
        "label shadow applies score exact grade stage stages not_entered stage_labels "
        "fit engagement categories category_labels parts next_change"
    )


def test_a_view_says_when_the_lead_will_be_forgotten() -> None:
    lead = lead_of()
    lead.last_seen = NOON

    assert lead_view("ana", lead, RULES, NOON)["forgotten_at"] == "2027-01-20T12:00:00.000Z"
    lead.known = True
    assert lead_view("ana", lead, RULES, NOON)["forgotten_at"] == "2027-12-26T12:00:00.000Z"
    assert lead_view("ana", lead, Rules(replace(MODEL, forget=None)), NOON)["forgotten_at"] is None


def test_times_are_rfc_3339_in_utc() -> None:
    assert lead_view("ana", lead_of(), RULES, NOON)["as_of"] == "2026-11-21T12:00:00.000Z"


def test_caps_are_parts_so_that_parts_sum_to_the_score() -> None:
    card = card_of(lead_of(demo_request=3, download=9))

    assert {"kind": "cap", "name": "intent", "points": -50.0} in card["parts"]
    assert sum(part["points"] for part in card["parts"]) == card["exact"] == 100.0


def test_a_capped_part_has_its_points_before_and_after_caps() -> None:
    parts = card_of(lead_of(product_depth=60, demo_request=2, page_view=1))["parts"]

    assert [(part["points"], part.get("after_caps")) for part in parts if part["kind"] == "signal"] == [
        (180, pytest.approx(70 * 15 / 95)), (80, pytest.approx(70 * 80 / 95)), (1, None),
    ]  # fmt: skip


def test_only_signals_have_an_amount() -> None:
    lead = lead_of(demo_request=3)
    lead.traits["title"] = ["CTO", NOON, "m"]

    assert [(p["kind"], "amount" in p) for p in card_of(lead)["parts"]] == [
        ("signal", True), ("cap", False), ("fit", False),
    ]  # fmt: skip


def test_the_next_change_is_where_the_score_falls_below_a_whole_point() -> None:
    change = card_of(lead_of(download=0.97))["next_change"]

    at_ms = datetime.fromisoformat(change["at"]).timestamp() * 1000
    assert change["to"] == 8
    assert at_ms == pytest.approx(NOON + 45 * DAY * log2(9.7 / 9), abs=2)


def test_a_score_that_never_fades_has_no_next_change() -> None:
    assert card_of(lead_of(unsubscribe=1))["next_change"] is None


def test_stages_are_those_at_the_requested_time() -> None:
    hot = lead_of(demo_request=1)

    assert card_of(hot)["stages"] == {"engaged": True, "qualified": False}
    assert card_of(lead_of(demo_request=1), NOON + 30 * DAY)["stage"] == "engaged"
    assert card_of(lead_of(demo_request=1), NOON + 61 * DAY)["stage"] is None


def test_a_lead_is_never_shown_before_its_own_clock() -> None:
    lead = lead_of(download=1)
    lead.clock = NOON + DAY

    assert lead_view("ana", lead, RULES, NOON)["as_of"] == "2026-11-22T12:00:00.000Z"


def test_a_row_agrees_with_the_whole_view() -> None:
    card = card_of(lead_of(demo_request=1), NOON + DAY)
    row = row_view("ana", lead_of(demo_request=1), RULES.cards[0], RULES, NOON + DAY)

    assert (row["lead_id"], row["scorecard"]) == ("ana", "default")
    for key in ("score", "exact", "grade", "stage", "fit", "engagement", "parts"):
        assert row[key] == card[key], key


# Finding leads ----------------------------------------------------------------------------------------------


async def store_with(partitions: int, **blobs: bytes) -> MemoryStore:
    store = MemoryStore()
    for lead_id, blob in blobs.items():
        partition = partition_of(lead_id, partitions)
        last = await store.control(partition)
        await store.commit(partition, Commit(last.version, last.step, f"s{lead_id}", {}, leads={lead_id: blob}))
    return store


async def test_a_chain_of_redirects_leads_to_the_lead() -> None:
    store = await store_with(
        8,
        a=encode_redirect(Redirect(Identity(0, "b"))),
        b=encode_redirect(Redirect(Identity(0, "c"))),
        c=encode(lead_of(download=1)),
    )

    found_id, state = await lead_lookup.find_lead(store, 8, "a")

    assert found_id == "c"
    assert isinstance(state, Lead)


async def test_a_ring_of_redirects_leads_to_no_lead() -> None:
    store = await store_with(
        8,
        a=encode_redirect(Redirect(Identity(0, "b"))),
        b=encode_redirect(Redirect(Identity(0, "a"))),
    )

    assert (await lead_lookup.find_lead(store, 8, "a"))[1] is None


async def test_an_address_leads_to_its_lead_unless_it_is_an_id_itself() -> None:
    store = await store_with(
        8,
        **{
            email_id("ana@a.example"): encode_redirect(Redirect(Identity(0, "ana"))),
            "ana": encode(lead_of(download=1)),
            email_id("ben@a.example"): encode(lead_of()),
            "cid@a.example": encode(lead_of()),
            email_id("cid@a.example"): encode(lead_of()),
        },
    )

    for said, lead_id in (
        (" Ana@A.example", "ana"),
        ("ben@a.example", email_id("ben@a.example")),
        ("cid@a.example", "cid@a.example"),
    ):
        found_id, state = await lead_lookup.find_by_id_or_email(store, 8, said)
        assert found_id == lead_id
        assert isinstance(state, Lead)
    assert await lead_lookup.find_by_id_or_email(store, 8, "dan@a.example") == ("dan@a.example", None)
    assert await lead_lookup.find_by_id_or_email(store, 8, "dan") == ("dan", None)


async def test_an_export_has_every_lead_and_nothing_else() -> None:
    store = await store_with(
        4,
        ana=encode(lead_of(download=1)),
        ben=encode(lead_of()),
        gone=encode_erased(Erased(NOON)),
        old=encode_redirect(Redirect(Identity(0, "ana"))),
    )

    assert sorted([lead_id async for lead_id, _ in lead_lookup.scan_leads(store, 4)]) == ["ana", "ben"]


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_the_ranking_of_all_shards_is_one_ranking(limit: int) -> None:
    scores = {f"lead-{i}": float(i % 7) for i in range(30)}
    store = MemoryStore()
    for partition in range(4):
        mine = {name: score for name, score in scores.items() if partition_of(name, 4) == partition}
        blobs: dict[str, bytes | None] = dict.fromkeys(mine, encode(lead_of()))
        ranks: dict[str, dict[str, float | None]] = {"default": dict(mine)}
        await store.commit(partition, Commit(0, "", "s", {}, leads=blobs, ranks=ranks))

    found = [lead_id for lead_id, _ in await lead_lookup.load_top(store, 4, "default", limit)]

    assert found == sorted(scores, key=lambda name: (-scores[name], name))[:limit]


def test_what_keeps_a_lead_out_of_a_stage_is_said() -> None:
    lead = lead_of(demo_request=2, unsubscribe=1)

    missing = card_of(lead)["not_entered"]
    assert list(missing) == ["qualified"]
    assert [describe_obstacle(each) for each in missing["qualified"]] == [
        "score 50.0 of 70", "fit 0.0 of 10", "blocked by unsubscribe since 2026-11-21",
    ]  # fmt: skip
