"""Stores alerts in SQLite, each once."""

import sqlite3
from collections.abc import Iterable

from cloudevents.core.base import BaseCloudEvent

TABLE = """
create table if not exists alerts (
    number integer primary key, id text unique not null, lead text not null, kind text not null, stage text not null
)
"""


def open_store(path: str) -> sqlite3.Connection:
    """Open the file, or make it."""
    db = sqlite3.connect(path)
    db.execute(TABLE)
    return db


def store(db: sqlite3.Connection, events: Iterable[BaseCloudEvent]) -> None:
    """Store alerts in their order, all or none. One whose id is stored already is a repetition."""
    with db:
        for event in events:
            data = event.get_data()
            assert isinstance(data, dict)
            row = event.get_id(), event.get_subject(), data["stage"]["kind"], data["stage"]["name"]
            new = db.execute("insert or ignore into alerts (id, lead, kind, stage) values (?, ?, ?, ?)", row).rowcount
            if new:  # here follows what you do about it, in the same transaction
                print(f"{row[1]} {row[2]} {row[3]}", flush=True)
