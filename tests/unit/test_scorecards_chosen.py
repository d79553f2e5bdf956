"""Commands take a scorecard file or a published version: by its number, by its first characters, or `published`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import chosen_scorecards, publish
from app.cli.root import build
from app.scorecards.publication import plan_rollback
from streams.exits import Exit
from streams.publishing.catalog import Catalog, NotFound
from streams.publishing.records import Publication, encode_item
from streams.scorefile import load
from streams.scoring.rules import LATENESS_MS, Rules
from tests.support.publications import Log
from tests.unit.test_scorecards_diff import CHANGED, FILE

FIRST, SECOND = (Rules(load(text)).version for text in (FILE, CHANGED))
Leadglow = Callable[..., Result]


def catalog_of(*versions: str) -> Catalog:
    found = Catalog(LATENESS_MS)
    for place, version in enumerate(versions):
        item = Publication(id=f"id-{place}", version=version, text="", author="tim", at_ms=place)
        found.add_records([SimpleNamespace(offset=2 * place, value=encode_item("scorecards", item, 0).value)])
    return found


# The catalog


def test_a_publication_is_found_by_its_number_and_a_version_by_its_beginning() -> None:
    catalog = catalog_of("aa11ff", "bb22ff", "aa11ff")
    assert [catalog.find(name).number for name in ("1", "2", "3", "aa", "bb22ff", "published")] == [1, 2, 3, 3, 2, 3]


def test_few_digits_are_a_number_and_never_the_beginning_of_a_version() -> None:
    with pytest.raises(NotFound, match="no version '12' was published; there are: 1 \\(123456ff\\)"):
        catalog_of("123456ff").find("12")
    assert catalog_of("123456ff").find("123456").number == 1


def test_an_ambiguous_beginning_is_refused_with_the_candidates() -> None:
    with pytest.raises(NotFound) as refused:
        catalog_of("aa11ff", "aa22ff", "bb22ff", "aa11ff").find("aa")
    assert str(refused.value) == (
        "2 versions begin with aa: 2 (aa22ff), 4 (aa11ff); give the number of one, or more characters"
    )


def test_going_back_to_a_number_undoes_only_what_followed_the_last_publication_of_its_version() -> None:
    async def read() -> Catalog:
        log = Log()
        for text in (FILE, CHANGED, FILE, CHANGED):
            await log.publish(text)
        async with log.open_topic() as topic:
            return topic.catalog

    catalog = asyncio.run(read())
    plan = plan_rollback(catalog, catalog.find("1"))
    assert plan is not None
    assert plan.undone == (catalog.find("4").place,)


# The commands


@pytest.fixture
def leadglow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Leadglow:
    """Run a command where a first and a second version are published, and both are files."""
    log = Log()
    for text in (FILE, CHANGED):
        asyncio.run(log.publish(text))

    @asynccontextmanager
    async def open_scorecards(settings: Any) -> AsyncIterator[Any]:
        async with log.open_topic() as topic:
            yield topic

    async def require_topic(settings: Any) -> None: ...

    for module in (chosen_scorecards, publish):
        monkeypatch.setattr(module, "open_scorecards", open_scorecards)
        monkeypatch.setattr(module, "require_topic", require_topic)
    (tmp_path / "old.yaml").write_text(FILE)
    (tmp_path / "other.yaml").write_text(FILE.replace("view: 1", "view: 2"))
    monkeypatch.chdir(tmp_path)
    return lambda *args: CliRunner().invoke(build(), args)


def test_diff_compares_files_and_versions(leadglow: Leadglow) -> None:
    for old, new in (("1", "2"), (FIRST[:8], "published"), ("old.yaml", SECOND)):
        report = json.loads(leadglow("scorecards", "diff", old, new, "--no-leads", "--json").stdout)
        assert (report["old_version"], report["new_version"]) == (FIRST, SECOND)


def test_a_file_that_is_named_like_a_version_is_the_file(leadglow: Leadglow, tmp_path: Path) -> None:
    (tmp_path / "2").write_text(FILE)
    report = json.loads(leadglow("scorecards", "diff", "2", "1", "--no-leads", "--json").stdout)
    assert (report["old_version"], report["new_version"]) == (FIRST, FIRST)


def test_list_has_the_number_that_the_others_take(leadglow: Leadglow) -> None:
    rows = leadglow("scorecards", "list").stdout.splitlines()
    assert [row.split()[:2] for row in rows] == [["no.", "version"], ["2", SECOND[:12]], ["1", FIRST[:12]]]
    listed = json.loads(leadglow("scorecards", "list", "--json").stdout)
    assert [(row["number"], row["version"], row["states"]) for row in listed] == [
        (2, SECOND, ["in use"]),
        (1, FIRST, []),
    ]
    for name in ("1", FIRST[:6], "old.yaml"):
        assert leadglow("scorecards", "show", name).stdout == FILE
    assert leadglow("scorecards", "show").stdout == CHANGED


def test_what_was_never_published_is_said(leadglow: Leadglow) -> None:
    unknown = leadglow("scorecards", "show", "7")
    assert unknown.exit_code == Exit.CHECK_FAILED
    assert "no version '7' was published; there are: 2 (" in unknown.stderr
    assert "other.yaml was never published" in leadglow("scorecards", "show", "other.yaml").stderr
    assert "no version 'missing.yaml' was published" in leadglow("scorecards", "show", "missing.yaml").stderr


def test_a_version_can_be_tried_tested_and_replayed(leadglow: Leadglow, tmp_path: Path) -> None:
    assert "Whole company" in leadglow("try", "1", "--generate", "50").stdout

    without = leadglow("scorecards", "test", "1")
    assert f"version 1 ({FIRST[:12]}) has no file with cases beside it" in without.stderr
    (tmp_path / "cases.yaml").write_text(
        "leadglow: 1\ncases:\n  - {name: One, events: [day 1 09:00: Asked], expect: [+0s: {score: 10}]}\n"
    )
    assert "1 passed" in leadglow("scorecards", "test", "1", "--cases", "cases.yaml").stdout

    event = {"type": "page", "messageId": "m", "userId": "ana", "timestamp": "2026-11-01T09:00:00Z"}
    (tmp_path / "events.jsonl").write_text(json.dumps(event))
    result = leadglow("backtest", "2", "--against", "1", "--input", "events.jsonl", "--json")
    assert result.exit_code == 0, result.output
