"""A board that listens on a real socket, with shards in memory and without Kafka."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, Self

import aiohttp
from aiokafka.errors import KafkaConnectionError

from app.audit import AuditLog
from app.board.access_file import ACCESS_FORMAT, AccessFile
from app.board.api import Api
from app.board.assets import Assets
from app.board.audit import BoardAudit
from app.board.bounded_store import BoundedStore
from app.board.broadcast import LeadIndexed
from app.board.costs import Cost
from app.board.id_cipher import IdCipher
from app.board.metrics import Metrics
from app.board.pages import Pages
from app.board.published_scorecards import PublishedScorecards
from app.board.publishing import PublishingConfig
from app.board.search import Search
from app.board.service import BoardService
from app.board.site import Site
from app.board.sse import EventStreams
from app.board.topic_tails import TopicTails
from app.event_log import EventLog
from streams.events.codec import Codec
from streams.publishing.catalog import Catalog
from streams.publishing.scorecards import Scorecards
from streams.scoring.event import Contribution, LeadEvent, Retract
from streams.scoring.replay import Replay
from streams.scoring.rules import Rules
from streams.store.base import Commit, Store, Verdict
from streams.store.memory import MemoryStore
from streams.transport.topics import Topics, partition_of
from tests.properties.strategies import Fact
from tests.support.publications import Log

PARTITIONS = 3
TOPICS = Topics()
ANA, BEN, EVE, SAM = "token-of-ana", "token-of-ben", "token-of-eve", "token-of-sam"
MOST_ALERTS = 2
ACCESS = ACCESS_FORMAT.load_text(
    f"""
leadglow_access: 1
secret: "{"0123456789abcdef" * 4}"
tokens:
  - {{name: ana, sha256: {sha256(ANA.encode()).hexdigest()}, role: viewer+pii}}
  - {{name: ben, sha256: {sha256(BEN.encode()).hexdigest()}, role: viewer}}
  - {{name: sam, sha256: {sha256(SAM.encode()).hexdigest()}, role: sales}}
  - {{name: eve, sha256: {sha256(EVE.encode()).hexdigest()}, role: editor}}
proxy:
  user_header: X-Forwarded-User
  groups_header: X-Forwarded-Groups
  trusted: [127.0.0.0/8]
  roles: {{sales: viewer+pii, everybody: viewer}}
"""
)


@dataclass
class Shards:
    """Leads in memory, in the state that workers would have stored."""

    rules: Rules
    store: Store = field(default_factory=MemoryStore)
    text: str = ""
    """The scorecards as text, for the page where changes are tried."""
    sent: list[bytes] = field(default_factory=list)
    """Events that the board sent."""

    async def take(self, *happened: tuple[str, Fact]) -> Self:
        """Score (lead id, fact) pairs; the arrival time of each is its event time."""
        homes: dict[int, list[tuple[int, LeadEvent]]] = {}
        for offset, (lead_id, fact) in enumerate(happened):
            home = homes.setdefault(partition_of(lead_id, PARTITIONS), [])
            home.append((offset, fact.event(self.rules, fact.at, lead_id)))
        for partition, inputs in homes.items():
            await self._score(partition, inputs)
        return self

    async def send(self, lead_id: str, event: bytes, at_ms: int) -> None:
        """Score an event that the board sends."""
        item = Codec(self.rules.paths).decode_event(SimpleNamespace(value=event, timestamp=at_ms), lead_id)
        assert isinstance(item, LeadEvent | Retract)
        self.sent.append(event)
        await self._score(partition_of(lead_id, PARTITIONS), [(0, item)])

    async def give(self, *contributions: Contribution) -> Self:
        """Let leads give scores to accounts."""
        for each in contributions:
            await self._score(partition_of(each.lead_id, PARTITIONS), [(each.offset, each)])
        return self

    async def _score(self, partition: int, inputs: Sequence[tuple[int, LeadEvent | Retract | Contribution]]) -> None:
        replay = Replay(self.rules)
        lead_ids = list(dict.fromkeys(event.lead_id for _, event in inputs))
        for lead_id, blob in zip(lead_ids, await self.store.load(partition, lead_ids), strict=True):
            if blob is not None:
                replay.blobs[lead_id] = blob
        for offset, event in inputs:
            replay.play(event, offset)
        outcome = replay.end_step()
        at_ms = max(event.arrival for _, event in inputs)
        control = await self.store.control(partition)
        version = control.version
        fields = {"ckpt": b"%d" % len(lead_ids), "arrived": b"%d" % at_ms, "owner": b"w1"}
        ranks, day = outcome.ranks | replay.show_leads(lead_ids).ranks, at_ms // 86_400_000
        commit = Commit(version, control.step, f"s{version}", fields, outcome.blobs, ranks=ranks, day=day)
        commit.fired, commit.second = outcome.counts(), at_ms // 1000
        commit.sales = outcome.sales_rows()
        assert await self.store.commit(partition, commit) is Verdict.OK


def kafka_record(value: bytes | None, key: bytes | None = None, **headers: bytes) -> Any:
    """A record in the form that the topic tails read."""
    named = [(name.replace("_", "-"), text) for name, text in headers.items()]
    return SimpleNamespace(value=value, key=key, headers=named, timestamp=1_795_000_000_000)


@dataclass
class Answer:
    """The response to a request."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    """A running board."""

    url: str
    service: BoardService
    tails: TopicTails
    metrics: Metrics
    access: list[AccessFile | None]
    """The one in use; a replacement applies at once."""
    session: aiohttp.ClientSession

    async def get(self, path: str, token: str = "", **headers: str) -> Answer:
        return await self.request("GET", path, token, headers)

    async def request(
        self, method: str, path: str, token: str = "", headers: dict[str, str] | None = None, data: Any = None
    ) -> Answer:
        said = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        sent = self.session.request(method, self.url + path, headers=said, data=data, allow_redirects=False)
        async with sent as answer:
            return Answer(answer.status, answer.headers, await answer.read())


class Published(PublishedScorecards):
    """The scorecards of shards in memory."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(None)
        self._shards = shards

    @property
    def value(self) -> Scorecards:
        return Scorecards(self._shards.text, self._shards.rules)

    def use(self, catalog: Catalog, scorecards: Scorecards) -> None:
        self.catalog = catalog
        self._shards.rules, self._shards.text = scorecards.rules, scorecards.text

    async def read(self, log: Log) -> None:
        """Read the publications, as a board does all the time."""
        async with log.open_topic() as topic:
            if (latest := topic.catalog.latest) is not None:
                self.use(topic.catalog, topic.catalog.scorecards(latest.place))


def no_consumer() -> Any:
    """There is no Kafka."""
    raise KafkaConnectionError


@asynccontextmanager
async def board_on(
    shards: Shards,
    access: AccessFile | None = None,
    costs: Iterable[Cost] = (),
    store: Store | None = None,
    log: Log | None = None,
    is_indexed: bool = True,
    *,
    audit: AuditLog | None = None,
) -> AsyncIterator[Running]:
    """Run a board with these shards until the end of the block; ``log`` has the publications."""
    metrics = Metrics()
    tails = TopicTails(lambda topics, group: None, TOPICS, "leadglow", metrics)
    tails.caught_up = True
    spent, cipher = tuple(costs), IdCipher(b"a secret of the tests")
    bounded = BoundedStore(store or shards.store, PARTITIONS)
    published = Published(shards)
    log = log or Log()
    publishing = PublishingConfig(log.open_topic, log.open_writer, MOST_ALERTS, shards.send)
    search = Search(bounded, lambda: shards.rules, traits=("industry",))
    tails.on_change = search.indexer.note_change
    search.indexer.on_indexed = lambda lead_id: tails.broadcast.publish(LeadIndexed(lead_id))
    if is_indexed:
        await search.indexer.build()
    events = EventLog(no_consumer, TOPICS.lead_events, PARTITIONS)
    service = BoardService(bounded, tails, cipher, published, lambda: spent, publishing, search, events)
    used = [access]
    noted = BoardAudit(audit, service.mask.resolve_id) if audit else None
    api = Api(service, EventStreams(service, metrics))
    site = Site(api, Pages(service, Assets()), metrics, lambda: used[0], audit=noted)
    url = await site.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            await published.read(log)
            yield Running(url, service, tails, metrics, used, session)
    finally:
        tails.broadcast.close()
        await site.stop()
        search.close()
