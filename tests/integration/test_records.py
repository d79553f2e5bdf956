"""The consumer in docs/records.md reads records of a real Kafka, with its own client."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from app.embedded.child import start_child
from app.wiring import make_producer
from docs.record_examples import examples
from tests.support.servers import Running
from tests.support.system import ROOT, System
from tests.support.waiting import wait_for

RENAMED = {"handoff": "handoff", "lead-scores": "lead_scores", "rejected-events": "rejected"}
"""Topic in the page -> setting of a test's own topic."""


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        tables = {name for (name,) in db.execute("select name from sqlite_master")}
        found = db.execute(f"select count(*) from {table}").fetchone()[0] if table in tables else 0
    return int(found)


def script(system: System) -> str:
    """The consumer of the page, for the topics of the test."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/records.md").read_text(), re.S)
    source = str(block)
    for topic, setting in RENAMED.items():
        source = source.replace(f'"{topic}": store', f'"{getattr(system.settings, setting)}": store')
    return source.replace("leads-in-sqlite", system.settings.handoff)


async def send_examples(system: System) -> None:
    """Each record twice, as after an outage."""
    settings, made = system.settings, examples()
    headers = [(name, text.encode()) for name, text in made["reject"].items()]
    records = [
        (settings.handoff, made["entered"], [("content-type", b"application/cloudevents+json")]),
        (settings.lead_scores, made["score"], []),
        (settings.rejected, made["reject"], headers),
    ]
    producer = make_producer(settings)
    await producer.start()
    try:
        for topic, value, pairs in records * 2:
            await producer.send_and_wait(topic, json.dumps(value).encode(), key=b"ana", headers=pairs)
    finally:
        await producer.stop()


def test_the_consumer_of_the_page_stores_each_record_once(kafka: Running, unique: str, tmp_path: Path) -> None:
    pytest.importorskip("confluent_kafka")
    system = System(kafka, "redis://127.0.0.1:1", unique)
    assert system.run("topics", "create").exit_code == 0
    asyncio.run(send_examples(system))
    file, path = tmp_path / "consumer.py", tmp_path / "leads.db"
    file.write_text(script(system))

    argv = [sys.executable, "-u", str(file), kafka.address, str(path)]
    with start_child(argv, stdout=subprocess.PIPE, text=True) as process:
        wait_for(lambda: all(count(path, table) for table in ("alerts", "stages", "scores", "rejects")), "stored")
        process.kill()
        lines = (process.communicate()[0] or "").splitlines()

    assert [count(path, table) for table in ("alerts", "scores", "rejects")] == [1, 1, 1]
    entered = examples()["entered"]
    assert lines == [f"{entered['time']} ana entered qualified event {entered['data']['score']['published']}"]
