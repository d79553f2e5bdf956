"""The audit log: one record for each request or command that shows or changes something."""

from __future__ import annotations

import io
import json
import logging
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from app.agreed import Agreed
from app.audit import AuditLog, AuditLogUnwritable
from app.board.routing import BASE
from app.checkup.kafka_status import Worker
from app.cli import repartition, restore, upgrade
from app.cli.audit import note_command
from app.cli.root import build
from app.collector.collector import Collector
from app.collector.reception import EventSettings
from app.collector.request_reader import Limits
from app.log_gaps import ShardPlace
from app.logs import set_up_logs
from app.private_files import write_private
from app.settings import Settings
from streams.store.base import Control
from tests.support.board_in_memory import ACCESS, ANA, BEN, board_on
from tests.unit.test_board_site import people

NOWHERE = {"LEADGLOW_KAFKA": "127.0.0.1:1", "LEADGLOW_REDIS": "redis://127.0.0.1:1"}


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_the_board_notes_who_saw_exported_and_was_refused(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(str(path), "board")
    async with board_on(await people(), ACCESS, audit=log) as board:
        seen = await board.get(f"{BASE}/leads/u3", ANA)
        row = (await board.get(f"{BASE}/leads?limit=50", BEN)).json["leads"]
        hidden = next(each["lead_id"] for each in row if not each["lead_id"].startswith("u"))
        await board.get(f"/leads/{hidden}", BEN)
        await board.get(f"{BASE}/leads.csv", ANA)
        await board.get(f"{BASE}/leads/nobody", ANA)
        await board.get(f"{BASE}/leads/u3", "wrong")
        await board.get(f"{BASE}/flow", ANA)
        await board.session.post(f"{board.url}/login", data={"token": "wrong"}, headers={"Origin": board.url})

    log.close()
    noted = records(path)
    assert [(each["audit"], each["who"], each["outcome"]) for each in noted] == [
        ("see", "ana", "done"),
        ("list", "ben", "done"),
        ("see", "ben", "done"),
        ("export", "ana", "done"),
        ("see", "ana", "refused"),
        ("sign_in", "unknown", "refused"),
    ]
    assert noted[0]["request_id"] == seen.headers["X-Request-Id"]
    assert (noted[0]["lead_id"], noted[0]["role"], noted[0]["address"]) == ("u3", "viewer+pii", "127.0.0.1")
    assert noted[1]["query"] == {"limit": "50"}
    assert noted[2]["lead_id"] == "ana@acme.example"
    assert path.stat().st_mode & 0o077 == 0


async def test_a_request_keeps_the_id_that_a_proxy_gave_it_unless_that_is_no_id() -> None:
    async with board_on(await people()) as board:
        given = await board.get(f"{BASE}/leads/u3", **{"X-Request-Id": "edge-7f.1"})
        forged = await board.get(f"{BASE}/leads/u3", **{"X-Request-Id": 'a"} {"audit": 1'})
        other = await board.get(f"{BASE}/leads/u3")

    assert given.headers["X-Request-Id"] == "edge-7f.1"
    ids = {forged.headers["X-Request-Id"], other.headers["X-Request-Id"]}
    assert [len(each) for each in ids] == [16, 16]


async def test_log_lines_have_the_id_of_their_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = logging.getLogger().handlers
    async with board_on(await people()) as board:
        monkeypatch.setattr(board.service, "get_lead", None)
        set_up_logs("json")
        failed = await board.get(f"{BASE}/leads/u3", **{"X-Request-Id": "r1"})
        logging.getLogger().handlers = handlers

    line = json.loads(capsys.readouterr().err.splitlines()[0])
    assert (failed.status, line["request_id"], "r1" in failed.json["message"]) == (500, "r1", True)


def test_a_record_is_written_to_the_new_file_after_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(str(path), "board")
    log.write("see", "ana", "done", lead_id="100%")
    path.rename(tmp_path / "audit.jsonl.1")
    log.write("see", "ben", "done", lead_id="")
    log.close()

    assert records(tmp_path / "audit.jsonl.1")[0]["lead_id"] == "100%"
    assert [(each["who"], "lead_id" in each) for each in records(path)] == [("ben", False)]


def test_records_go_to_stdout_on_request_and_nowhere_by_default() -> None:
    stream = io.StringIO()
    AuditLog("-", "board", stream).write("erase", "ana", "done")
    AuditLog("", "board", stream).write("erase", "ana", "done")

    assert json.loads(stream.getvalue())["audit"] == "erase"


def test_a_log_that_cannot_be_written_is_refused_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(AuditLogUnwritable, match=r"cannot be written \(No such file.*LEADGLOW_AUDIT_LOG"):
        AuditLog(str(tmp_path / "none" / "audit.jsonl"), "board")


def test_a_command_is_noted_with_the_user_of_the_machine(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    note_command(Settings(audit_log=str(path)), "erase", lead_id="ana")

    (noted,) = records(path)
    assert (noted["audit"], noted["process"], noted["lead_id"]) == ("erase", "command", "ana")
    assert "@" in noted["who"]


ASKING = [
    ("restore", "--accept-gap", "--yes"),
    ("upgrade", "--finish", "--yes"),
    ("repartition", "--to", "8", "--yes"),
    ("erase", "ana", "--yes"),
    ("rebuild", "--yes"),
    ("leads", "top"),
    ("leads", "export"),
    ("lead", "show", "ana"),
    ("lead", "activity", "ana"),
    ("scorecards", "publish", "scorecards.yaml", "--yes"),
    ("scorecards", "rollback", "1", "--yes"),
    ("notify", "replay"),
]


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_a_command_does_nothing_that_it_could_not_note(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read_places(settings: Settings) -> list[ShardPlace]:
        return [ShardPlace(0, Control(3, "step", {"ckpt": b"5"}), 9, 20)]

    async def read_divided(settings: Settings) -> dict[int, int]:
        return {}

    async def read_formats(*asked: object) -> tuple[Agreed, list[Worker]]:
        return Agreed(4, "", ""), []

    async def read_preview(*asked: object) -> None:
        """Nothing of it is used before the log is opened."""

    async def choose(*asked: object) -> tuple[int, None]:
        return (4, None)

    routes = tmp_path / "routes.yaml"
    routes.write_text(ROUTES)
    monkeypatch.setattr(restore, "read_places", read_places)
    monkeypatch.setattr(restore, "read_divided", read_divided)
    monkeypatch.setattr(upgrade, "_read_formats", read_formats)
    monkeypatch.setattr(repartition, "_read_preview", read_preview)
    monkeypatch.setattr(repartition, "_choose_old", choose)
    monkeypatch.setattr(repartition, "_lines", lambda found: [])
    env = NOWHERE | {"LEADGLOW_AUDIT_LOG": str(tmp_path / "none" / "a.log"), "LEADGLOW_NOTIFY_ROUTES": str(routes)}
    result = CliRunner().invoke(build(), list(command), env=env)

    assert result.exit_code == 78
    assert "a.log cannot be written (No such file or directory)" in result.stderr


def test_every_module_with_a_command_that_is_noted_opens_the_log_first() -> None:
    texts = {path.stem: path.read_text() for path in Path(restore.__file__).parent.glob("*.py")}
    noting = {name: text for name, text in texts.items() if "    note_command(settings" in text}

    assert len(noting) >= 10
    assert [name for name, text in noting.items() if not re.search(r"require_audit_log\(|\"begun\"", text)] == []


# Files and replays ------------------------------------------------------------------------------------------------

KEYS = "leadglow_keys: 1\nkeys: [{name: app, write_key: wk_app, origins: any}]\n"
ROUTES = """
leadglow_routes: 1
destinations: {crm: {webhook: {url: "https://crm.example/"}}}
routes: [{name: all, to: crm}]
"""


async def test_the_collector_notes_which_keys_are_in_use(tmp_path: Path) -> None:
    keys, path = tmp_path / "keys.yaml", tmp_path / "audit.jsonl"
    write_private(keys, KEYS)
    settings, audit = EventSettings("web", "mail", "rejected"), AuditLog(str(path), "collector")
    collector = Collector(AIOKafkaProducer, keys, settings, Limits(), audit=audit)
    await collector.listen("127.0.0.1", 0)
    write_private(keys, f"{KEYS}# changed\n")
    await collector._keys.reload_if_changed()
    write_private(keys, "leadglow_keys: 2\n")
    await collector._keys.reload_if_changed()
    await collector.stop()

    rows = records(path)
    assert [(row["audit"], row["outcome"], row["file"]) for row in rows] == [
        ("use_file", "done", "keys"), ("use_file", "done", "keys"), ("use_file", "refused", "keys")
    ]  # fmt: skip
    assert rows[0]["sha256"] == sha256(KEYS.encode()).hexdigest()
    assert rows[0]["sha256"] != rows[1]["sha256"] == rows[2]["sha256"]


def test_a_replay_of_dead_letters_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, routes = tmp_path / "audit.jsonl", tmp_path / "routes.yaml"
    routes.write_text(ROUTES)

    async def replay(settings: Settings, name: str) -> tuple[int, int]:
        return 2, 0

    monkeypatch.setattr("app.cli.notify._replay", replay)
    env = {"LEADGLOW_AUDIT_LOG": str(path), "LEADGLOW_NOTIFY_ROUTES": str(routes)}
    result = CliRunner().invoke(build(), ["notify", "replay", "--route", "all"], env=env)

    assert result.exit_code == 0, result.output
    begun, done = records(path)
    assert (begun["audit"], begun["outcome"], begun["route"]) == ("replay", "begun", "all")
    assert (done["outcome"], done["delivered"], done["undelivered"]) == ("done", "2", "0")
