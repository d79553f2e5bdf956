"""A request from its bytes to Kafka, without HTTP: read it, let it in, leave out what was refused, mark, publish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from app.collector import authority, consent
from app.collector.inbound import BadCall, Call, Delivery, Inbound
from app.collector.keyring import Key, KeyRing
from app.collector.machines import Machines, mark
from app.collector.metrics import Metrics
from app.collector.publish import record_of, reject_of
from app.collector.vocabulary import HEAD
from app.collector.watched import WatchedKeys
from streams.clock import monotonic_s
from streams.events.outgoing import Outgoing


class Publishes(Protocol):
    """Where records go."""

    @property
    def ready(self) -> bool:
        """Whether Kafka was there a moment ago."""

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Return when every record is safe; a Refusal says that they are not."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say about events. Topics are names."""

    web_topic: str
    mail_topic: str
    rejected_topic: str
    consent_path: tuple[str, ...] = ()
    honour_gpc: bool = True


class Reception:
    """Takes deliveries in. One for all requests."""

    def __init__(self, rules: Rules, publisher: Publishes, watched: WatchedKeys, metrics: Metrics) -> None:
        """``watched`` gives the keys in force at each moment."""
        self._rules = rules
        self._publisher = publisher
        self._watched = watched
        self._metrics = metrics
        self._machines = Machines()
        self._counts: dict[str, Callable[[float], None]] = {}

    @property
    def ring(self) -> KeyRing:
        """The keys in force."""
        return self._watched.ring

    async def tracked(self, route: str, inbound: Inbound, read: Callable[[Inbound], Delivery]) -> None:
        """A tracker's request: who sends it shows a key.

        Raises:
            Refusal: nothing of it is kept.
        """
        delivery = read(inbound)
        calls = delivery.calls
        shown = delivery.write_key
        key = self.ring.admit(
            shown,
            origin_of(inbound),
            inbound.remote,
            len(calls) + len(delivery.bad),
            monotonic_s(),
            in_query=bool(inbound.query) and any(value == shown for _, value in inbound.query),
        )
        delivery.calls = self._consented(inbound, calls)
        await self._keep(route, inbound, self._rules.web_topic, delivery, key)

    async def mailed(self, inbound: Inbound, delivery: Delivery, webhook: str) -> None:
        """What a mail service says of a mail, or its reader; let in by a signature.

        Raises:
            Refusal: nothing of it is kept.
        """
        await self._keep("webhooks", inbound, self._rules.mail_topic, delivery, None, webhook)

    async def visited(self, inbound: Inbound, delivery: Delivery) -> None:
        """A click on a signed link, of a visitor who may have refused to be counted.

        Raises:
            Refusal: nothing of it is kept.
        """
        delivery.calls = self._consented(inbound, delivery.calls)
        await self._keep("links", inbound, self._rules.web_topic, delivery, None, "links")

    def _consented(self, inbound: Inbound, calls: list[Call]) -> list[Call]:
        cause = consent.refused_by_browser(inbound) if self._rules.honour_gpc else ""
        if cause:
            self._metrics.dropped.labels(cause).inc(len(calls))
            return []
        if not self._rules.consent_path:
            return calls
        kept = consent.allowed(calls, self._rules.consent_path)
        if len(kept) < len(calls):
            self._metrics.dropped.labels("consent").inc(len(calls) - len(kept))
        return kept

    async def _keep(
        self, route: str, inbound: Inbound, topic: str, delivery: Delivery, key: Key | None, way: str = ""
    ) -> None:
        """Stamp, mark, and return when Kafka has it all."""
        at_ms, bad = inbound.received_ms, delivery.bad
        records: list[Outgoing] = []
        for call in delivery.calls:
            stamped = authority.stamp(call, key, way)
            judged = (stamped,) if isinstance(stamped, BadCall) else self._judged(stamped, inbound)
            for each in judged:
                record = each if isinstance(each, BadCall) else record_of(each, topic, at_ms)
                bad.append(record) if isinstance(record, BadCall) else records.append(record)
        kept = len(records)
        if bad:
            records += (reject_of(each, self._rules.rejected_topic, route, at_ms) for each in bad)
        await self._publisher.publish(records)
        count = self._counts.get(route)
        if count is None:
            count = self._counts[route] = self._metrics.calls.labels(route).inc
        count(kept)
        for each in bad:
            self._metrics.rejected.labels(each.reason).inc()

    def _judged(self, call: Call, inbound: Inbound) -> Sequence[Call]:
        """The call, marked if a machine made it, and what it takes back."""
        if inbound.method == "HEAD":  # no person's browser looks before it fetches
            mark(call, HEAD)
        retractions = self._machines.judge(call, inbound.received_ms)
        properties = call.get("properties")
        if isinstance(properties, dict) and properties.get("automated") is True:
            self._metrics.automated.labels(properties["automated_reason"]).inc()
        if not retractions:
            return (call,)
        self._metrics.retractions.inc(len(retractions))
        return (call, *retractions)


def origin_of(inbound: Inbound) -> str:
    """The page's origin: the header, else that of the page that the browser names, as images send no more."""
    origin = inbound.header("origin")
    if origin or not (referer := inbound.header("referer")):
        return origin
    try:
        parts = urlsplit(referer)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"
