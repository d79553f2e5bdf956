"""The search index: a table of leads and their words in an SQLite file, written by one thread and read by others."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Final

from app.board.lead_columns import COLUMNS, TRAIT, Entry

SCHEMA: Final = Path(__file__).with_suffix(".sql").read_text("utf-8")
_FOLDER: Final = "leadglow-index-"
_CACHE_KB: Final = 64 * 1024
_PRAGMAS: Final = f"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -{_CACHE_KB};"


class SearchIndex:
    """The index of one board, in a folder of its own that is removed at the end."""

    def __init__(self, folder: Path | None = None, traits: Sequence[str] = ()) -> None:
        """Make an empty index; ``traits`` have columns of their own."""
        self.traits = tuple(traits)
        self.columns = (*COLUMNS, *(TRAIT + name for name in self.traits))
        """The names of all columns, in the order of ``Entry.columns``."""
        self.mark = token_hex(4)
        """Tells the rows of this index from those of another one."""
        base = Path(tempfile.gettempdir()) if folder is None else folder
        _remove_abandoned(base)
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-", dir=base))
        self._path = self._folder / "leads.sqlite"
        self._write = self._connect()
        self._write.executescript(f"{_PRAGMAS}{SCHEMA}")
        for i in range(len(self.columns)):
            self._write.execute(f"ALTER TABLE leads ADD COLUMN c{i} TEXT")
            self._write.execute(f"CREATE INDEX by_c{i} ON leads (c{i})")
        names = ["id", "version", "seen", "mail", "ids", "more", *(f"c{i}" for i in range(len(self.columns)))]
        self._insert = f"INSERT INTO leads ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        self._update = f"UPDATE leads SET {', '.join(f'{name} = ?' for name in names)} WHERE row = ?"

    def open_reader(self) -> sqlite3.Connection:
        """A connection that only reads; each is for one thread at a time."""
        reader = self._connect()
        reader.execute("PRAGMA query_only = ON")
        reader.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        return reader

    def close(self) -> None:
        """Remove the index."""
        self._write.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def size_bytes(self) -> int:
        """The size of its files."""
        return sum(each.stat().st_size for each in self._folder.iterdir())

    def count_leads(self) -> int:
        """The number of leads."""
        return int(self._write.execute("SELECT count(*) FROM leads").fetchone()[0])

    def find_versions(self, lead_ids: Sequence[str]) -> dict[str, int]:
        """The version of each of these leads that is in the index."""
        found = self._write.execute(f"SELECT id, version FROM leads WHERE id IN ({_marks(lead_ids)})", lead_ids)
        return dict(found.fetchall())

    def list_leads(self, after: int, most: int) -> list[tuple[int, str]]:
        """The next leads after a row, with their rows."""
        found = self._write.execute("SELECT row, id FROM leads WHERE row > ? ORDER BY row LIMIT ?", (after, most))
        return found.fetchall()

    def write_leads(self, entries: Mapping[str, tuple[Entry, int] | None]) -> None:
        """Add or replace leads with their version, and remove those without; all or none."""
        lead_ids = list(entries)
        found = self._write.execute(
            f"SELECT id, row, ids, more FROM leads WHERE id IN ({_marks(lead_ids)})", lead_ids
        ).fetchall()
        known = {lead_id: (row, (ids, more)) for lead_id, row, ids, more in found}
        with self._write:
            self._write.execute("BEGIN")
            for lead_id, given in entries.items():
                row, words = known.get(lead_id, (None, None))
                if given is not None:
                    self._put(row, words, *given)
                elif row is not None and words is not None:
                    self._remove(row, words)

    def merge_words(self) -> None:
        """Make searches faster after many leads were added."""
        with self._write:
            self._write.execute("INSERT INTO words (words) VALUES ('optimize')")

    def _put(self, row: int | None, words: tuple[str, str] | None, entry: Entry, version: int) -> None:
        write = self._write
        values = (entry.lead_id, version, entry.seen_ms, entry.mail, entry.ids, entry.more, *entry.columns)
        if row is None:
            row = write.execute(self._insert, values).lastrowid
        else:
            write.execute(self._update, (*values, row))
        if words != (entry.ids, entry.more):
            if words is not None:
                self._remove_words(row, words)
            write.execute("INSERT INTO words (rowid, ids, more) VALUES (?, ?, ?)", (row, entry.ids, entry.more))
        if words is not None:
            write.execute("DELETE FROM places WHERE row = ?", (row,))
        write.executemany(
            "INSERT INTO places VALUES (?, ?, ?, ?, ?)", [(row, *standing) for standing in entry.standings]
        )

    def _remove(self, row: int, words: tuple[str, str]) -> None:
        self._remove_words(row, words)
        self._write.execute("DELETE FROM places WHERE row = ?", (row,))
        self._write.execute("DELETE FROM leads WHERE row = ?", (row,))

    def _remove_words(self, row: int | None, words: tuple[str, str]) -> None:
        """Remove words, which must be those that were added."""
        self._write.execute("INSERT INTO words (words, rowid, ids, more) VALUES ('delete', ?, ?, ?)", (row, *words))

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _remove_abandoned(base: Path) -> None:
    """Remove the indexes of boards that were killed: they hold personal data."""
    for folder in base.glob(f"{_FOLDER}*-*"):
        pid = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)
