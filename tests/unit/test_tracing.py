"""Spans of events: which are traced, how they fit together, and what happens without the extra."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import orjson
import pytest
from faust.types import TP
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from typer.testing import CliRunner

from app import otlp
from app.board.metrics import Metrics as BoardMetrics
from app.cli.root import build
from app.collector.metrics import Metrics as CollectorMetrics
from app.notify.metrics import Metrics as NotifyMetrics
from app.otlp import SpanExport
from streams.events.outgoing import Outgoing
from streams.events.records import KIND_HEADER, SOURCE_HEADER
from streams.metrics import Metrics
from streams.probes import serve
from streams.tracing import Span, Tracer, trace_id_of

CALL = b'{"type":"page","messageId":"m1","userId":"u","leadglow":{"key":"site"}}'
ALERT = orjson.dumps({"data": {"triggering_event": {"event_id": "m1"}}})
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def record(value: bytes | None, offset: int = 0, **headers: bytes) -> Any:
    names = {"source": SOURCE_HEADER, "kind": KIND_HEADER}
    found = [(names[name], content) for name, content in headers.items()]
    return SimpleNamespace(value=value, offset=offset, timestamp=0, headers=found)


def outgoing(value: bytes | None, alert_id: str = "") -> Outgoing:
    return Outgoing("topic", b"u", value, 0, [], alert_id)


def tracer_to(spans: list[Span], ratio: float = 1.0) -> Tracer:
    return Tracer(ratio, spans.append)


def test_the_share_of_events_that_are_traced_is_the_same_events_in_every_process() -> None:
    ids = [f"m{i}" for i in range(4000)]
    one, another = ([each for each in ids if tracer_to([], 0.25).find(each)] for _ in range(2))

    assert one == another
    assert 0.22 < len(one) / len(ids) < 0.28
    assert tracer_to([], 1.0).find("") is None


def test_one_event_is_one_trace_from_collector_to_notifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=trial")
    memory = InMemorySpanExporter()
    tracer = Tracer(1.0, SpanExport("leadglow-worker", SimpleSpanProcessor(memory)).export)
    tracer.trace_received([outgoing(CALL)], (10, 20), "segment", CALLER)
    tracer.trace_intake({TP("web", 3): [record(CALL, 7)]}, 30, 40)
    tracer.trace_scored(2, [record(CALL, source=b"web:3:7")], 50, 60)
    tracer.trace_scored(4, [record(CALL, source=b"~2.1:9")], 61, 62)
    event = tracer.trace_alert(outgoing(ALERT, "a1"), 4, 70, 80)
    assert event is not None
    tracer.trace_attempt(event, ("slack", "a1", 1), (90, 95), "retry", failed=True)
    spans: tuple[ReadableSpan, ...] = memory.get_finished_spans()
    ids = {span.context.span_id: name_of(span) for span in spans if span.context}

    assert [(name_of(span), span.parent and ids[span.parent.span_id]) for span in spans] == [
        ("receive", None),
        ("intake", "receive"),
        ("score 2", "intake"),
        ("score 4", "score 2"),
        ("handoff", "score 4"),
        ("deliver", "handoff"),
    ]
    assert {span.context.trace_id for span in spans if span.context} == {trace_id_of("m1")}
    assert (spans[0].start_time, spans[0].end_time, spans[0].kind) == (10, 20, SpanKind.SERVER)
    assert f"{spans[0].links[0].context.span_id:x}" == "b7ad6b7169203331"
    assert dict(spans[1].attributes or {}) == {
        "leadglow.event_id": "m1",
        "leadglow.record": "web:3:7",
        "leadglow.waited_ms": 0,
    }
    assert [span.status.is_ok for span in spans] == [True] * 5 + [False]
    assert spans[0].resource.attributes["service.name"] == "leadglow-worker"
    assert spans[0].resource.attributes["deployment.environment.name"] == "trial"


def name_of(span: ReadableSpan) -> str:
    partition = (span.attributes or {}).get("leadglow.partition")
    return span.name if partition is None else f"{span.name} {partition}"


@pytest.mark.parametrize("value", [None, b"not JSON", b"[1]"])
def test_records_that_are_no_events_have_no_spans(value: bytes | None) -> None:
    spans: list[Span] = []
    tracer = tracer_to(spans)
    tracer.trace_intake({TP("web", 0): [record(value)]}, 0, 1)
    tracer.trace_scored(0, [record(value), record(CALL, kind=b"join")], 0, 1)

    assert spans == []


def test_an_event_that_no_collector_received_begins_its_trace_at_intake() -> None:
    spans: list[Span] = []
    tracer_to(spans).trace_intake({TP("crm", 0): [record(b'{"type":"page","userId":"u"}')]}, 0, 1)

    assert [(span.name, span.parent) for span in spans] == [("intake", "")]


def test_a_text_that_is_no_traceparent_makes_no_link() -> None:
    memory = InMemorySpanExporter()
    export = SpanExport("leadglow-collector", SimpleSpanProcessor(memory)).export
    Tracer(1.0, export).trace_received([outgoing(CALL)], (1, 2), "segment", "nonsense")

    assert [len(span.links) for span in memory.get_finished_spans()] == [0]


@pytest.fixture
def without_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "app.otlp")
    monkeypatch.setattr(sys.modules["app"], "otlp", None)
    for name in [name for name in sys.modules if name.startswith("opentelemetry.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)


def test_a_receiver_that_is_away_costs_one_line_of_ours_in_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    times = iter([0.0, 0.0, 59.0, 61.0, 61.0])
    monkeypatch.setattr(otlp, "monotonic_s", lambda: next(times))
    loggers = [logging.getLogger(name) for name in otlp.LOGGERS]
    for logger in loggers:
        monkeypatch.setattr(logger, "handlers", [])
        monkeypatch.setattr(logger, "propagate", True)
    otlp.report_drops()
    for _ in range(3):
        loggers[0].getChild("otlp").warning("Transient error %s.", "refused")

    assert [each.name for each in caplog.records] == ["app.otlp"] * 2
    assert "dropped, as the receiver of traces does not take them (Transient error refused)" in caplog.text
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in caplog.text


@pytest.mark.usefixtures("without_opentelemetry")
def test_without_the_extra_it_is_refused_with_the_remedy(tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    keys.write_text("leadglow_keys: 1\nkeys: [{name: site, write_key: demo, origins: any}]\n")
    settings = {
        "LEADGLOW_TRACE_RATIO": "0.1",
        "LEADGLOW_COLLECTOR_KEYS": str(keys),
        "LEADGLOW_SOURCES": "web-events,email-events",
    }
    result = CliRunner().invoke(build(), ["collector"], env=settings)

    assert result.exit_code == 78
    assert "pip install 'leadglow[tracing]'" in result.stderr


@pytest.mark.parametrize("make", [Metrics, CollectorMetrics, NotifyMetrics, BoardMetrics])
async def test_metrics_are_strict_openmetrics_with_exemplars_for_those_who_ask(make: Any) -> None:
    metrics = make()
    if isinstance(metrics, Metrics):
        metrics.handoff_seconds.observe(0.3, {"trace_id": f"{7:032x}"})
    runner = await serve("127.0.0.1", 0, metrics.registry, lambda: True)
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(address, headers={"Accept": "application/openmetrics-text;version=1.0.0"}) as answer:
                families = list(text_string_to_metric_families(await answer.text()))  # type: ignore[no-untyped-call]
            async with session.get(address) as answer:
                assert answer.content_type == "text/plain"
                assert "trace_id" not in await answer.text()
    finally:
        await runner.cleanup()
    exemplars = [sample.exemplar for family in families for sample in family.samples if sample.exemplar]

    assert [each.labels["trace_id"] for each in exemplars] == [f"{7:032x}"] * isinstance(metrics, Metrics)
