"""Which format is written, and which systems are refused."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from app.agreed import Agreed
from app.cli import upgrade
from app.cli.errors import CommandError
from app.cli.root import build
from app.group_members import Member
from app.settings import Settings
from streams.mismatch import Mismatch
from streams.store.format import FORMAT, NAME, OLDEST, SystemFormat, begin_format, client_of, format_of
from streams.store.memory import MemoryStore

OLD = Member("faust-0.11.3", "/10.0.0.1", {})
NEW = Member(client_of("0.2.0"), "10.0.0.2", {})


async def test_a_system_of_the_release_before_keeps_its_format_until_it_is_told() -> None:
    store = MemoryStore()
    await store.meta("partitions", "4")
    await begin_format(store)
    written = SystemFormat(store)
    await written.refresh()
    assert (await store.meta(NAME), written.written) == ("", 1)

    await store.replace_meta(NAME, "", str(FORMAT))
    await written.refresh()
    assert written.written == FORMAT


async def test_a_new_system_begins_with_the_newest_format() -> None:
    store = MemoryStore()
    await begin_format(store)
    assert await store.meta(NAME) == str(FORMAT)


@pytest.mark.parametrize(
    ("noted", "remedy"), [(FORMAT + 1, "run the newer release"), (OLDEST - 1, "one after another")]
)
async def test_a_system_that_this_release_cannot_read_is_refused(noted: int, remedy: str) -> None:
    store = MemoryStore()
    await store.meta(NAME, str(noted))
    with pytest.raises(Mismatch, match=remedy):
        await SystemFormat(store).refresh()


def test_a_worker_names_its_format_in_characters_that_kafka_allows() -> None:
    client = client_of("0.1.0")
    assert format_of(client) == format_of(f"{client}-{uuid4()}") == FORMAT
    assert re.fullmatch(r"[a-zA-Z0-9._-]+", client)
    assert format_of("faust-0.11.3") == 1


def finish(monkeypatch: pytest.MonkeyPatch, noted: str, *workers: Member, shards: int | None = 4) -> Any:
    """Run ``leadglow upgrade --finish`` where this is noted and these workers run."""

    async def read(settings: Settings) -> tuple[Agreed, list[Member]]:
        return Agreed(shards, "", noted), list(workers)

    async def write(settings: Settings, before: str) -> int:
        assert shards is not None, "nothing may be written without state"
        return FORMAT

    monkeypatch.setattr(upgrade, "_read_formats", read)
    monkeypatch.setattr(upgrade, "_finish", write)
    return CliRunner().invoke(build(["upgrade"]), ["upgrade", "--finish", "--json", "--yes"])


def test_an_upgrade_is_not_finished_while_a_worker_of_the_release_before_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    result = finish(monkeypatch, "1", NEW, OLD)
    assert result.exit_code == 1
    assert "faust-0.11.3 on" in result.stderr
    assert json.loads(result.stdout)["workers"][1]["format"] == 1


@pytest.mark.parametrize(("noted", "said"), [("1", f"uses format {FORMAT}"), (str(FORMAT), "nothing to finish")])
def test_an_upgrade_is_finished_once(monkeypatch: pytest.MonkeyPatch, noted: str, said: str) -> None:
    result = finish(monkeypatch, noted, NEW)
    assert result.exit_code == 0
    assert said in result.stderr


async def finish_after(monkeypatch: pytest.MonkeyPatch, store: MemoryStore, *workers: Member) -> int:
    """Note the format where nothing was noted and no worker ran when somebody was asked."""

    async def read(settings: Settings) -> tuple[Agreed, list[Member]]:
        return Agreed(4, "", ""), list(workers)

    @asynccontextmanager
    async def open_store(settings: Settings) -> AsyncIterator[MemoryStore]:
        yield store

    monkeypatch.setattr(upgrade, "_read_formats", read)
    monkeypatch.setattr(upgrade, "open_store", open_store)
    return await upgrade._finish(Settings(), "")


async def test_an_upgrade_is_not_finished_if_a_worker_of_the_release_before_started_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(CommandError, match=r"faust-0\.11\.3 on"):
        await finish_after(monkeypatch, store := MemoryStore(), NEW, OLD)
    assert await store.meta(NAME) == ""
    assert await finish_after(monkeypatch, store, NEW) == FORMAT


async def test_a_format_that_another_release_noted_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    await store.meta(NAME, str(FORMAT + 1))

    assert await finish_after(monkeypatch, store) == FORMAT + 1
    assert await store.meta(NAME) == str(FORMAT + 1)


def test_an_upgrade_of_nothing_asks_for_the_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    result = finish(monkeypatch, "", shards=None)
    assert result.exit_code == 78
    assert "is LEADGLOW_NAMESPACE right?" in result.stderr

    looked, as_json = (CliRunner().invoke(build(["upgrade"]), ["upgrade", *args]) for args in ((), ("--json",)))
    assert looked.exit_code == 0
    assert "is LEADGLOW_NAMESPACE right?" in looked.stdout
    assert "uses format" not in looked.stdout
    assert json.loads(as_json.stdout)["format"] is None
