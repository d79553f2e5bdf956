"""Takes a request to Kafka, without HTTP: check its key, drop events that visitors refused, mark machines, write."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from app.collector import authority, consent
from app.collector.event_writer import record_of, reject_record_of
from app.collector.inbound import BadCall, Call, Delivery, Inbound
from app.collector.keyring import Key, Keyring
from app.collector.machines import MachineDetector, mark_automated
from app.collector.metrics import Metrics
from app.collector.new_ids import REFUSED_ADDRESS, ids_of, traits_in
from app.collector.vocabulary import CLICKED, HEAD, OPENED
from streams.clock import monotonic_s, now_ns
from streams.events.outgoing import Outgoing
from streams.events.rejects import REASONS
from streams.tracing import Tracer
from streams.units import DAY_MS
from streams.yamlfile.watched import Watched

log = logging.getLogger(__name__)

TOO_MANY_IDS: Final = "too_many_ids"
_MAIL_ACTIONS: Final = {"pixel": OPENED, "links": CLICKED}
"""Route -> what a request to it is, in a mail."""


class RecordWriter(Protocol):
    """Writes records to Kafka."""

    async def write_records(self, records: Sequence[Outgoing]) -> None:
        """Return when every record is acknowledged; raise a Refusal otherwise."""


@dataclass(frozen=True, slots=True)
class EventSettings:
    """The settings about events."""

    web_topic: str
    mail_topic: str
    rejected_topic: str
    consent_path: tuple[str, ...] = ()
    honour_gpc: bool = True


class Reception:
    """Accepts the deliveries of all requests."""

    def __init__(
        self,
        settings: EventSettings,
        writer: RecordWriter,
        keys: Watched[Keyring],
        metrics: Metrics,
        tracer: Tracer | None = None,
    ) -> None:
        """``keys`` is the watched keys file."""
        self._tracer = tracer
        self._settings = settings
        self._writer = writer
        self._keys = keys
        self._metrics = metrics
        self._machines = MachineDetector()
        self._counts: dict[str, Callable[[float], None]] = {}
        self._reported: dict[str, int] = {}
        """Bound of a key -> the last day on which the log said that it is used up."""

    @property
    def keyring(self) -> Keyring:
        """The keys in force."""
        return self._keys.value

    async def accept_tracked(self, route: str, inbound: Inbound, read: Callable[[Inbound], Delivery]) -> None:
        """Accept a request of a tracker, which must have a key.

        Raises:
            Refusal: nothing of it is accepted.
        """
        delivery = read(inbound)
        calls = delivery.calls
        shown = delivery.write_key
        key = self.keyring.admit(
            shown,
            origin_of(inbound),
            inbound.remote,
            len(calls) + len(delivery.bad),
            monotonic_s(),
            in_query=bool(inbound.query) and _is_in_url(shown, inbound),
        )
        calls = self._drop_refused(inbound, calls)
        if key.new_ids is not None:
            calls = self._within_new_ids(inbound, calls, key, delivery)
        delivery.calls = calls
        await self._publish(route, inbound, self._settings.web_topic, delivery, key)

    async def accept_mail(self, inbound: Inbound, delivery: Delivery, webhook: str) -> None:
        """Accept events about mails from a mail service or a reader, whose signature is already checked.

        Raises:
            Refusal: nothing of it is accepted.
        """
        await self._publish("webhooks", inbound, self._settings.mail_topic, delivery, None, webhook)

    async def accept_click(self, inbound: Inbound, delivery: Delivery) -> None:
        """Accept a click on a signed link; it is dropped if the visitor refused to be counted.

        Raises:
            Refusal: nothing of it is accepted.
        """
        delivery.calls = self._drop_refused(inbound, delivery.calls)
        await self._publish("links", inbound, self._settings.web_topic, delivery, None, "links")

    def _drop_refused(self, inbound: Inbound, calls: list[Call]) -> list[Call]:
        cause = consent.browser_refusal(inbound) if self._settings.honour_gpc else ""
        if cause:
            self._metrics.dropped.labels(cause).inc(len(calls))
            return []
        if not self._settings.consent_path:
            return calls
        kept = consent.calls_with_consent(calls, self._settings.consent_path)
        if len(kept) < len(calls):
            self._metrics.dropped.labels("consent").inc(len(calls) - len(kept))
        return kept

    def _within_new_ids(self, inbound: Inbound, calls: list[Call], key: Key, delivery: Delivery) -> list[Call]:
        """The calls that name no more new ids and traits than a key may; the others are rejected.

        A refusal of the whole request would make trackers send it again for the rest of the day.
        """
        kept, new_ids, new_traits, remote, at_ms = list[Call](), 0, 0, inbound.remote, inbound.received_ms
        for call in calls:
            ids = self.keyring.admit_ids(key, remote, ids_of(call), at_ms)
            traits = ids if ids < 0 else self.keyring.admit_traits(key, remote, traits_in(call), at_ms)
            new_ids += max(ids, 0)  # they are spent although the call may be refused for its traits
            if traits < 0:
                self._report_used_up(key, "new ids" if ids < 0 else "sets of traits", traits, at_ms // DAY_MS)
                delivery.bad.append(BadCall(json.dumps(call).encode(), TOO_MANY_IDS, REASONS[TOO_MANY_IDS]))
            else:
                kept.append(call)
                new_traits += traits
        if new_ids:
            self._metrics.new_ids.labels(key.name).inc(new_ids)
        if new_traits:
            self._metrics.new_traits.labels(key.name).inc(new_traits)
        return kept

    def _report_used_up(self, key: Key, what: str, refused: int, day: int) -> None:
        """Log that a key has reached a limit, once a day for each; ``refused`` is REFUSED or REFUSED_ADDRESS."""
        of_address = refused == REFUSED_ADDRESS
        bound = f"{key.name} {what} {of_address}"
        if key.new_ids is None or self._reported.get(bound, -1) >= day:
            return
        self._reported[bound] = day
        log.warning(
            "the %s of %sthe key `%s` are used up for today (%s): events with others go to %s as %s until midnight UTC",
            what,
            "one address that uses " if of_address else "",
            key.name,
            f"{key.new_ids[of_address]:,}",
            self._settings.rejected_topic,
            TOO_MANY_IDS,
        )

    async def _publish(
        self, route: str, inbound: Inbound, topic: str, delivery: Delivery, key: Key | None, webhook: str = ""
    ) -> None:
        """Stamp and mark the calls, and return when Kafka has acknowledged all of them."""
        at_ms, bad = inbound.received_ms, delivery.bad
        records: list[Outgoing] = []
        for call in delivery.calls:
            stamped = authority.stamp_call(call, key, webhook)
            judged = (stamped,) if isinstance(stamped, BadCall) else self._mark_machines(stamped, inbound, route)
            for each in judged:
                record = each if isinstance(each, BadCall) else record_of(each, topic, at_ms)
                bad.append(record) if isinstance(record, BadCall) else records.append(record)
        kept = len(records)
        if bad:
            records += (reject_record_of(each, self._settings.rejected_topic, route, at_ms) for each in bad)
        await self._writer.write_records(records)
        if self._tracer is not None:
            times_ns = (at_ms * 1_000_000, now_ns())
            self._tracer.trace_received(records[:kept], times_ns, route, inbound.header("traceparent"))
        count = self._counts.get(route)
        if count is None:
            count = self._counts[route] = self._metrics.calls.labels(route).inc
        count(kept)
        for each in bad:
            self._metrics.rejected.labels(each.reason).inc()

    def _mark_machines(self, call: Call, inbound: Inbound, route: str) -> Sequence[Call]:
        """The call, marked if a machine made it, and retractions of earlier calls."""
        if inbound.method == "HEAD":  # browsers of people send no HEAD request
            mark_automated(call, HEAD)
        retractions = self._machines.judge_call(call, inbound.received_ms, _MAIL_ACTIONS.get(route))
        properties = call.get("properties")
        if isinstance(properties, dict) and properties.get("automated") is True:
            self._metrics.automated.labels(properties["automated_reason"]).inc()
        if not retractions:
            return (call,)
        self._metrics.retractions.inc(len(retractions))
        return (call, *retractions)


def _is_in_url(key: str, inbound: Inbound) -> bool:
    """Whether a key was in the URL: as a parameter, or in the event of a pixel."""
    in_event = inbound.method != "POST" and not inbound.header("authorization")
    return in_event or any(value == key for _, value in inbound.query)


def origin_of(inbound: Inbound) -> str:
    """The page's origin: from Origin, else from Referer, because images are requested without Origin."""
    origin = inbound.header("origin")
    if origin or not (referer := inbound.header("referer")):
        return origin
    try:
        parts = urlsplit(referer)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"
