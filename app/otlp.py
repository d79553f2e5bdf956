"""Exports spans by OTLP, with the standard variables of the SDK: `OTEL_EXPORTER_OTLP_ENDPOINT` and others."""

from __future__ import annotations

import atexit
import logging
import math
import threading
from importlib.metadata import version
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from streams.clock import monotonic_s
from streams.tracing import Span, span_id_of

log = logging.getLogger(__name__)
LOGGERS: Final = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")
"""Loggers of what sends spans."""
TOLD_EVERY_S: Final = 60.0
FLUSH_S: Final = 2.0
"""How long the end of a process waits until the last spans are sent."""
KINDS: Final = {"receive": SpanKind.SERVER, "handoff": SpanKind.PRODUCER, "deliver": SpanKind.CLIENT}
SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class _GivenIds(IdGenerator):
    """Uses the ids of the span that is exported."""

    trace_id = 0
    span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class SpanExport:
    """Passes finished spans to the SDK, which sends them in a thread of its own."""

    def __init__(self, service: str, processor: SpanProcessor) -> None:
        """``service`` is the name of the process, unless a variable of the SDK gives another."""
        own = Resource.create({"service.name": service, "service.version": version("leadglow")})
        self._ids = _GivenIds()
        self._provider = TracerProvider(
            ALWAYS_ON, own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False, id_generator=self._ids
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("leadglow", version("leadglow"))

    def export(self, span: Span) -> None:
        """Pass one span on."""
        trace_id = self._ids.trace_id = span.event.trace_id
        self._ids.span_id = span_id_of(span.event, span.place)
        context = Context()
        if span.parent:
            parent = SpanContext(trace_id, span_id_of(span.event, span.parent), is_remote=True, trace_flags=SAMPLED)
            context = set_span_in_context(NonRecordingSpan(parent), context)
        made = self._tracer.start_span(
            span.name,
            context,
            KINDS.get(span.name, SpanKind.INTERNAL),
            {"leadglow.event_id": span.event.event_id, **span.attributes},
            _links_to(span.caller),
            span.begin_ns,
        )
        if span.failed:
            made.set_status(Status(StatusCode.ERROR))
        made.end(span.end_ns)

    def close(self) -> None:
        """Send the last spans, within ``FLUSH_S``."""
        thread = threading.Thread(target=self._provider.shutdown, daemon=True)
        thread.start()
        thread.join(FLUSH_S)


def start_export(service: str) -> SpanExport:
    """Send spans until the process ends."""
    made = SpanExport(service, BatchSpanProcessor(OTLPSpanExporter()))
    report_drops()
    atexit.register(made.close)
    return made


class Drops(logging.Handler):
    """Says that spans are dropped, once a minute at most, in place of the lines of the library."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told_s = -math.inf

    def emit(self, record: logging.LogRecord) -> None:
        """Replace a line."""
        if monotonic_s() - self._told_s < TOLD_EVERY_S:
            return
        self._told_s = monotonic_s()
        log.warning(
            "spans are dropped, as the receiver of traces does not take them (%s): start it, or set "
            "OTEL_EXPORTER_OTLP_ENDPOINT to its address",
            record.getMessage()[:200].rstrip(". "),
        )


def report_drops() -> None:
    """Replace what the library logs when spans cannot be sent."""
    drops = Drops()
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [drops], False


def _links_to(caller: str) -> list[Link]:
    """A link to the span of a `traceparent`; none if it cannot be read."""
    found = get_current_span(TraceContextTextMapPropagator().extract({"traceparent": caller})).get_span_context()
    return [Link(found)] if found.is_valid else []
