"""The examples of docs/examples at work: two consumers of alerts and two receivers of webhooks."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.embedded.server import Server, free_port
from tests.support.node import build_examples

PYTHON = Path(__file__).parents[2] / "docs/examples/python"
Stored = tuple[str, str, str, str]
"""Id, lead, kind, stage."""


@dataclass
class Examples:
    """Running examples by name, each with the file of its alerts."""

    files: dict[str, Path] = field(default_factory=dict)
    hooks: dict[str, str] = field(default_factory=dict)
    """URLs of the receivers."""
    servers: dict[str, Server] = field(default_factory=dict)

    def stored(self) -> dict[str, list[Stored]]:
        """The alerts that each has stored, in their order."""
        return {name: read_stored(path) for name, path in self.files.items()}

    def said(self) -> str:
        """What they wrote to their terminals."""
        return "\n".join(f"{name}: {server.log_path.read_text()}" for name, server in self.servers.items())


def read_stored(path: Path) -> list[Stored]:
    """The alerts in a file of an example, in their order; none if there is no file yet."""
    if not path.exists():
        return []
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
        return [(row["id"], row["lead"], row["kind"], row["stage"]) for row in rows]
    with closing(sqlite3.connect(path)) as db:
        tables = db.execute("select name from sqlite_master").fetchall()
        query = "select id, lead, kind, stage from alerts order by number"
        return db.execute(query).fetchall() if ("alerts",) in tables else []


@contextmanager
def run_examples(kafka: str, topic: str, secret: str, folder: Path) -> Iterator[Examples]:
    """Run all until the end of the block; the secret signs webhooks."""
    compiled, examples = build_examples() / "dist", Examples()
    programs = {
        "python": ([sys.executable, "-u"], PYTHON / "handoff_consumer.py", PYTHON / "webhook_receiver.py", "db"),
        "typescript": (["node"], compiled / "handoff-consumer.js", compiled / "webhook-receiver.js", "jsonl"),
    }
    env = {**os.environ, "HOOK_SECRET": secret}  # noqa: TID251 - a child needs its PATH
    with ExitStack() as stack:

        def start(name: str, argv: list[str], port: int) -> Server:
            (folder / name).mkdir()
            server = examples.servers[name] = Server(argv, port, folder / name, env)
            stack.callback(server.stop)
            return server

        for language, (command, consumer, receiver, suffix) in programs.items():
            for name in (f"{language}-consumer", f"{language}-receiver"):
                examples.files[name] = folder / f"{name}.{suffix}"
            path = str(examples.files[f"{language}-consumer"])
            start(f"{language}-consumer", [*command, str(consumer), kafka, topic, path], 0)
            port, path = free_port(), str(examples.files[f"{language}-receiver"])
            start(f"{language}-receiver", [*command, str(receiver), str(port), path], port)
            examples.hooks[language] = f"http://127.0.0.1:{port}/"
        for language in programs:
            examples.servers[f"{language}-receiver"].wait_ready()
        yield examples
