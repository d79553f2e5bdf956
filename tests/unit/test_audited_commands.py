"""What commands write to the audit log, whether they succeed or not."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final, NamedTuple

import pytest
from typer.testing import CliRunner

from app.agreed import Agreed
from app.cli import erase, leads, notify, publish, rebuild, repartition, restore, topics, upgrade
from app.cli.audit import noted
from app.cli.errors import CommandError
from app.cli.root import build
from app.log_gaps import ShardPlace
from app.settings import Settings
from streams.exits import Exit
from streams.store.base import Commit, Control, Verdict
from streams.store.memory import MemoryStore

NOWHERE: Final = {"LEADGLOW_KAFKA": "127.0.0.1:1", "LEADGLOW_REDIS": "redis://127.0.0.1:1"}
ROUTES: Final = """
leadglow_routes: 1
destinations: {crm: {webhook: {url: "https://crm.example/"}}}
routes: [{name: all, to: crm}]
"""
GAPS: Final = [ShardPlace(number, Control(3, "step", {"ckpt": b"5"}), 9, 20) for number in (0, 1)]


class Change(NamedTuple):
    """A command that changes something."""

    command: str
    module: ModuleType
    write: str
    """The function that writes."""
    action: str
    answer: Any = None
    """What the function returns."""


CHANGES: Final = [
    Change("erase ana --yes", erase, "_erase", "erase"),
    Change("leads export", leads, "_export", "export"),
    Change("notify replay --route all", notify, "_replay", "replay", (2, 0)),
    Change("scorecards publish scorecards.yaml --yes", publish, "open_writer", "publish"),
    Change("scorecards rollback 1 --yes", publish, "open_writer", "publish"),
    Change("scorecards rollback 2 --yes", publish, "open_writer", "publish"),  # finishes what was interrupted
    Change("rebuild --yes", rebuild, "_rebuild", "rebuild"),
    Change("repartition --to 8 --yes", repartition, "_run", "repartition", 5),
    Change("repartition --cancel", repartition, "_cancel", "repartition", (4, 4)),
    Change("restore --accept-gap --yes", restore, "_accept", "accept_gap"),
    Change("topics create --update", topics, "_create", "update_topics", []),
    Change("upgrade --finish --yes", upgrade, "_finish", "upgrade", 2),
]
SHOWS: Final = ["leads top", "lead show ana", "lead activity ana"]


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def returning(value: Any) -> Callable[..., Any]:
    async def answer(*asked: object, **more: object) -> Any:
        return value

    return answer


def published(place: int) -> Any:
    item = SimpleNamespace(version=f"v{place}")
    return SimpleNamespace(place=place, number=place + 1, version=item.version, title=item.version, item=item)


@asynccontextmanager
async def opened(*asked: object) -> AsyncIterator[Any]:
    """The topic of scorecards with two publications, of which the second is not on all partitions."""
    latest = published(1)
    yield SimpleNamespace(catalog=SimpleNamespace(latest=latest, latest_place=1, unfinished=lambda: [latest]))


class Writer:
    """Publishes nothing."""

    async def __aenter__(self) -> Writer:
        return self

    async def __aexit__(self, *reason: object) -> None:
        """Nothing was opened."""

    async def publish(self, *asked: object) -> None:
        """Publish nothing."""

    async def finish(self) -> None:
        """Finish nothing."""


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A system where each command has something to do, and nobody writes."""
    back = SimpleNamespace(undone=(), latest=published(1), scorecards=published(0))
    answers: dict[ModuleType, dict[str, Any]] = {
        erase: {"_find_ids": ["ana", "ben"]},
        publish: {"require_lead_events": None, "require_topic": None, "_confirm_plan": 0},
        rebuild: {"read_ends": SimpleNamespace(first={}, end={}), "_find_begin": {}},
        repartition: {
            "_read_preview": SimpleNamespace(step="", workers=0, leads=7),
            "_choose_old": (4, None),
        },
        restore: {"read_places": GAPS},
        upgrade: {"_read_formats": (Agreed(4, "", ""), [])},
    }
    for module, functions in answers.items():
        for name, value in functions.items():
            monkeypatch.setattr(module, name, returning(value))
    monkeypatch.setattr(publish, "open_scorecards", opened)
    monkeypatch.setattr(publish, "open_store", opened)
    monkeypatch.setattr(publish, "find_published", lambda settings, catalog, number: published(int(number) - 1))
    monkeypatch.setattr(publish, "plan_publication", lambda *asked: None)
    monkeypatch.setattr(publish, "plan_rollback", lambda catalog, target: back if target.place == 0 else None)
    monkeypatch.setattr(repartition, "_lines", lambda found: [])
    (routes := tmp_path / "routes.yaml").write_text(ROUTES)
    return NOWHERE | {"LEADGLOW_AUDIT_LOG": str(tmp_path / "audit.jsonl"), "LEADGLOW_NOTIFY_ROUTES": str(routes)}


@pytest.mark.parametrize("command", [*(each.command for each in CHANGES), *SHOWS])
def test_a_command_does_nothing_that_it_could_not_note(command: str, env: dict[str, str], tmp_path: Path) -> None:
    nowhere = {"LEADGLOW_AUDIT_LOG": str(tmp_path / "none" / "a.log")}
    result = CliRunner().invoke(build(), command.split(), env=env | nowhere)

    assert result.exit_code == 78
    assert "a.log cannot be written (No such file or directory)" in result.stderr


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.command)
@pytest.mark.parametrize("fails", [True, False], ids=["failed", "done"])
def test_a_change_is_noted_before_it_begins_and_after_it_ended(
    change: Change, fails: bool, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, at_write = Path(env["LEADGLOW_AUDIT_LOG"]), []

    def write(*asked: object, **more: object) -> Any:
        at_write.extend(records(path) if path.exists() else [])
        if fails:
            raise CommandError(Exit.TROUBLE, "Kafka is away.")
        return Writer() if change.write == "open_writer" else returning(change.answer)()

    monkeypatch.setattr(change.module, change.write, write)
    result = CliRunner().invoke(build(), change.command.split(), env=env)

    assert result.exit_code == (Exit.TROUBLE if fails else Exit.OK), result.output
    begun, ended = records(path)
    assert at_write == [begun]
    assert [begun["audit"], ended["audit"]] == [change.action] * 2
    assert [begun["outcome"], ended["outcome"]] == ["begun", "failed" if fails else "done"]
    assert ended.get("error") == ("Kafka is away." if fails else None)
    assert "@" in begun["who"]
    assert ended == begun | ended


def test_every_change_that_is_noted_is_one_of_these() -> None:
    text = "".join(path.read_text() for path in Path(restore.__file__).parent.glob("*.py"))
    assert set(re.findall(r'noted\(settings, "(\w+)"', text)) == {each.action for each in CHANGES}


async def test_a_gap_that_is_accepted_in_part_is_noted_by_partition(env: dict[str, str]) -> None:
    class Store(MemoryStore):
        """Has another owner of its second shard."""

        async def commit(self, partition: int, commit: Commit) -> Verdict:
            return Verdict.CONFLICT if partition else Verdict.OK

    continued: list[int] = []
    with pytest.raises(CommandError, match="partition 1 has changed meanwhile"):
        await restore._move_checkpoints(Store(), GAPS, None, continued)

    assert continued == [0]


def test_a_command_that_is_interrupted_is_noted(tmp_path: Path) -> None:
    settings = Settings(audit_log=str(tmp_path / "audit.jsonl"))
    with pytest.raises(KeyboardInterrupt), noted(settings, "rebuild", namespace="leadglow"):
        raise KeyboardInterrupt

    begun, ended = records(tmp_path / "audit.jsonl")
    assert (begun["outcome"], ended["outcome"], ended["error"]) == ("begun", "failed", "KeyboardInterrupt")
