"""A running system with its board, and events for it."""

import asyncio
import hashlib
import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiokafka import AIOKafkaProducer

from app.private_files import write_private
from streams.clock import now_ms
from tests.support.servers import Running
from tests.support.system import PARTITIONS, ROOT, System
from tests.support.waiting import wait_for

TOKEN = "a-token-of-nobody-else"
EDITOR_TOKEN = "a-token-of-somebody-who-may-publish"
VIEWER_TOKEN = "a-token-of-somebody-who-may-see-less"
ACCESS = """
leadglow_access: 1
tokens:
  - {{name: ana, sha256: {ana}, role: viewer+pii}}
  - {{name: ben, sha256: {ben}, role: viewer}}
  - {{name: eve, sha256: {eve}, role: editor}}
"""
BURST_S = 0.02
Event = dict[str, Any]
_numbers = itertools.count()


@dataclass
class Board:
    """Worker, board, Kafka and Redis."""

    system: System
    url: str

    def send(self, *events: Event) -> None:
        """Put events on the source topic."""
        self.system.send([(now_ms(), event) for event in events])

    def lead(self, lead_id: str) -> Any:
        """The lead in the API; None while it is unknown."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/leads/{quote(lead_id, safe='')}", timeout=10) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 404:
                    raise
            return None

    def wait_score(self, lead_id: str, score: int) -> None:
        """Return when a lead has at least this score, less what fades within minutes."""

        def reached() -> bool:
            lead = self.lead(lead_id)
            return lead is not None and lead["scorecards"]["default"]["exact"] >= score - 0.1

        wait_for(reached, f"{lead_id} at {score}")


def identified(user: str, **traits: Any) -> Event:
    return {"type": "identify", **_named(user), "traits": traits}


def viewed(user: str, path: str, **context: Any) -> Event:
    properties = {"path": path, "url": f"https://acme.example{path}"}
    return {"type": "page", **_named(user), "properties": properties, "context": context}


def did(user: str, event: str, **properties: Any) -> Event:
    return {"type": "track", "event": event, **_named(user), "properties": properties}


def qualifying(user: str) -> list[Event]:
    """Enough to enter the last stage: 75 points."""
    return [identified(user, title="CTO", employees=450), did(user, "Demo Requested")]


def _named(user: str) -> Event:
    return {"userId": user, "messageId": f"e-{next(_numbers)}"}


@contextmanager
def start_board(kafka: Running, redis_url: str, name: str, **settings: str) -> Iterator[Board]:
    """Run everything until the end of the block."""
    system = System(kafka, redis_url, name, **{"scorecards": str(ROOT / "scorecards.yaml"), **settings})
    assert system.run("topics", "create").exit_code == 0
    with system.worker() as worker, system.board() as board:
        worker.wait_ready()
        board.wait_ready()
        yield Board(system, board.url)
        assert (board.stop()[0], worker.stop()[0]) == (0, 0)


def access_file(folder: Path) -> Path:
    """An access file with all tokens."""
    ana, ben, eve = (hashlib.sha256(t.encode()).hexdigest() for t in (TOKEN, VIEWER_TOKEN, EDITOR_TOKEN))
    path = folder / "access.yaml"
    write_private(path, ACCESS.format(ana=ana, ben=ben, eve=eve))
    return path


async def stream(system: System, events: Iterator[bytes], per_s: float) -> float:
    """Send events at a rate, in bursts; returns the actual rate."""
    producer = AIOKafkaProducer(bootstrap_servers=system.settings.kafka)
    await producer.start()
    loop = asyncio.get_running_loop()
    began_s, sent, places = loop.time(), 0, itertools.cycle(range(PARTITIONS))
    try:
        while burst := list(itertools.islice(events, max(1, round(per_s * BURST_S)))):
            batch = producer.create_batch()
            for event in burst:
                batch.append(key=None, value=event, timestamp=now_ms())
            await producer.send_batch(batch, system.settings.sources[0], partition=next(places))
            sent += len(burst)
            await asyncio.sleep(sent / per_s - (loop.time() - began_s))
        return sent / (loop.time() - began_s)
    finally:
        await producer.stop()
