"""The board's search index: what is found, in which order, by whom, and how it is kept up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from app.board import search_query
from app.board.filters import RANK, SEEN
from app.board.lead_columns import Entry, Standing
from app.board.search_index import SearchIndex
from app.board.search_query import Query, find_leads, match_of
from app.board.search_words import fold_text, has_words, join_words, parse_search, phone_words, split_words

CARD = "sales"
COMPANY = 1
INDUSTRY = 4


@pytest.fixture
def index() -> Iterator[SearchIndex]:
    made = SearchIndex(traits=("industry",))
    yield made
    made.close()


@pytest.fixture
def reader(index: SearchIndex) -> Iterator[sqlite3.Connection]:
    opened = index.open_reader()
    yield opened
    opened.close()


def entry(lead_id: str, place: float = 0.0, ids: str = "", more: str = "", **given: Any) -> Entry:
    columns = tuple(given.get(name) for name in ("name", "company", "owner", "campaign", "sales", "industry"))
    standing = Standing(given.get("card", CARD), place, given.get("stage"), given.get("entered_ms"))
    words = join_words(split_words(ids or lead_id)), join_words(split_words(more) + phone_words(given.get("phone", "")))
    return Entry(lead_id, given.get("seen_ms", 0), given.get("mail"), *words, columns, (standing,))


def write(index: SearchIndex, *entries: Entry) -> None:
    index.write_leads({each.lead_id: (each, 1) for each in entries})


def found(reader: sqlite3.Connection, query: Query, limit: int = 50) -> list[str]:
    """Everything that a query finds, read in pages."""
    lead_ids: list[str] = []
    after = None
    while True:
        result = find_leads(reader, query, after, limit)
        lead_ids += [each.lead_id for each in result.leads]
        after = result.after
        if after is None:
            return lead_ids


def searched(reader: sqlite3.Connection, text: str, **more: Any) -> list[str]:
    return found(reader, Query(CARD, parse_search(text), **more))


# Words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("José Núñez-Øst", ["jose", "nunez", "ost"]),
        ("Straße \uff21\uff22\uff23", ["strasse", "abc"]),
        ("ana.lima@acme.example", ["ana", "lima", "acme", "example"]),
        ("u-42_x", ["u", "42", "x"]),
        ("Łódź Đorđe Æther", ["lodz", "dorde", "aether"]),
        ("株式会社 東京", ["株式会社", "東京"]),
        ("… ''\"", []),
    ],
)
def test_words_have_no_accents_and_no_case(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize(
    "written", ["+49 (0)30 123-4567", "0049 30 1234567", "030/123 45 67", "1234567", "(030) 1234567", "4930123"]
)
def test_a_telephone_number_is_found_however_it_is_written(written: str) -> None:
    assert has_words([join_words(phone_words("+49 30 1234567"))], parse_search(written))


def test_another_telephone_number_is_not_found() -> None:
    assert not has_words([join_words(phone_words("+49 30 1234567"))], parse_search("030 1234568"))


def test_a_folded_text_has_single_spaces() -> None:
    assert fold_text("  Acme \t GmbH ") == "acme gmbh"


# Searching


@pytest.mark.parametrize(
    "text", ["ana", "lima ana", "LIM", "ána acme", "acme.example", "ana@acme.example", "u-42", "42", "a l", "gruppe ü"]
)
def test_a_search_finds_words_by_their_beginnings_in_any_order(
    index: SearchIndex, reader: sqlite3.Connection, text: str
) -> None:
    write(index, entry("u-42", more="Ana Lima Über-Gruppe ana@acme.example"), entry("u-43", more="Ben Roth"))

    assert searched(reader, text) == ["u-42"]


@pytest.mark.parametrize("text", ["nobody", "na", "ana roth", "imaginary"])
def test_a_search_finds_no_middle_of_a_word_and_no_other_lead(
    index: SearchIndex, reader: sqlite3.Connection, text: str
) -> None:
    write(index, entry("u-42", more="Ana Lima"), entry("u-43", more="Ben Roth"))

    assert searched(reader, text) == []


def test_a_search_for_ids_only_does_not_look_at_other_words(index: SearchIndex, reader: sqlite3.Connection) -> None:
    write(index, entry("u-42", more="secret 4711"), entry("secret-7"))

    assert searched(reader, "secret", only_ids=True) == ["secret-7"]
    assert searched(reader, "4711", only_ids=True) == []


def test_a_changed_lead_is_found_by_its_new_words_only(index: SearchIndex, reader: sqlite3.Connection) -> None:
    write(index, entry("u-1", more="Ana Lima"))
    write(index, entry("u-1", more="Ana Roth"))

    assert (searched(reader, "roth"), searched(reader, "lima")) == (["u-1"], [])


def test_a_removed_lead_is_not_found(index: SearchIndex, reader: sqlite3.Connection) -> None:
    write(index, entry("u-1", more="Ana Lima"), entry("u-2", more="Ana Roth"))
    index.write_leads({"u-1": None, "unknown": None})

    assert searched(reader, "ana") == ["u-2"]
    assert index.count_leads() == 1
    assert index.find_versions(["u-1", "u-2"]) == {"u-2": 1}


def test_prefixes_of_the_index_are_used_and_single_letters_are_checked_later() -> None:
    assert match_of(Query(CARD, (("a", "ab", "abcd", "abcdefg"),))) == '("ab"* AND "abc"* AND "abcde"*)'
    assert match_of(Query(CARD, (("a",),), only_ids=True)) == 'ids : (("a"*))'
    assert match_of(Query(CARD)) is None


# Order and filters, against the same by a plain sort


def _everybody(count: int) -> list[Entry]:
    random = Random(7)
    return [
        entry(
            f"lead-{i}",
            random.randrange(200) / 2,
            more=f"{random.choice(['Ana', 'Ben', 'Eva'])} {random.choice(['Lima', 'Roth'])} word{i}",
            company=random.choice([None, "acme", "zett", "mid"]),
            seen_ms=random.randrange(40),
            stage=random.choice([None, "warm", "hot"]),
            entered_ms=random.randrange(40),
            card=random.choice([CARD, CARD, "plants"]),
        )
        for i in range(count)
    ]


def _expected(everybody: list[Entry], query: Query) -> list[str]:
    def is_wanted(each: Entry) -> bool:
        (standing,) = each.standings
        return (
            standing.scorecard == query.card
            and (not query.words or has_words([each.ids, each.more], query.words))
            and all(each.columns[column] == value for column, value in query.equals)
            and (query.seen_from_ms is None or each.seen_ms >= query.seen_from_ms)
            and (query.stage is None or standing.stage == query.stage)
            and (query.entered_from_ms is None or (standing.entered_ms or 0) > query.entered_from_ms)
        )

    def key_of(each: Entry) -> Any:
        if isinstance(query.sort, int):
            return each.columns[query.sort]
        return each.standings[0].place if query.sort == RANK else each.seen_ms

    numbered = [(key_of(each), i, each.lead_id) for i, each in enumerate(everybody) if is_wanted(each)]
    with_value = sorted((each for each in numbered if each[0] is not None), reverse=query.down)
    without = sorted(((i, lead_id) for key, i, lead_id in numbered if key is None), reverse=query.down)
    return [lead_id for _, _, lead_id in with_value] + [lead_id for _, lead_id in without]


QUERIES = [
    Query(CARD),
    Query(CARD, down=False),
    Query(CARD, sort=SEEN),
    Query(CARD, sort=COMPANY, down=False),
    Query(CARD, sort=COMPANY),
    Query(CARD, parse_search("ana li")),
    Query(CARD, parse_search("ana"), sort=COMPANY, down=False),
    Query(CARD, parse_search("word17")),
    Query(CARD, equals=((COMPANY, "acme"),)),
    Query(CARD, equals=((COMPANY, "acme"),), sort=COMPANY),
    Query(CARD, stage="hot"),
    Query(CARD, stage="hot", sort=COMPANY, down=False),
    Query(CARD, entered_from_ms=30),
    Query(CARD, seen_from_ms=35),
    Query(CARD, seen_from_ms=35, sort=INDUSTRY, down=False),
    Query(CARD, parse_search("ana"), equals=((COMPANY, "zett"),), stage="warm", seen_from_ms=5, sort=SEEN, down=False),
]


@pytest.mark.parametrize(("walk", "few"), [(5, 0), (40, 20), (20_000, 5000)])
@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_pages_make_up_what_a_plain_sort_gives(
    index: SearchIndex, reader: sqlite3.Connection, query: Query, walk: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_query, "WALK", walk)
    monkeypatch.setattr(search_query, "FEW", few)
    everybody = _everybody(200)
    write(index, *everybody)

    assert found(reader, query, limit=7) == _expected(everybody, query)


def test_a_query_without_time_goes_on_from_where_it_stopped(
    index: SearchIndex, reader: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_query, "WALK", 20)
    monkeypatch.setattr(search_query, "_sort_rest", lambda *given: None)
    everybody = _everybody(200)
    write(index, *everybody)
    query = Query(CARD, parse_search("word17"))

    first = find_leads(reader, query, None, 7)

    assert (len(first.leads) < 7, first.looked, first.after is None) == (True, 20, False)
    assert found(reader, query, limit=7) == _expected(everybody, query)


def test_the_folder_is_removed_also_that_of_a_board_that_was_killed(tmp_path: Any) -> None:
    abandoned = tmp_path / "leadglow-index-999999999-x"
    abandoned.mkdir()
    made = SearchIndex(tmp_path)
    assert not abandoned.exists()
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    made.close()
    assert list(tmp_path.iterdir()) == []
