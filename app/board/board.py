"""One board process: its parts, started and stopped in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from math import nan
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from aiohttp import web

from app.audit import AuditLog
from app.board.access_file import ACCESS_FORMAT, AccessFile
from app.board.api import Api
from app.board.assets import Assets
from app.board.audit import BoardAudit
from app.board.bounded_store import BoundedStore
from app.board.broadcast import LeadIndexed
from app.board.costs import COSTS_FORMAT, Cost
from app.board.id_cipher import IdCipher
from app.board.metrics import Metrics
from app.board.pages import Pages
from app.board.published_scorecards import PublishedScorecards
from app.board.publishing import PublishingConfig
from app.board.scoring_watch import ScoringWatch
from app.board.search import Search
from app.board.service import BoardService
from app.board.site import Site
from app.board.sse import EventStreams
from app.board.state_watch import StateWatch
from app.board.topic_tails import Consumer, TopicTails
from app.board.verdict_writer import VerdictWriter, sales_topic
from app.event_log import EventLog
from app.group_members import Admin
from app.http.serving import url_of
from app.private_files import load_private
from streams import probes
from streams.publishing.catalog import Catalog
from streams.publishing.scorecards import Scorecards
from streams.publishing.sessions import open_topic, open_writer
from streams.publishing.topic import ScorecardsTopic, follow_scorecards
from streams.publishing.writer import ScorecardsWriter
from streams.store.base import Store
from streams.tasks import end_tasks
from streams.transport.topics import Topics
from streams.yamlfile.watched import Watched

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BoardConfig:
    """What a board needs."""

    store: Callable[[Callable[[str], None]], Store]
    """Makes the store; called with a function that counts failed attempts."""
    consumer: Callable[[Sequence[str], str | None], Consumer]
    """Makes a consumer of topics, with or without a group."""
    events: EventLog
    """Reads the events of a lead's page; not connected."""
    admin: Callable[[], Admin]
    """Makes a client that counts the workers."""
    producer: Callable[[], Any]
    """Makes a producer, which publishes scorecards and sends verdicts."""
    topics: Topics
    group: str
    undelivered: str
    """The topic of the notifier's dead letters."""
    partitions: int
    scorecards: Path
    lateness_ms: int
    most_alerts: int
    """A change of the scorecards that sends more needs confirmation."""
    access: Path | None = None
    costs: Path | None = None
    secure: bool = False
    index: Path | None = None
    """Folder of the search index; None for the one for temporary files."""
    traits: Sequence[str] = ()
    """Traits with columns of their own."""
    audit: AuditLog | None = None
    compare_s: float = 300.0
    """The search index is compared with all leads so often."""


class Board:
    """All parts of a board."""

    def __init__(self, config: BoardConfig) -> None:
        """Read the files; connects to nothing before ``listen``.

        Raises:
            YamlFileError: the scorecards, the access file or the costs file have mistakes.
        """
        self.metrics = Metrics()
        self._store = config.store(lambda op: self.metrics.store_errors.labels(op).inc())
        self._file = self._watch_scorecards(config) if config.scorecards.exists() else None
        self._scorecards = PublishedScorecards(self._file)
        self._config = config
        self._access = self._watch_file(config.access, _load_access, "access") if config.access else None
        self._costs = self._watch_file(config.costs, COSTS_FORMAT.load_file, "costs") if config.costs else None
        self._tails = TopicTails(
            config.consumer, config.topics, config.group, self.metrics, config.admin, config.undelivered
        )
        self._bounded = BoundedStore(self._store, config.partitions)
        self._search = Search(
            self._bounded, lambda: self._scorecards.value.rules, config.index, config.traits, config.compare_s
        )
        self._tails.on_change = self._search.indexer.note_change
        self._search.indexer.on_indexed = lambda lead_id: self._tails.broadcast.publish(LeadIndexed(lead_id))
        self._verdicts = VerdictWriter(config.producer, sales_topic(config.topics.sources))
        service = BoardService(
            self._bounded,
            self._tails,
            self._make_cipher(),
            self._scorecards,
            self._list_costs,
            PublishingConfig(self._open_topic, self._open_writer, config.most_alerts, self._verdicts.send),
            self._search,
            config.events,
        )
        self._freshness = service.freshness_watch
        self._state = StateWatch(self._bounded, self.metrics)
        self._scoring = ScoringWatch(self._bounded, lambda: self._scorecards.value.rules, self.metrics)
        api = Api(service, EventStreams(service, self.metrics))
        audit = BoardAudit(config.audit, service.mask.resolve_id) if config.audit is not None else None
        self._site = Site(api, Pages(service, Assets()), self.metrics, self._access_file, config.secure, audit)
        self._probes: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.metrics.ready.set_function(self._is_ready)
        self._export_freshness()

    def _export_freshness(self) -> None:
        metrics, watch = self.metrics, self._freshness
        metrics.scored_until.set_function(lambda: watch.progress.scored_until_ms / 1000)
        metrics.lag.set_function(lambda: watch.lag_s)
        metrics.waiting.set_function(lambda: watch.now.waiting)
        indexer = self._search.indexer
        metrics.index_leads.set_function(lambda: indexer.leads)
        metrics.index_building.set_function(lambda: indexer.building is not None)
        metrics.index_waiting.set_function(lambda: indexer.waiting)
        metrics.index_bytes.set_function(indexer.index.size_bytes)
        workers = self._tails.workers
        metrics.workers.set_function(lambda: nan if workers.value is None else workers.value)
        metrics.unowned.set_function(
            lambda: nan if (unowned := workers.count_unowned(self._config.partitions)) is None else unowned
        )

    def _watch_file(self, path: Path, load: Callable[[Path], T], name: str) -> Watched[T]:
        watched = Watched(path, load, name)
        self.metrics.process.watch_file(watched)
        return watched

    def _watch_scorecards(self, config: BoardConfig) -> Watched[Scorecards]:
        return self._watch_file(config.scorecards, lambda p: Scorecards.read_file(p, config.lateness_ms), "scorecards")

    async def _follow_scorecards(self) -> None:
        """Show the scorecards that are published last, for ever."""
        config = self._config

        def use(catalog: Catalog, scorecards: Scorecards) -> None:
            self._scorecards.use(catalog, scorecards)
            self.metrics.model.info({"version": scorecards.version})

        count_error = self.metrics.unreadable_scorecards.inc
        name, lateness_ms = config.topics.scorecards, config.lateness_ms
        await follow_scorecards(name, lateness_ms, lambda: config.consumer((), None), use, count_error)

    def _open_topic(self) -> AbstractAsyncContextManager[ScorecardsTopic]:
        config = self._config
        return open_topic(config.topics.scorecards, config.lateness_ms, lambda: config.consumer((), None))

    def _open_writer(self, topic: ScorecardsTopic) -> AbstractAsyncContextManager[ScorecardsWriter]:
        config = self._config
        return open_writer(topic, config.topics, config.partitions, config.producer, self._store.time_ms)

    def _make_cipher(self) -> IdCipher:
        access = self._access_file()
        secret = access.secret if access is not None and access.secret else token_hex(32)
        return IdCipher(secret.encode())

    def _access_file(self) -> AccessFile | None:
        return None if self._access is None else self._access.value

    def _list_costs(self) -> tuple[Cost, ...]:
        return () if self._costs is None else self._costs.value

    async def probe(self, host: str, port: int) -> str:
        """Serve the metrics and probes, and return their URL."""
        self._probes = await probes.serve(
            host, port, self.metrics.registry, self._is_ready, reason=lambda: self._bounded.trouble
        )
        return url_of(self._probes, host)

    def _is_ready(self) -> bool:
        return not self._bounded.trouble

    async def listen(self, host: str, port: int) -> str:
        """Accept requests, and return the URL; Redis and Kafka may be unreachable."""
        watched = (self._file, self._access, self._costs)
        for each in (self._access, self._costs):
            if each is not None and self._config.audit is not None:
                self._config.audit.follow_file(each)
        work = [
            self._tails.follow_topics(),
            self._tails.watch_offsets(),
            self._follow_scorecards(),
            self._tails.workers.watch(),
            self._freshness.watch(),
            self._state.watch(),
            self._scoring.watch(),
            self._bounded.watch_redis(),
            self._search.indexer.run(),
            *(each.watch() for each in watched if each is not None),
        ]
        self._tasks = [asyncio.create_task(each) for each in work]
        return await self._site.start(host, port)

    async def stop(self) -> None:
        """1. End the streams. 2. Finish requests. 3. Disconnect from Kafka and Redis. 4. End the probes."""
        self._tails.broadcast.close()
        await self._site.stop()
        await end_tasks(*self._tasks)
        await self._config.events.close()
        await self._verdicts.stop()
        await self._store.close()
        self._search.close()
        if self._config.audit is not None:
            self._config.audit.close()
        if self._probes is not None:
            await self._probes.cleanup()


def _load_access(path: Path) -> AccessFile:
    return load_private(ACCESS_FORMAT.load_file, path)
