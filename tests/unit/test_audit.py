"""The audit log: one record for each request or command that shows or changes something."""

from __future__ import annotations

import io
import json
import logging
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from app.audit import AuditLog, AuditLogUnwritable
from app.board.routing import BASE
from app.collector.collector import Collector
from app.collector.reception import EventSettings
from app.collector.request_reader import Limits
from app.logs import set_up_logs
from app.private_files import write_private
from tests.support.board_in_memory import ACCESS, ANA, BEN, board_on
from tests.unit.test_board_site import people


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


# Files -----------------------------------------------------------------------------------------------------------

KEYS = "leadglow_keys: 1\nkeys: [{name: app, write_key: wk_app, origins: any}]\n"


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
