"""The collector's site over real sockets, with a publisher that keeps what it is given."""

import asyncio
import base64
import gzip
import io
import json
import re
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from app.collector import links, request_reader, site, snippet
from app.collector.bodies import MemoryBudget, inflate
from app.collector.collector import watch_keys
from app.collector.event_writer import kafka_unavailable
from app.collector.inbound import Delivery, Inbound, Refusal
from app.collector.keyring import Keyring
from app.collector.metrics import Metrics
from app.collector.openapi import openapi_document
from app.collector.reception import EventSettings, Reception
from app.collector.request_reader import Limits
from app.collector.responses import ACCEPTED
from app.collector.site import Site
from app.collector.webhooks import unsubscribe
from app.collector.webhooks.sns import NeedsCertificate
from app.private_files import write_private
from streams.events.outgoing import Outgoing
from streams.yamlfile.watched import Watched
from tests.support.waiting import until

SECRET = "0123456789abcdef0123456789abcdef"
KEYS = f"""
leadglow_keys: 1
keys:
  - {{name: site, write_key: wk_site, origins: ["https://acme.example"]}}
  - {{name: app, write_key: wk_app, origins: any}}
  - {{name: slow, write_key: wk_slow, origins: any, rate: 2/h}}
  - {{name: backend, server: true, sha256: "{sha256(b"lgs_secret").hexdigest()}"}}
webhooks:
  - {{name: news, service: mailchimp, secret: open-sesame}}
links: {{secret: "{SECRET}"}}
"""
SETTINGS = EventSettings("web", "mail", "rejected", ("context", "consent", "ads"))
CALL = {"type": "track", "event": "Demo Requested", "messageId": "m-1", "userId": "u-1"}
PAGE = {"Origin": "https://acme.example"}


class Kept:
    """A publisher that keeps everything, or refuses, or waits."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.away = False
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = 0
        self.ready = True

    async def write_records(self, records: Sequence[Outgoing]) -> None:
        self.waiting += 1
        await self.open.wait()
        if self.away:
            raise kafka_unavailable()
        self.records += records

    def calls(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(record.value or b"") for record in self.records if record.topic == topic]


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def code(self) -> str:
        said = json.loads(self.body)
        assert sorted(said) == ["code", "message"]
        assert said["message"]
        return str(said["code"])


@dataclass
class Running:
    url: str
    site: Site
    kept: Kept
    metrics: Metrics
    keys: Watched[Keyring]
    session: aiohttp.ClientSession = field(repr=False)

    async def send(self, method: str, path: str, **options: Any) -> Answer:
        async with self.session.request(method, self.url + path, allow_redirects=False, **options) as reply:
            answer = Answer(reply.status, reply.headers, await reply.read())
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert "aiohttp" not in reply.headers["Server"]
        assert re.fullmatch("[0-9a-f]{16}", reply.headers["X-Request-Id"])
        assert path == "/leadglow.js" or reply.headers["Cache-Control"] == "no-store"
        return answer

    async def post(self, body: Any, path: str = "/v1/batch", key: str = "wk_app", **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        shown = {"Authorization": f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"} if key else {}
        return await self.send("POST", path, data=io.BytesIO(raw), headers={**shown, **said})

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"leadglow_collector_{name}", labels) or 0.0


@asynccontextmanager
async def serving(
    keys: Path, settings: EventSettings = SETTINGS, limits: Limits | None = None
) -> AsyncIterator[Running]:
    metrics, kept = Metrics(), Kept()
    watched = watch_keys(keys, metrics)
    served = Site(Reception(settings, kept, watched, metrics), limits or Limits(), metrics)
    url = await served.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            yield Running(url, served, kept, metrics, watched, session)
    finally:
        kept.open.set()
        await served.stop()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.yaml"
    write_private(path, KEYS)
    return path


@pytest.fixture
async def running(keys: Path) -> AsyncIterator[Running]:
    async with serving(keys) as it:
        yield it


# What is accepted -------------------------------------------------------------------------------------------------

CLOUD_EVENT = {"specversion": "1.0", "id": "ce-1", "source": "/shop", "type": "Demo Requested", "subject": "u-1"}
SNOWPLOW = {"schema": "iglu:x/payload_data/jsonschema/1-0-4", "data": [{"e": "se", "se_ac": "play", "uid": "u-1"}]}


@pytest.mark.parametrize("path", ["t", "track", "b", "batch", "import"])
async def test_an_event_is_kept_with_its_key_before_200_is_answered(running: Running, path: str) -> None:
    answer = await running.post(CALL, f"/v1/{path}")

    assert (answer.status, answer.body) == (200, ACCEPTED)
    stamped = {"messageId": "public:app:m-1", "leadglow": {"key": "app", "public": True}}
    assert running.kept.calls("web") == [CALL | stamped]
    assert running.kept.records[0].key == b"u-1"
    assert running.kept.records[0].timestamp_ms > 1_700_000_000_000


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/com.snowplowanalytics.snowplow/tp2", SNOWPLOW, {}),
        ("/v1/cloudevents", CLOUD_EVENT, {"Content_Type": "application/cloudevents+json"}),
        ("/v1/cloudevents", [CLOUD_EVENT], {"Content_Type": "application/cloudevents-batch+json"}),
    ],
)
async def test_every_protocol_is_accepted(running: Running, path: str, body: Any, headers: dict[str, str]) -> None:
    answer = await running.post(body, path, **headers)

    assert (answer.status, answer.body) == (200, ACCEPTED)
    assert [call["userId"] for call in running.kept.calls("web")] == ["u-1"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json;charset=UTF-8", "text/plain", "application/x-www-form-urlencoded", "a/b/c"],
)
async def test_the_content_type_does_not_matter(running: Running, content_type: str) -> None:
    assert (await running.post({"batch": [CALL]}, Content_Type=content_type)).status == 200


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/i?e=se&se_ac=play&uid=u-1&aid=wk_app", "GET"),
        ("/v1/pixel.gif?writeKey=wk_app&userId=u-1", "GET"),
        ("/v1/pixel/track?writeKey=wk_app&userId=u-1&event=play", "GET"),
        ("/pixel/v1/page?writeKey=wk_app&userId=u-1", "GET"),
    ],
)
async def test_a_picture_counts(running: Running, path: str, method: str) -> None:
    answer = await running.send(method, path)

    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, links.GIF, "image/gif")
    assert len(running.kept.calls("web")) == 1


async def test_a_request_that_only_looks_is_marked_as_a_machines(running: Running) -> None:
    await running.send("HEAD", "/v1/pixel.gif?writeKey=wk_app&userId=u-1")

    [call] = running.kept.calls("web")
    assert (call["properties"]["automated"], call["properties"]["automated_reason"]) == (True, "head_request")
    assert running.count("calls_automated_total", reason="head_request") == 1


@pytest.mark.parametrize("place", ["basic", "bearer", "body", "query"])
async def test_the_key_is_accepted_in_four_places(running: Running, place: str) -> None:
    batch: dict[str, Any] = {"batch": [CALL]}
    if place == "body":
        batch["writeKey"] = "wk_app"
    path = "/v1/batch?writeKey=wk_app" if place == "query" else "/v1/batch"
    headers = {"Authorization": "Bearer wk_app"} if place == "bearer" else {}

    assert (await running.post(batch, path, "wk_app" if place == "basic" else "", **headers)).status == 200


async def test_a_bad_event_in_a_good_batch_is_rejected_apart(running: Running) -> None:
    bad = {"type": "nonsense", "userId": "u-2"}

    answer = await running.post({"batch": [CALL, bad]})

    assert (answer.status, answer.body) == (200, ACCEPTED)
    [reject] = [record for record in running.kept.records if record.topic == "rejected"]
    headers = dict(reject.headers)
    assert json.loads(reject.value or b"") == bad
    assert (headers["reason"], headers["leadglow-source"]) == (b"unknown_type", b"collector:segment")
    assert running.count("calls_rejected_total", reason="unknown_type") == 1
    assert running.count("calls_total", route="segment") == 1


async def test_an_event_that_a_public_key_may_not_send_is_rejected_alone(running: Running) -> None:
    answer = await running.post({**CALL, "event": "Email Opened"})

    assert answer.status == 200
    assert running.kept.calls("web") == []
    assert [record.topic for record in running.kept.records] == ["rejected"]


# Bodies -----------------------------------------------------------------------------------------------------------

BATCH = json.dumps({"batch": [CALL]}).encode()
RAW_DEFLATE = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(BATCH, mtime=0), "gzip"),
        (gzip.compress(BATCH[:20], mtime=0) + gzip.compress(BATCH[20:], mtime=0), "gzip"),
        (gzip.compress(BATCH, mtime=0), "X-GZIP"),
        (zlib.compress(BATCH), "deflate"),
        (RAW_DEFLATE.compress(BATCH) + RAW_DEFLATE.flush(), "deflate"),
        (BATCH, "identity"),
    ],
)
async def test_compressed_bodies_are_read(running: Running, body: bytes, encoding: str) -> None:
    assert (await running.post(body, Content_Encoding=encoding)).status == 200
    assert len(running.kept.calls("web")) == 1


@pytest.mark.parametrize(
    ("body", "encoding", "status", "code"),
    [
        (b"not gzip at all", "gzip", 400, "bad_encoding"),
        (gzip.compress(BATCH, mtime=0)[:-12], "gzip", 400, "bad_encoding"),
        (gzip.compress(BATCH, mtime=0) + b"rubbish", "gzip", 400, "bad_encoding"),
        (b"\x78", "deflate", 400, "bad_encoding"),
        (BATCH, "br", 415, "unknown_encoding"),
        (gzip.compress(bytes(60_000_000)), "gzip", 413, "too_large"),
        (b" " * 6_000_000, "identity", 413, "too_large"),
        (b"", "identity", 400, "invalid_json"),
        (b"{", "identity", 400, "invalid_json"),
        (b"[1]", "identity", 400, "not_an_object"),
        (b'{"batch":[{"type":"x"}]}', "identity", 400, "unknown_type"),
    ],
)
async def test_unusable_requests_are_refused(
    running: Running, body: bytes, encoding: str, status: int, code: str
) -> None:
    answer = await running.post(body, Content_Encoding=encoding)

    assert (answer.status, answer.code) == (status, code)
    assert running.kept.records == []
    assert running.count("requests_refused_total", code=code) == 1


async def test_a_body_of_unknown_length_is_bounded_too(keys: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 1000

    async with serving(keys, limits=Limits(body_bytes=10_000)) as running:
        answer = await running.send("POST", "/v1/batch", data=endless())

    assert (answer.status, answer.code) == (413, "too_large")


async def test_a_body_that_never_ends_is_given_up(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_reader, "BODY_S", 0.05)
    reader, writer = await asyncio.open_connection(*running.url.removeprefix("http://").split(":"))
    writer.write(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")

    head = await reader.readuntil(b"\r\n\r\n")

    assert b" 408 " in head.split(b"\r\n")[0]
    writer.close()


@pytest.mark.parametrize("sent", [b"", b"POST /v1/t HTTP/1.1\r\nHost: x\r\nAuthorization: Ba"])
async def test_who_takes_too_long_over_a_head_is_left(keys: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(site, "IDLE_S", 0.05)
    async with serving(keys) as running, asyncio.timeout(5):
        assert await talk(running, sent) == b""


async def test_unfinished_heads_take_part_of_the_memory_for_requests(keys: Path) -> None:
    async with serving(keys, limits=Limits(in_flight_bytes=4 * 1024 * 1024)) as running:
        reader, writer = await asyncio.open_connection(*running.url.removeprefix("http://").split(":"))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 1_000)
        await until(lambda: running.count("in_flight_bytes") > 1_000)
        writer.write(b"\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")

        assert running.count("in_flight_bytes") == 0
        assert running.count("connections") == 1
        writer.close()


async def test_more_than_the_collector_can_hold_is_put_off(keys: Path) -> None:
    async with serving(keys, limits=Limits(in_flight_bytes=4 * 1024 * 1024)) as running:
        running.kept.open.clear()
        first = asyncio.create_task(running.post({"batch": [{**CALL, "properties": {"x": "y" * 800_000}}]}))
        await until(lambda: running.kept.waiting == 1)

        answer = await running.post({"batch": [{**CALL, "properties": {"x": "y" * 300_000}}]})

        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "too_busy", "1")
        running.kept.open.set()
        assert (await first).status == 200
        assert running.count("in_flight_bytes") == 0


# Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "headers", "status", "code"),
    [
        ("", {}, 401, "unknown_key"),
        ("wk_nobody", {}, 401, "unknown_key"),
        ("wk_site", {}, 403, "origin_not_allowed"),
        ("wk_site", {"Origin": "https://elsewhere.example"}, 403, "origin_not_allowed"),
    ],
)
async def test_a_sender_without_a_valid_key_is_refused(
    running: Running, key: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await running.post(CALL, key=key, **headers)

    assert (answer.status, answer.code) == (status, code)
    assert running.kept.records == []


async def test_a_server_key_in_an_address_is_refused(running: Running) -> None:
    answer = await running.post(CALL, "/v1/track?writeKey=lgs_secret", key="")

    assert (answer.status, answer.code) == (403, "secret_in_url")


async def test_a_server_key_in_the_event_of_a_pixel_is_refused_as_well(running: Running) -> None:
    data = base64.urlsafe_b64encode(json.dumps(CALL | {"writeKey": "lgs_secret"}).encode()).decode()
    answer = await running.send("GET", f"/v1/pixel/track?data={data}")

    assert (answer.status, answer.code) == (403, "secret_in_url")


async def test_a_beacon_of_rudderstack_is_taken_as_a_batch(running: Running) -> None:
    body = {"batch": [CALL], "sentAt": "2026-11-22T01:02:03.000Z"}
    answer = await running.post(body, "/beacon/v1/batch?writeKey=wk_app", key="", Content_Type="text/plain")

    assert (answer.status, answer.body) == (200, ACCEPTED)
    assert [call["sentAt"] for call in running.kept.calls("web")] == ["2026-11-22T01:02:03.000Z"]


async def test_a_picture_is_let_in_by_the_page_that_shows_it(running: Running) -> None:
    path = "/v1/pixel.gif?writeKey=wk_site&userId=u-1"

    assert (await running.send("GET", path, headers={"Referer": "https://acme.example/pricing"})).status == 200
    assert (await running.send("GET", path, headers={"Referer": "https://elsewhere.example/"})).status == 403


async def test_too_many_events_are_put_off(running: Running) -> None:
    await running.post({"batch": [CALL, CALL]}, key="wk_slow")

    answer = await running.post(CALL, key="wk_slow")

    assert (answer.status, answer.code) == (429, "too_many_events")
    assert int(answer.headers["Retry-After"]) > 0


async def test_without_kafka_everything_is_put_off(running: Running) -> None:
    running.kept.away = True

    answer = await running.post(CALL)

    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "kafka_away", "2")
    assert running.count("calls_total", route="segment") == 0


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("POST", "/v1/nothing", 404, "not_found"),
        ("GET", "/webhooks/nobody", 404, "unknown_webhook"),
        ("PUT", "/v1/batch", 405, "method_not_allowed"),
        ("DELETE", "/webhooks/news", 405, "method_not_allowed"),
        ("GET", "/v1/link?to=https://evil.example&sig=x", 403, "bad_signature"),
        ("GET", "/unsubscribe/nonsense", 404, "unknown_address"),
    ],
)
async def test_errors_have_a_code_and_a_message(
    running: Running, method: str, path: str, status: int, code: str
) -> None:
    answer = await running.send(method, path)

    assert (answer.status, answer.code) == (status, code)


async def test_a_wrong_method_is_answered_with_the_right_ones(running: Running) -> None:
    assert (await running.send("GET", "/v1/batch")).headers["Allow"] == "POST"


async def test_an_unexpected_error_is_500_with_a_code(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.collector.openapi.openapi_document", lambda base: 1 / 0)

    answer = await running.send("GET", "/openapi.json")

    assert (answer.status, answer.code) == (500, "internal")
    assert "ZeroDivisionError" in caplog.text


async def talk(running: Running, request: bytes) -> bytes:
    """Bytes for bytes, until the other side closes."""
    reader, writer = await asyncio.open_connection(*running.url.removeprefix("http://").split(":"))
    writer.write(request)
    said = await reader.read()
    writer.close()
    await writer.wait_closed()
    return said


@pytest.mark.parametrize(
    ("expect", "status"),
    [(b"100-continue", b"HTTP/1.1 100"), (b"more", b"HTTP/1.1 200"), (b"\xff\xfe", b"HTTP/1.1 200")],
)
async def test_expect_100_continue_is_answered_and_other_expectations_are_ignored(
    running: Running, expect: bytes, status: bytes
) -> None:
    body = json.dumps({**CALL, "writeKey": "wk_app"}).encode()
    head = b"POST /v1/t HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: %s\r\nContent-Length: %d\r\n\r\n"

    said = await talk(running, head % (expect, len(body)) + body)

    assert said.startswith(status)
    assert said.endswith(ACCEPTED)


@pytest.mark.parametrize("target", ["*", "/", "/nowhere", "//"])
async def test_a_preflight_is_answered_for_any_target(running: Running, target: str) -> None:
    said = await talk(
        running, f"OPTIONS {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: \xff\r\n\r\n".encode()
    )
    assert said.startswith(b"HTTP/1.1 200")


async def test_invalid_http_gets_400_and_is_not_logged(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    said = await talk(running, b"POST /v1/t HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n")

    assert said.startswith(b"HTTP/1.0 400") or said.startswith(b"HTTP/1.1 400")
    assert caplog.records == []


@pytest.mark.parametrize("raw", [b"Origin: \xff\xfe", b"Host: \xc3\x28", b"Access-Control-Request-Headers: \xff"])
async def test_headers_that_are_no_text_break_nothing(running: Running, raw: bytes) -> None:
    for line in (b"OPTIONS /v1/t", b"GET /v1/projects/%ff/settings", b"GET /openapi.json", b"POST /v1/t"):
        reader, writer = await asyncio.open_connection(*running.url.removeprefix("http://").split(":"))
        extra = b"" if raw.startswith(b"Host") else b"Host: x\r\n"
        origin = b"" if raw.startswith(b"Origin") else b"Origin: https://acme.example\r\n"
        writer.write(line + b" HTTP/1.1\r\n" + extra + origin + raw + b"\r\nConnection: close\r\n\r\n")

        status = int((await reader.read()).split(b" ")[1])

        assert 200 <= status < 500
        writer.close()


# Browsers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def strict_keys(tmp_path: Path) -> Path:
    """Without a key for any origin."""
    path = tmp_path / "strict.yaml"
    write_private(
        path, "leadglow_keys: 1\nkeys: [{name: site, write_key: wk_site, origins: ['https://acme.example']}]\n"
    )
    return path


async def test_a_preflight_of_a_known_page_is_allowed_its_method_and_headers(strict_keys: Path) -> None:
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-retry-count"}
    async with serving(strict_keys) as running:
        answer = await running.send("OPTIONS", "/v1/t", headers=PAGE | wanted)

    headers = answer.headers
    assert answer.status == 200
    assert headers["Access-Control-Allow-Origin"] == "https://acme.example"
    assert "Access-Control-Allow-Credentials" not in headers
    assert headers["Access-Control-Allow-Headers"] == "authorization,x-retry-count"
    assert "POST" in headers["Access-Control-Allow-Methods"]
    assert int(headers["Access-Control-Max-Age"]) >= 600
    assert headers["Vary"] == "Origin"


async def test_a_sender_of_cloudevents_may_ask_before_it_sends(strict_keys: Path) -> None:
    asks = {"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Rate": "120"}
    async with serving(strict_keys) as running:
        answer = await running.send("OPTIONS", "/v1/cloudevents?writeKey=wk_site", headers=asks)
        odd = await running.send("OPTIONS", "/v1/cloudevents", headers={"WebHook-Request-Origin": "not one"})
        elsewhere = await running.send("OPTIONS", "/v1/t", headers=asks)

    assert answer.status == 200
    assert (answer.headers["WebHook-Allowed-Origin"], answer.headers["WebHook-Allowed-Rate"]) == (
        "eventgrid.azure.net",
        "*",
    )
    assert answer.headers["Allow"] == "POST, OPTIONS"
    assert (odd.status, odd.headers["WebHook-Allowed-Origin"]) == (200, "*")
    assert "WebHook-Allowed-Rate" not in odd.headers
    assert (elsewhere.status, elsewhere.code) == (403, "origin_not_allowed")


async def test_a_preflight_of_another_page_is_not(strict_keys: Path) -> None:
    async with serving(strict_keys) as running:
        answer = await running.send("OPTIONS", "/v1/t", headers={"Origin": "https://elsewhere.example"})

    assert (answer.status, answer.code) == (403, "origin_not_allowed")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/v1/t", "/com.snowplowanalytics.snowplow/tp2", "/i", "/v1/cloudevents", "/v1/nothing"]
)
async def test_a_page_can_read_every_answer_and_when_to_try_again(strict_keys: Path, path: str) -> None:
    async with serving(strict_keys) as running:
        running.kept.away = True
        ours = await running.post(CALL, path, "wk_site", **PAGE)
        theirs = await running.post(CALL, path, "wk_site", Origin="https://elsewhere.example")

    assert ours.headers["Access-Control-Allow-Origin"] == "https://acme.example"
    assert ("Access-Control-Allow-Credentials" in ours.headers) == (
        "snowplow" in path or path == "/i"
    )  # its tracker sends cookies
    assert ours.headers["Access-Control-Expose-Headers"] == "Retry-After"
    assert "Access-Control-Allow-Origin" not in theirs.headers
    assert theirs.headers["Vary"] == "Origin"


@pytest.mark.parametrize(("header", "cause"), [("Sec_GPC", "gpc"), ("DNT", "dnt")])
async def test_events_of_a_browser_with_an_opt_out_are_dropped_with_200(
    running: Running, header: str, cause: str
) -> None:
    answer = await running.post({"batch": [CALL, CALL]}, **{header: "1"})

    assert (answer.status, answer.body) == (200, ACCEPTED)
    assert running.kept.records == []
    assert running.count("calls_dropped_total", cause=cause) == 2


async def test_a_browsers_refusal_counts_only_where_it_is_honoured(keys: Path) -> None:
    async with serving(keys, replace(SETTINGS, honour_gpc=False)) as running:
        await running.post(CALL, Sec_GPC="1")

        assert len(running.kept.calls("web")) == 1


@pytest.mark.parametrize(
    ("consent", "kept"),
    [({"ads": False}, 0), ({"ads": "denied"}, 0), ({"ads": True}, 1), ({}, 1), ("odd", 1), ({"ads": [0]}, 1)],
)
async def test_events_without_consent_are_dropped(running: Running, consent: Any, kept: int) -> None:
    answer = await running.post({**CALL, "context": {"consent": consent}})

    assert answer.status == 200
    assert len(running.kept.calls("web")) == kept
    assert running.count("calls_dropped_total", cause="consent") == 1 - kept


@pytest.mark.parametrize(
    ("forwarded", "seen"),
    [("203.0.113.9, 10.0.0.1", "203.0.113.9"), ("6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"), ("", "127.0.0.1")],
)
async def test_the_sender_is_whom_our_own_proxies_saw(keys: Path, forwarded: str, seen: str) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    async with serving(keys, limits=Limits(proxies=2)) as running:
        await running.send("GET", "/v1/pixel.gif?writeKey=wk_app&userId=u-1", headers=headers)

        assert running.kept.calls("web")[0]["context"]["ip"] == seen


async def test_only_trusted_proxies_are_believed_about_the_sender(running: Running) -> None:
    path = "/v1/pixel.gif?writeKey=wk_app&userId=u-1"
    await running.send("GET", path, headers={"X-Forwarded-For": "6.6.6.6"})

    assert running.kept.calls("web")[0]["context"]["ip"] == "127.0.0.1"


@pytest.mark.parametrize("public", ["", "https://events.acme.example/"])
async def test_the_sdks_find_their_settings(keys: Path, public: str) -> None:
    async with serving(keys, limits=Limits(public_url=public)) as running:
        settings = await running.send("GET", "/v1/projects/wk_site/settings", headers=PAGE)
        source = await running.send("GET", "/sourceConfig/?p=npm&writeKey=wk_site", headers=PAGE)
        host = "events.acme.example" if public else running.url.removeprefix("http://")

    told = json.loads(settings.body)["integrations"]["Segment.io"]
    assert (told["apiKey"], told["apiHost"]) == ("wk_site", f"{host}/v1")
    assert json.loads(source.body)["source"]["writeKey"] == "wk_site"
    assert settings.headers["Access-Control-Allow-Origin"] == "https://acme.example"


async def test_our_own_tracker_is_served(running: Running) -> None:
    answer = await running.send("GET", "/leadglow.js")

    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert b"leadglow" in answer.body
    again = await running.send("GET", "/leadglow.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert "Content-Encoding" not in again.headers


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip, deflate, br", True), ("br;q=1.0, GZIP ; q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.00", False),
     ("br", False), ("", False), ("x-gzip-x", False)],
)  # fmt: skip
async def test_our_own_tracker_is_compressed_for_who_takes_it(running: Running, accepted: str, packed: bool) -> None:
    headers = {"Accept-Encoding": accepted}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.get(f"{running.url}/leadglow.js", headers=headers) as reply,
    ):
        body = await reply.read()

    assert reply.headers.get("Content-Encoding") == ("gzip" if packed else None)
    assert (gzip.decompress(body) if packed else body) == snippet.FILE.read_bytes()
    assert reply.headers["Vary"] == "Origin, Accept-Encoding"


@pytest.mark.parametrize("properties", [None, [], "x", 5])
async def test_a_head_request_is_marked_for_any_properties(running: Running, properties: Any) -> None:
    call: dict[str, Any] = {"type": "page", "userId": "u-1", "properties": properties}
    inbound = Inbound("HEAD", "/v1/pixel.gif", (("writeKey", "wk_app"),), {}, b"", 0, "203.0.113.9")

    await running.site._reception.accept_tracked("pixel", inbound, lambda _: Delivery([call], write_key="wk_app"))

    [kept] = running.kept.calls("web")
    assert kept["properties"]["automated"] is True


# Machines ---------------------------------------------------------------------------------------------------------

MACHINES = json.loads((Path(__file__).parents[1] / "data/doors/machines.json").read_text())


@pytest.mark.parametrize("case", MACHINES, ids=lambda case: f"{case['door']} {case['agent'][:60]}")
async def test_machines_are_marked_at_the_door_of_mails_and_people_are_not(
    running: Running, case: dict[str, Any]
) -> None:
    click = links.sign_link("https://acme.example/pricing", SECRET.encode(), userId="ana")
    paths = {"pixel": "/v1/pixel.gif?writeKey=wk_app&event=Newsletter+Read&userId=ana", "link": f"/v1/link?{click}"}
    if case["door"] == "batch":
        await running.post({"batch": [CALL | {"context": {"userAgent": case["agent"]}}]})
    else:
        await running.send("GET", paths[case["door"]], headers={"User-Agent": case["agent"]})

    [call] = running.kept.calls("web")
    assert call.get("properties", {}).get("automated_reason") == case["reason"]


async def test_a_picture_on_a_page_knows_the_machines_of_mails(running: Running) -> None:
    path = "/v1/pixel.gif?writeKey=wk_app&userId=ana"
    await running.send("GET", path, headers={"User-Agent": "Mozilla/5.0"})

    [call] = running.kept.calls("web")
    assert (call["type"], call["properties"]["automated_reason"]) == ("page", "apple_mpp")


async def test_a_scan_of_signed_links_with_the_id_of_their_mail_is_taken_back(running: Running) -> None:
    for page in ("pricing", "docs", "blog"):
        more = {"userId": "ana", "messageId": page, "p.message_id": "mail-7"}
        query = links.sign_link(f"https://acme.example/{page}", SECRET.encode(), **more)
        await running.send("GET", f"/v1/link?{query}", headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"})

    calls = running.kept.calls("web")
    assert [call["properties"].get("automated_reason") for call in calls if call["event"] == "Link Clicked"] == [
        None, None, "link_scanner",
    ]  # fmt: skip
    taken_back = [call["properties"]["messageId"] for call in calls if call["event"] == "Event Retracted"]
    assert taken_back == ["pricing", "docs"]


# Links ------------------------------------------------------------------------------------------------------------


async def test_a_click_is_kept_and_sent_on(running: Running) -> None:
    query = links.sign_link("https://acme.example/pricing?x=1", SECRET.encode(), userId="u-1")

    answer = await running.send("GET", f"/v1/link?{query}")

    assert (answer.status, answer.headers["Location"]) == (302, "https://acme.example/pricing?x=1")
    [call] = running.kept.calls("web")
    assert (call["userId"], call["leadglow"]) == ("u-1", {"key": "links"})


async def test_who_clicked_gets_there_even_while_kafka_is_stuck(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "FOLLOW_S", 0.05)
    running.kept.open.clear()
    query = links.sign_link("https://acme.example/", SECRET.encode(), userId="u-1")

    assert (await running.send("GET", f"/v1/link?{query}")).status == 302

    running.kept.open.set()
    await until(lambda: len(running.kept.calls("web")) == 1)


async def test_who_clicked_gets_there_even_without_kafka(running: Running) -> None:
    running.kept.away = True
    query = links.sign_link("https://acme.example/", SECRET.encode(), userId="u-1")

    assert (await running.send("GET", f"/v1/link?{query}")).status == 302
    assert running.count("requests_refused_total", code="kafka_away") == 1


async def test_a_click_without_consent_is_redirected_but_not_counted(running: Running) -> None:
    query = links.sign_link("https://acme.example/", SECRET.encode(), userId="u-1")

    assert (await running.send("GET", f"/v1/link?{query}", headers={"Sec-GPC": "1"})).status == 302
    assert running.kept.records == []


# Mail -------------------------------------------------------------------------------------------------------------

UNSUBSCRIBE = {"type": "unsubscribe", "fired_at": "2026-11-22 01:00:00", "data[email]": "jane@acme.example"}


async def test_a_webhook_is_kept_among_the_mail_events(running: Running) -> None:
    answer = await running.send("POST", "/webhooks/news?secret=open-sesame", data=UNSUBSCRIBE)

    assert answer.status == 200
    [call] = running.kept.calls("mail")
    assert (call["event"], call["leadglow"]) == ("Unsubscribed", {"key": "news"})
    assert running.kept.records[0].key == b"jane@acme.example"
    assert running.count("calls_total", route="webhooks") == 1


async def test_a_webhook_does_not_care_for_the_services_own_privacy_headers(running: Running) -> None:
    headers = {"Sec-GPC": "1"}
    await running.send("POST", "/webhooks/news?secret=open-sesame", data=UNSUBSCRIBE, headers=headers)

    assert len(running.kept.calls("mail")) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_service_that_asks_at_set_up_gets_200(running: Running, method: str) -> None:
    assert (await running.send(method, "/webhooks/news?secret=open-sesame")).status == 200
    assert running.kept.records == []


async def test_a_webhook_without_its_proof_is_refused(running: Running) -> None:
    answer = await running.send("POST", "/webhooks/news?secret=guess", data=UNSUBSCRIBE)

    assert (answer.status, answer.code) == (403, "bad_credentials")


@asynccontextmanager
async def amazon(status: int = 200) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that says what it was asked for."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, body=b"pem")

    served = web.Application()
    served.router.add_get("/{path}", answer)
    runner = web.AppRunner(served)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


def needing(url: str) -> Callable[..., Delivery]:
    """A service that needs a certificate, then asks for a confirmation, and knows its requests by an id."""

    def read(*asked: Any) -> Delivery:
        certificates, accepted, certificate = asked[5], asked[4], f"{url}/certificate"
        if certificate not in certificates:
            raise NeedsCertificate(certificate)
        assert certificates[certificate] == b"pem"
        if accepted.contains("once", 0):
            return Delivery()
        return Delivery(calls=[dict(CALL)], confirm_url=f"{url}/confirm", request_id="once")

    return read


async def test_certificates_are_fetched_once_and_subscriptions_confirmed(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with amazon() as (url, asked):
        monkeypatch.setattr("app.collector.mail_handlers.webhooks.read_webhook", needing(url))
        statuses = [(await running.send("POST", "/webhooks/news")).status for _ in range(2)]

    assert statuses == [200, 200]
    assert asked == ["/certificate", "/confirm"]
    assert len(running.kept.calls("mail")) == 1


async def test_a_request_that_kafka_did_not_keep_may_come_again(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with amazon() as (url, _):
        monkeypatch.setattr("app.collector.mail_handlers.webhooks.read_webhook", needing(url))
        running.kept.away = True
        assert (await running.send("POST", "/webhooks/news")).status == 503
        running.kept.away = False
        assert (await running.send("POST", "/webhooks/news")).status == 200

    assert len(running.kept.calls("mail")) == 1


async def test_a_failed_fetch_is_answered_with_retry_after(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    async with amazon(403) as (url, _):
        monkeypatch.setattr("app.collector.mail_handlers.webhooks.read_webhook", needing(url))
        answer = await running.send("POST", "/webhooks/news")

    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "no_confirmation", "30")


def unsubscribe_path() -> str:
    ticket = unsubscribe.Ticket(email="jane@acme.example")
    return f"/unsubscribe/{unsubscribe.unsubscribe_token(SECRET.encode(), ticket)}"


async def test_looking_at_the_unsubscribe_page_changes_nothing(running: Running) -> None:
    answer = await running.send("GET", unsubscribe_path())

    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<button" in answer.body
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert running.kept.records == []


async def test_one_click_unsubscribes(running: Running) -> None:
    answer = await running.send("POST", unsubscribe_path(), data={"List-Unsubscribe": "One-Click"})

    assert answer.status == 200
    assert "Set-Cookie" not in answer.headers
    [call] = running.kept.calls("mail")
    assert (call["event"], call["context"]["traits"]["email"]) == ("Unsubscribed", "jane@acme.example")


# The document -----------------------------------------------------------------------------------------------------


async def test_the_document_has_every_route_and_no_other(running: Running) -> None:
    routes = {(method, path) for method, path, *_ in running.site.routes()}

    told = json.loads((await running.send("GET", "/openapi.json")).body)

    assert {(method.upper(), path) for path, methods in told["paths"].items() for method in methods} == routes
    assert told["servers"] == [{"url": running.url}]


def test_every_reference_in_the_document_leads_somewhere() -> None:
    whole = json.loads(json.dumps(openapi_document("http://x")))
    names = [operation["operationId"] for path in whole["paths"].values() for operation in path.values()]

    def look(part: Any) -> int:
        if isinstance(part, dict):
            found = 0
            if "$ref" in part:
                target = whole
                for key in part["$ref"].removeprefix("#/").split("/"):
                    target = target[key]
                found = 1
            return found + sum(look(each) for each in part.values())
        return sum(look(each) for each in part) if isinstance(part, list) else 0

    assert look(whole) > 50
    assert len(names) == len(set(names))


# Keys, and the end ------------------------------------------------------------------------------------------------


async def test_changed_keys_are_in_force_without_a_restart(running: Running, keys: Path) -> None:
    rewrite(keys, KEYS.replace("wk_app", "wk_new"))

    await running.keys.reload_if_changed()

    assert (await running.post(CALL, key="wk_app")).status == 401
    assert (await running.post(CALL, key="wk_new")).status == 200


@pytest.mark.parametrize("text", ["leadglow_keys: 2\n", "keys: [", None])
async def test_a_bad_keys_file_is_reported_and_changes_nothing(
    running: Running, keys: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    rewrite(keys, text)

    await running.keys.reload_if_changed()
    await running.keys.reload_if_changed()

    assert (await running.post(CALL)).status == 200
    assert running.keys.errors == 1
    assert "stays in use" in caplog.text


async def test_requests_in_flight_are_finished_before_the_site_stops(running: Running) -> None:
    running.kept.open.clear()
    sent = asyncio.create_task(running.post(CALL))
    await until(lambda: running.kept.waiting == 1)

    ending = asyncio.create_task(running.site.stop())
    await until(lambda: refuses(running.url))
    running.kept.open.set()

    assert (await sent).status == 200
    await ending


def rewrite(path: Path, text: str | None) -> None:
    """Another content; None removes the file."""
    path.unlink() if text is None else path.write_text(text)


async def refuses(url: str) -> bool:
    try:
        _, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    except ConnectionError:
        return True
    writer.close()
    return False


def test_a_body_of_a_thousand_empty_gzip_members_is_refused_before_it_costs_anything() -> None:
    assert inflate(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", 10) == b"ab"
    with pytest.raises(Refusal) as caught:
        inflate(gzip.compress(b"") * 1000, "gzip", 10)
    assert caught.value.status == 400


def test_an_address_leaves_room_for_others() -> None:
    budget = MemoryBudget(4 * 100_000)
    with budget.reserve_for("203.0.113.9") as one, budget.reserve_for("203.0.113.10") as other:
        one.reserve(80_000)
        with pytest.raises(Refusal):
            one.reserve(80_000)
        other.reserve(80_000)
    assert (budget.reserved, budget.by_remote) == (0, {})
