"""One event that goes through collector, worker and notifier is one trace, which an OTLP receiver gets."""

from __future__ import annotations

import gzip
import json
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.private_files import write_private
from streams.clock import now_ns
from streams.tracing import trace_id_of
from tests.support.http_server import Answer, Request, serve
from tests.support.servers import Running
from tests.support.system import ASKED_CARD, System
from tests.support.waiting import wait_for

KEYS = "leadglow_keys: 1\nkeys: [{name: site, write_key: demo, origins: any}]\n"
ROUTES = """
leadglow_routes: 1
destinations:
  crm: {{webhook: {{url: "{url}/hook"}}, allow_networks: 127.0.0.1}}
routes:
  - {{name: crm, to: crm}}
"""
TRACE_ID = trace_id_of("public:site:m1")  # the collector marks ids of public keys
STEPS = ["receive", "intake", "score", "handoff", "deliver"]


class Receiver:
    """What an OTLP receiver has got: (service, span)."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []

    def answer(self, request: Request) -> Answer:
        if request.path != "/v1/traces":
            return Answer(204)
        is_packed = request.headers.get("content-encoding") == "gzip"
        batch = ExportTraceServiceRequest.FromString(gzip.decompress(request.body) if is_packed else request.body)
        for resource in batch.resource_spans:
            (name,) = [each.value.string_value for each in resource.resource.attributes if each.key == "service.name"]
            self.spans += [(name, span) for scope in resource.scope_spans for span in scope.spans]
        return Answer(200)


@pytest.mark.usefixtures("_apache_kafka")  # the notifier does not become ready on the embedded broker
def test_an_event_is_one_trace_and_an_exemplar(
    kafka: Running, redis_url: str, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, card, routes = (tmp_path / f"{name}.yaml" for name in ("keys", "card", "routes"))
    write_private(keys, KEYS)
    card.write_text(ASKED_CARD)
    topics = {"collector_web_topic": f"{unique}-web", "collector_mail_topic": f"{unique}-web"}
    system = System(kafka, redis_url, unique, scorecards=str(card), trace_ratio="1", **topics)
    assert system.run("topics", "create").exit_code == 0
    receiver, begin_ns = Receiver(), now_ns()
    with serve(receiver.answer) as web:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", web.address)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        routes.write_text(ROUTES.format(url=web.address))
        with system.worker() as worker, system.collector(keys) as collector, system.notifier(routes) as notifier:
            for process in (worker, collector, notifier):
                process.wait_ready()
            post(collector.url, {"type": "track", "event": "Asked", "messageId": "m1", "userId": "ann"})
            wait_for(lambda: len(receiver.spans) >= len(STEPS), "traced", said=lambda: str(receiver.spans))
            request = urllib.request.Request(
                f"{worker.address}/metrics", headers={"Accept": "application/openmetrics-text"}
            )
            with urllib.request.urlopen(request, timeout=5) as page:
                metrics = page.read().decode()
    spans = [span for _, span in sorted(receiver.spans, key=lambda each: STEPS.index(each[1].name))]

    assert [span.name for span in spans] == STEPS
    assert [span.parent_span_id for span in spans] == [b"", *(span.span_id for span in spans[:-1])]
    assert {span.trace_id for span in spans} == {TRACE_ID.to_bytes(16)}
    starts_ns = [span.start_time_unix_nano for span in spans]
    assert starts_ns == sorted(starts_ns)
    assert all(
        begin_ns - 1_000_000 <= span.start_time_unix_nano <= span.end_time_unix_nano <= now_ns() for span in spans
    )
    assert {(name, span.name) for name, span in receiver.spans} == {
        ("leadglow-collector", "receive"),
        *(("leadglow-worker", step) for step in STEPS[1:4]),
        ("leadglow-notifier", "deliver"),
    }
    assert f'# {{trace_id="{TRACE_ID:032x}"}}' in metrics


def post(url: str, call: dict[str, str]) -> None:
    head = {"Authorization": f"Basic {b64encode(b'demo:').decode()}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/track", json.dumps(call).encode(), head)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
