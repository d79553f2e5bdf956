"""``leadglow restore``: what it says and asks, without a server."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner, Result

from app.cli import restore
from app.cli.root import build
from app.log_gaps import ShardPlace
from app.settings import Settings
from streams.mismatch import REBUILD, REBUILD_AFTER
from streams.store.base import Control

GAP = ShardPlace(0, Control(3, "step", {"ckpt": b"5"}), 9, 20)
SOUND = ShardPlace(1, Control(3, "step", {"ckpt": b"15"}), 9, 20)
BEYOND = ShardPlace(1, Control(3, "step", {"ckpt": b"25"}), 9, 20)
EMPTY = ShardPlace(0, Control(), 0, 20, was_scored=True)


def restored(
    monkeypatch: pytest.MonkeyPatch, places: list[ShardPlace], *options: str, divided: dict[int, int] | None = None
) -> Result:
    async def read_places(settings: Settings) -> list[ShardPlace]:
        return [replace(each, divided=(divided or {}).get(each.partition, 0)) for each in places]

    monkeypatch.setattr(restore, "read_places", read_places)
    return CliRunner().invoke(build(), ["restore", *options])


def test_it_tells_that_everything_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = restored(monkeypatch, [SOUND])
    assert (shown.exit_code, shown.stdout.splitlines()[-1]) == (0, restore.CONTINUES)

    shown = restored(monkeypatch, [SOUND], "--json")
    assert len(json.loads(shown.stdout)["partitions"]) == 1
    assert shown.stderr == ""


@pytest.mark.parametrize(
    ("places", "status"), [([GAP, SOUND], 1), ([SOUND, BEYOND], 78), ([EMPTY], 78)], ids=("gap", "beyond", "empty")
)
def test_it_offers_only_a_rebuild_that_is_possible(
    places: list[ShardPlace], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = restored(monkeypatch, places)
    after = restored(monkeypatch, places, divided={each.partition: 12 for each in places})
    gone = restored(monkeypatch, places, divided={each.partition: each.first for each in places})

    assert [usual.exit_code, after.exit_code, gone.exit_code] == [status] * 3
    assert REBUILD in usual.stderr
    assert REBUILD_AFTER in after.stderr
    assert REBUILD in gone.stderr


@pytest.mark.parametrize("command", [("restore", "--accept-gap"), ("upgrade", "--finish")], ids=" ".join)
def test_no_question_is_asked_where_stdout_has_json(command: tuple[str, ...]) -> None:
    found = CliRunner().invoke(build(), [*command, "--json"])

    assert (found.exit_code, found.stdout) == (2, "")
    assert "--json needs --yes." in found.stderr
