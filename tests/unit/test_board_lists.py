"""Lists of leads by the search index over real sockets: filters, order, roles, and how changes get there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from app.board import ranking
from app.board.indexer import Indexer
from app.board.routing import BASE
from streams.clock import now_ms
from streams.scoring.event import USER, Identity
from streams.scoring.lead import Erased, Redirect
from streams.scoring.rules import Rules
from streams.scoring.scorecard import FitLine, Model, Points, Scorecard, Signal, Stage
from streams.scoring.scorecard import Test as Where
from streams.scoring.stored import encode_erased, encode_redirect
from streams.scoring.verdicts import OWNER, REJECTED, SalesCall
from streams.shard.alert import rfc3339
from streams.store.base import Commit, Verdict
from streams.transport.topics import partition_of
from streams.units import DAY_MS
from tests.properties.strategies import Fact
from tests.support.board_in_memory import ACCESS, ANA, BEN, PARTITIONS, TOPICS, Running, Shards, board_on, kafka_record

pytestmark = pytest.mark.asyncio

RULES = Rules(
    Model(
        (Signal("order", ("Ordered",)),),
        (
            Scorecard("sales", {"order": Points(30.0)}, stages=(Stage("warm", 20.0, 10.0), Stage("hot", 50.0, 40.0))),
            Scorecard(
                "plants",
                {"order": Points(1.0)},
                applies_to=Where("industry", "equals", "plants"),
                fit=(FitLine("title", Where("title", "equals", "CTO"), 20.0),),
            ),
        ),
    )
)
NOW = now_ms() - 60_000
OLD = NOW - 20 * DAY_MS


def traits_of(lead_id: str, at: int, **traits: Any) -> tuple[str, Fact]:
    return lead_id, Fact("identify", f"i-{lead_id}-{at}", at, traits=traits)


def ordered(lead_id: str, at: int, campaign: str | None = None) -> tuple[str, Fact]:
    touch = None if campaign is None else ("google", "cpc", campaign)
    return lead_id, Fact("Ordered", f"o-{lead_id}-{at}", at, touch=touch)


@pytest.fixture(autouse=True)
def _every_request_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "FRESH_S", -1.0)


async def people() -> Shards:
    """Three leads: Ana is hot, Zoë warm, Ben cold and seen last long ago."""
    return await Shards(RULES).take(
        traits_of(
            "u-ana", NOW - 5, name="Ana Núñez", email="ana@acme.example", company="Acme", owner="Olga",
            industry="plants", phone="+49 30 1234567",
        ),
        ordered("u-ana", NOW - 4, "spring"),
        ordered("u-ana", NOW - 3, "spring"),
        traits_of("u-zoe", NOW - 2, name="Zoë Lima", email="zoe@zett.example", company="Zett", owner="olga"),
        ordered("u-zoe", NOW - 1, "autumn"),
        traits_of("u-ben", OLD, first_name="Ben", last_name="Roth", email="ben@acme.example"),
        traits_of("eve@pii.example", OLD - 5, company="Acme"),
    )  # fmt: skip


@pytest_asyncio.fixture
async def board() -> AsyncIterator[Running]:
    async with board_on(await people(), ACCESS) as running:
        yield running


async def listed(board: Running, query: str, token: str = ANA) -> list[str]:
    answer = await board.get(f"{BASE}/leads?{query}", token)
    assert answer.status == 200, answer.body
    return [row["lead_id"] for row in answer.json["leads"]]


LISTS: list[tuple[str, list[str]]] = [
    ("q=nunez", ["u-ana"]),
    ("q=lim%20zo", ["u-zoe"]),
    ("q=acme", ["u-ana", "u-ben", "eve@pii.example"]),
    ("q=030%201234567", ["u-ana"]),
    ("q=roth%20ben", ["u-ben"]),
    ("q=pii.example", ["eve@pii.example"]),
    ("q=BEN@acme.example", ["u-ben"]),
    ("q=", ["u-ana", "u-zoe", "u-ben", "eve@pii.example"]),
    ("q=!!", ["u-ana", "u-zoe", "u-ben", "eve@pii.example"]),
    ("company=ACME", ["u-ana", "eve@pii.example"]),
    ("owner=olga", ["u-ana", "u-zoe"]),
    ("campaign=spring", ["u-ana"]),
    ("trait.industry=Plants", ["u-ana"]),
    ("seen=7d", ["u-ana", "u-zoe"]),
    ("unseen=7d", ["u-ben", "eve@pii.example"]),
    ("sort=-rank", ["eve@pii.example", "u-ben", "u-zoe", "u-ana"]),
    ("sort=seen", ["u-zoe", "u-ana", "u-ben", "eve@pii.example"]),
    ("sort=name", ["u-ana", "u-ben", "eve@pii.example", "u-zoe"]),
    ("sort=-company&q=u", ["u-zoe", "u-ana", "u-ben"]),
    ("owner=Olga&stage=warm", ["u-zoe"]),
    ("owner=Olga&channel=google&sort=-seen", ["u-ana", "u-zoe"]),
    ("scorecard=plants&q=acme", ["u-ana"]),
]


async def test_lists_are_filtered_and_sorted(board: Running) -> None:
    for query, expected in LISTS:
        assert await listed(board, query) == expected, query


async def test_new_leads_are_those_that_entered_their_stage_since(board: Running) -> None:
    assert await listed(board, f"new_since={quote(rfc3339(NOW - 2))}") == ["u-zoe"]
    assert await listed(board, f"new_since={quote(rfc3339(NOW - 10))}") == ["u-ana", "u-zoe"]
    assert await listed(board, f"new_since={quote(rfc3339(NOW))}") == []


async def test_rows_have_the_columns_that_were_asked_for(board: Running) -> None:
    rows = (await board.get(f"{BASE}/leads?columns=owner,trait.industry&limit=2", ANA)).json["leads"]
    assert [row["columns"] for row in rows] == [
        {"owner": "Olga", "trait.industry": "plants"},
        {"owner": "olga", "trait.industry": None},
    ]
    (row,) = (await board.get(f"{BASE}/leads?columns=campaign&q=u-ana", BEN)).json["leads"]
    assert row["columns"] == {"campaign": "spring"}


async def test_lists_know_the_owner_whom_sales_assigned_and_their_state() -> None:
    said = [SalesCall(OWNER, "Paul", ""), SalesCall(REJECTED, "no budget", "")]
    facts = [("u-zoe", Fact("", f"s-{i}", NOW + i, verdict=each)) for i, each in enumerate(said)]
    async with board_on(await (await people()).take(*facts), ACCESS) as board:
        assert await listed(board, "owner=paul") == ["u-zoe"]
        assert await listed(board, "owner=olga") == ["u-ana"]
        assert await listed(board, "sales=Rejected", BEN) == ["u-zoe"]
        assert await listed(board, "q=new") == []
        (row,) = (await board.get(f"{BASE}/leads?columns=owner,sales&q=lima", ANA)).json["leads"]
        assert row["columns"] == {"owner": "Paul", "sales": "rejected"}


@pytest.mark.parametrize("limit", [1, 3])
async def test_pages_of_a_sorted_list_go_on(board: Running, limit: int) -> None:
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        page = (await board.get(f"{BASE}/leads?sort=company&limit={limit}&cursor={cursor}", ANA)).json
        found += [row["lead_id"] for row in page["leads"]]
        cursor = page["next"]
    assert found == ["u-ana", "eve@pii.example", "u-zoe", "u-ben"]


async def test_a_cursor_of_another_board_repeats_leads_rather_than_missing_some() -> None:
    async with board_on(await people(), ACCESS) as one, board_on(await people(), ACCESS) as other:
        page = (await one.get(f"{BASE}/leads?sort=company&limit=1", ANA)).json
        rest = await listed(other, f"sort=company&cursor={page['next']}")
        assert set(rest) >= {"eve@pii.example", "u-zoe", "u-ben"}
        answer = await other.get(f"{BASE}/leads?sort=name&cursor={page['next']}", ANA)
        assert (answer.status, answer.json["code"]) == (400, "bad_cursor")


REFUSED = [
    ("sort=height", ANA, 400, "unknown_sort"),
    ("trait.height=2", ANA, 400, "unknown_column"),
    ("columns=height", ANA, 400, "unknown_column"),
    ("seen=soon", ANA, 400, "bad_duration"),
    ("new_since=soon", ANA, 400, "bad_time"),
    ("company=acme", BEN, 403, "hidden_column"),
    ("trait.industry=plants", BEN, 403, "hidden_column"),
    ("sort=name", BEN, 403, "hidden_column"),
    ("columns=owner", BEN, 403, "hidden_column"),
]


async def test_a_wrong_or_hidden_filter_is_refused(board: Running) -> None:
    for query, token, status, code in REFUSED:
        answer = await board.get(f"{BASE}/leads?{query}", token)
        assert (answer.status, answer.json["code"]) == (status, code), query


SECRETS = ("nunez", "acme", "zoe@zett.example", "example", "1234567", "olga", "plants", "eve", "pii", "eve@pii.example")


async def test_a_viewer_finds_nobody_by_what_the_role_does_not_show(board: Running) -> None:
    for text in SECRETS:
        for more in ("", "&sort=seen", "&stage=hot", "&new_since=2020-01-01"):
            assert await listed(board, f"q={quote(text)}{more}", BEN) == [], text
        assert await listed(board, f"q={quote(text)}") != [], text


async def test_a_viewer_searches_ids_and_masked_ids(board: Running) -> None:
    assert await listed(board, "q=zoe", BEN) == ["u-zoe"]
    hidden = (await board.get(f"{BASE}/leads?unseen=7d", BEN)).json["leads"][-1]["lead_id"]
    assert hidden.startswith("hidden.")
    assert await listed(board, f"q={hidden}", BEN) == [hidden]


async def test_a_viewer_is_not_told_of_an_address_used_as_a_campaign() -> None:
    shards = await (await people()).take(ordered("u-zoe", NOW, "leak@pii.example"))
    async with board_on(shards, ACCESS) as board:
        assert await listed(board, "campaign=leak@pii.example") == ["u-zoe"]
        assert await listed(board, "campaign=leak@pii.example", BEN) == []


# How changes get to the index


async def changed(board: Running) -> Indexer:
    """The indexer after it has written all changes that it knows of."""
    indexer = board.service.search.indexer
    while indexer.waiting:
        await indexer.take_changes()
    return indexer


async def replace_state(shards: Shards, lead_id: str, blob: bytes | None) -> None:
    """Replace a lead as a worker would that merges or erases it."""
    partition = partition_of(lead_id, PARTITIONS)
    control = await shards.store.control(partition)
    commit = Commit(control.version, control.step, "another", dict(control.fields), {lead_id: blob})
    assert await shards.store.commit(partition, commit) is Verdict.OK


async def test_a_published_score_brings_a_lead_up_to_date_in_the_index() -> None:
    shards = await people()
    async with board_on(shards, ACCESS) as board:
        await shards.take(traits_of("u-ben", NOW, company="Zett"), ordered("u-new", NOW))
        assert await listed(board, "company=zett") == ["u-zoe"]

        for lead_id in ("u-ben", "u-new"):
            value = b'{"lead_id":"%s","scorecard":"sales"}' % lead_id.encode()
            board.tails.take_records(TOPICS.lead_scores, [kafka_record(value, lead_id.encode())])
        await changed(board)

        assert await listed(board, "company=zett") == ["u-zoe", "u-ben"]
        assert await listed(board, "q=new") == ["u-new"]


async def test_changes_that_move_no_score_are_found_when_all_leads_are_compared() -> None:
    shards = await people()
    async with board_on(shards, ACCESS) as board:
        await shards.take(traits_of("u-ben", NOW, company="Zett"))
        indexer = board.service.search.indexer

        await indexer.compare_all(0.0)

        assert indexer.waiting == 1
        await changed(board)
        assert await listed(board, "company=zett") == ["u-zoe", "u-ben"]
        await indexer.compare_all(0.0)
        assert indexer.waiting == 0


async def test_a_forgotten_lead_whose_change_was_dropped_leaves_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many can be forgotten at once, more than may wait."""
    shards = await people()
    async with board_on(shards, ACCESS) as board:
        indexer = board.service.search.indexer
        known = indexer.index.count_leads()
        await replace_state(shards, "u-ana", None)
        with monkeypatch.context() as patched:
            patched.setattr("app.board.indexer.MAX_CHANGED", 0)
            indexer.note_change("u-ana")
        assert indexer.waiting == 0

        await indexer.compare_all(0.0)
        await changed(board)

        assert indexer.index.count_leads() == known - 1


async def test_other_scorecards_give_every_lead_another_place() -> None:
    shards = await people()
    async with board_on(shards, ACCESS) as board:
        assert await listed(board, "scorecard=plants&sort=seen") == ["u-ana"]
        shards.rules = Rules(Model(RULES.model.signals, (Scorecard("plants", {"order": Points(1.0)}),), "another"))

        await board.service.search.indexer.compare_all(0.0)
        await changed(board)

        assert await listed(board, "scorecard=plants&sort=seen") == ["u-zoe", "u-ana", "u-ben", "eve@pii.example"]


async def test_an_erased_or_merged_lead_is_not_listed_even_before_the_index_knows() -> None:
    shards = await people()
    async with board_on(shards, ACCESS) as board:
        await replace_state(shards, "u-ana", encode_erased(Erased(NOW)))
        await replace_state(shards, "u-ben", encode_redirect(Redirect(Identity(USER, "u-zoe"))))

        assert await listed(board, "q=acme") == ["eve@pii.example"]
        assert await listed(board, "q=u-ben") == ["u-zoe"]  # by its id, the one that it was merged into
        assert board.service.search.indexer.waiting > 0
        await changed(board)
        assert board.service.search.indexer.index.count_leads() == 2


async def test_the_answer_says_how_many_leads_are_searched_yet() -> None:
    async with board_on(await people(), ACCESS, is_indexed=False) as board:
        page = (await board.get(f"{BASE}/leads?q=u-ben", ANA)).json
        assert page["indexing"] == {"done": 0, "of": 0}
        assert [row["lead_id"] for row in page["leads"]] == ["u-ben"]  # by its id, from the shard
        assert await listed(board, "q=acme") == []

        await board.service.search.indexer.build()

        page = (await board.get(f"{BASE}/leads?q=acme", ANA)).json
        assert "indexing" not in page
        assert len(page["leads"]) == 3
