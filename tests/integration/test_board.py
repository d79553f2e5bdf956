"""The board as a process, beside a worker, on a real Kafka and Redis."""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import json
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition

from app.client import BoardError, Client
from app.embedded.server import free_port
from app.private_files import write_private
from app.wiring import make_admin
from streams.clock import now_ms
from tests.support.redis_servers import server
from tests.support.servers import Running
from tests.support.system import PARTITIONS, CollectorProcess, System
from tests.support.waiting import wait_for

ANA, BEN = "token-of-ana", "token-of-ben"
CARDS = """
leadglow: 1
signals:
  view: {event: page, half_life: never}
  order: {event: Ordered, half_life: never}
scorecards:
  default:
    points: {view: 1, order: 40}
    fit: [{trait: title, when: {equals: CTO}, points: 10}]
    grades: {A: 50, B: 0}
    stages: [{name: hot, enter: 40, leave: 30, handoff: true}]
"""
HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "javascript:alert(1)", "=1+1",
    "' onload='x", "</script><svg/onload=x>", "%3Cscript%3E", "\u202eevil", "a\r\nSet-Cookie: x=1", "../../etc/passwd",
)  # fmt: skip
_numbers = itertools.count()


@dataclass(frozen=True)
class Live:
    """A worker and a board that both run."""

    system: System
    process: CollectorProcess

    @property
    def url(self) -> str:
        return self.process.url

    def send(self, lead_id: str, *events: dict[str, Any]) -> None:
        """Put events of a lead on the source topic, and wait until the board ranks the lead."""
        sent = [{"userId": lead_id, "messageId": f"m{next(_numbers)}", **event} for event in events]
        self.system.send([(now_ms(), event) for event in sent])
        self.wait_seen(lead_id, now_ms())

    def wait_seen(self, lead_id: str, since_ms: int) -> None:
        marker = f"marker-{next(_numbers)}"
        self.system.send([(since_ms, {"type": "identify", "userId": lead_id, "traits": {"marker": marker}})])

        def ranked() -> bool:
            place = f"/api/v1/leads/{quote(lead_id, safe='')}"
            status, body = self.get(place)
            if status != 200 or json.loads(body)["traits"].get("marker") != marker:
                return False
            past = json.loads(self.get(f"{place}/curve")[1])["past"]
            return bool(past) and past[-1][1] == json.loads(body)["scorecards"]["default"]["score"]

        wait_for(ranked, f"{lead_id} ranked")

    def get(self, path: str, token: str = ANA) -> tuple[int, bytes]:
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    @property
    def client(self) -> Client:
        return Client(self.url, ANA)


def page() -> dict[str, Any]:
    return {"type": "page", "properties": {"path": "/"}}


def order() -> dict[str, Any]:
    return {"type": "track", "event": "Ordered"}


def access(folder: Path) -> Path:
    path = folder / "access.yaml"
    lines = ["leadglow_access: 1", "tokens:"]
    for name, token, role in (("ana", ANA, "viewer+pii"), ("ben", BEN, "viewer")):
        lines.append(f"  - {{name: {name}, sha256: {sha256(token.encode()).hexdigest()}, role: {role}}}")
    write_private(path, "\n".join([*lines, ""]))
    return path


@pytest.fixture(scope="module")
def live(kafka: Running, redis_server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("board")
    cards = folder / "cards.yaml"
    cards.write_text(CARDS)
    name = f"board{now_ms()}"
    system = System(kafka, redis_server.address, name, scorecards=str(cards), board_access=str(access(folder)))
    assert system.run("topics", "create").exit_code == 0
    with system.worker() as worker, system.board() as board:
        worker.wait_ready()
        board.wait_ready()
        yield Live(system, board)
        assert (board.stop()[0], worker.stop()[0]) == (0, 0)


def test_a_lead_at_any_instant_is_the_same_as_on_the_command_line(live: Live) -> None:
    live.send("ann", page(), order(), {"type": "identify", "traits": {"title": "CTO", "née": "Ünal"}})
    for at in ("2126-01-01", "2126-01-01T12:00:00.123Z"):
        shown = live.system.run("lead", "show", "ann", "--json", "--at", at)
        assert live.get(f"/api/v1/leads/ann?at={at}") == (200, shown.stdout.rstrip("\n").encode())


def test_the_ranking_is_the_same_as_on_the_command_line(live: Live) -> None:
    for number in range(4):
        live.send(f"rank-{number}", *[page()] * (number + 1), order())
    wait_for(lambda: len(live.system.json("leads", "top")) >= 4, "ranked")
    shown = live.system.run("leads", "top", "--json", "--limit", "200").stdout.rstrip("\n").encode()
    status, body = live.get("/api/v1/leads?limit=200")
    assert status == 200
    assert body.startswith(b'{"leads": ' + shown + b', "next": null, "as_of": ')


def test_events_change_the_ranking_and_are_streamed(live: Live) -> None:
    live.send("streamed", page())
    alerts, leads = [], []
    with threads(
        lambda: alerts.append(next(said for said in live.client.stream_alerts() if said.data["lead_id"] == "streamed")),
        lambda: leads.append(next(said for said in live.client.stream_lead("streamed") if said.event == "lead")),
    ):
        wait_for(lambda: streams_open(live) >= 2, "listening")
        live.system.send([(now_ms(), {"userId": "streamed", "messageId": "the-order", **order()})])
    assert (alerts[0].event, alerts[0].data["kind"], alerts[0].data["stage"]) == ("alert", "entered", "hot")
    assert leads[0].data["scorecards"]["default"]["score"] == 41
    (first,) = [alert for alert in live.client.alerts("streamed") if alert["kind"] == "entered"]
    assert first["id"] == alerts[0].data["id"]


def streams_open(live: Live) -> float:
    with urllib.request.urlopen(f"{live.process.address}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith("leadglow_board_streams ")))


class threads:  # noqa: N801 - reads as a word
    """Run these beside the block, and wait for them at its end."""

    def __init__(self, *work: Any) -> None:
        self._threads = [threading.Thread(target=each, daemon=True) for each in work]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *error: object) -> None:
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()


def test_the_typed_client_reads_everything(live: Live) -> None:
    live.send("typed", page(), order())
    live.send("typed-too", page())
    client = live.client
    wait_for(lambda: [row["lead_id"] for row in client.leads(q="typed")] == ["typed", "typed-too"], "in the index")
    assert len(list(client.leads(limit=2))) == 2
    view = client.lead("typed")
    score = view["scorecards"]["default"]
    assert sum(part["points"] for part in score["parts"]) == score["exact"] == 41.0
    assert [score for _, score in client.curve("typed")["past"]][-1] == 41
    assert [event["event"] for event in client.timeline("typed")] == ["Ordered", "page"]
    assert "default" in [card["name"] for card in client.scorecards()]
    signals = {signal["name"]: signal for signal in client.scorecard("default")["signals"]}
    assert signals["order"]["fired_7d"] >= 1
    assert client.channels()["stages"] == ["hot"]
    flow = {"rates", "sources", "shards", "rejects", "reject_reasons", "scored_until", "freshness"}
    assert flow == set(client.flow())
    with pytest.raises(BoardError) as refused:
        client.lead("nobody")
    assert (refused.value.status, refused.value.code) == (404, "unknown_lead")
    with pytest.raises(BoardError) as refused:
        Client(live.url, "wrong").flow()
    assert refused.value.status == 401


def test_rejects_and_lags_are_shown(live: Live) -> None:
    live.system.send([(now_ms(), {"type": "track", "userId": "bad"})])

    def told() -> bool:
        flow = live.client.flow()
        return bool(flow["reject_reasons"].get("no_event")) and bool(flow["sources"])

    wait_for(told, "told")
    flow = live.client.flow()
    assert any(row["source"].startswith(live.system.settings.sources[0]) for row in flow["rejects"])
    assert [source["topic"] for source in flow["sources"]] == list(live.system.settings.sources)
    wait_for(lambda: all(s["lag"] == 0 for s in live.client.flow()["sources"] + live.client.flow()["shards"]), "no lag")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_in_every_field_is_only_a_text(live: Live, text: str) -> None:
    lead_id = text.replace("\r\n", " ").replace("\u202e", "")  # as ids these are rejected
    lead_id = f"x{lead_id}x" if lead_id.startswith("{{") else lead_id  # alone, it is an unreplaced merge tag
    context = {"campaign": {"source": text, "medium": text, "name": text}}
    live.send(
        lead_id,
        {"type": "identify", "traits": {"name": text, "title": text, text.replace("\r\n", " "): text, "company": text}},
        {"type": "page", "properties": {"path": text, "url": text, "title": text}, "context": context},
        order(),
    )
    view = live.client.lead(lead_id)
    assert view["traits"]["name"] == text
    status, shown = live.get(f"/leads/{quote(lead_id, safe='')}")
    assert status == 200
    for html in (shown, live.get("/")[1], live.get("/alerts")[1], live.get("/channels")[1]):
        for tag in (b"<script>alert", b"<img src=x", b"<svg/onload", b"{{7*7}}49", b'href="javascript:'):
            assert tag not in html

    def exported() -> list[list[str]]:
        return list(csv.reader(io.StringIO(live.get("/api/v1/leads.csv")[1].decode(), newline="")))

    # A list is kept for a moment, that of the test before, too.
    wait_for(lambda: any(lead_id in row[0] for row in exported()), "exported")
    rows = exported()
    assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for row in rows[1:] for cell in row)
    row = next(row for row in rows if lead_id in row[0])
    assert row[0] in (lead_id, "'" + lead_id)


def test_a_viewer_sees_scores_but_no_personal_data(live: Live) -> None:
    live.send("cleo@acme.example", order(), {"type": "identify", "traits": {"name": "Cleo Secret"}})
    for path in (
        "/api/v1/leads?limit=200",
        "/api/v1/leads.csv",
        "/api/v1/alerts?limit=200",
        "/",
        "/alerts",
        "/channels",
    ):
        status, body = live.get(path, BEN)
        assert status == 200
        assert b"cleo@" not in body
        assert b"Cleo Secret" not in body
    assert live.get("/api/v1/leads/cleo@acme.example", BEN)[0] == 404


def test_an_erased_lead_is_gone_with_its_history(live: Live) -> None:
    live.send("gone", order())
    assert live.client.curve("gone")["past"]
    assert live.system.run("erase", "gone", "--yes").exit_code == 0
    wait_for(lambda: live.get("/api/v1/leads/gone")[0] == 404, "erased")
    assert not [row for row in live.client.leads(q="gone") if row["lead_id"] == "gone"]
    live.send("gone", page())
    assert [score for _, score in live.client.curve("gone")["past"]] == [1]


def test_a_board_reports_wrong_settings(live: Live, tmp_path: Path) -> None:
    open_to_all = live.system.run("board", board_host="0.0.0.0", board_access="")
    assert open_to_all.exit_code == 78
    assert "leadglow tokens new" in open_to_all.output
    broken = tmp_path / "access.yaml"
    broken.write_text("leadglow_access: 1\ntokens: [{name: ana, sha256: secret-in-the-wrong-place, role: admin}]\n")
    refused = live.system.run("board", board_access=str(broken))
    assert refused.exit_code == 78
    assert "2:" in refused.output
    assert "secret-in" not in refused.output


def test_a_changed_access_file_is_taken_while_it_runs(live: Live, tmp_path: Path) -> None:
    file = access(tmp_path)
    with live.system.board(board_access=str(file)) as process:
        other = Live(live.system, process)
        process.wait_ready()
        assert other.get("/api/v1/flow", BEN)[0] == 200
        file.write_text(file.read_text().replace(sha256(BEN.encode()).hexdigest(), "f" * 64))
        wait_for(lambda: other.get("/api/v1/flow", BEN)[0] == 401, "taken")
        file.write_text("nonsense: [")
        process.says("access file is refused")
        assert other.get("/api/v1/flow", ANA)[0] == 200
        assert process.stop()[0] == 0


def test_without_kafka_leads_are_shown_all_the_same(live: Live) -> None:
    live.send("shown", order())
    with live.system.board(kafka=f"127.0.0.1:{free_port()}") as process:
        other = Live(live.system, process)
        process.wait_ready()
        assert other.client.lead("shown")["scorecards"]["default"]["score"] == 40
        assert list(other.client.alerts()) == []
        assert process.stop()[0] == 0


def test_a_board_reports_a_missing_redis_and_recovers(live: Live, tmp_path: Path) -> None:
    port = free_port()
    with live.system.board(redis=f"redis://127.0.0.1:{port}") as process:
        other = Live(live.system, process)
        assert process.probe("/live") == 200
        status, body = other.get("/api/v1/leads")
        assert (status, json.loads(body)["code"]) == (503, "store_away")
        assert process.probe("/ready") == 503
        assert other.get("/")[0] == 503
        with server(tmp_path / "redis", port) as redis:
            wait_for(lambda: other.get("/api/v1/leads")[0] == 200, "back")
            wait_for(lambda: process.probe("/ready") == 200, "ready")
            assert process.metric("leadglow_board_ready") == 1
            redis.send_signal(signal.SIGSTOP)  # it keeps its connections and does not respond
            wait_for(lambda: process.metric("leadglow_board_ready") == 0, "found frozen")
            assert process.probe("/ready") == 503
            redis.send_signal(signal.SIGCONT)
            wait_for(lambda: process.metric("leadglow_board_ready") == 1, "ready again")
        assert process.stop()[0] == 0


def test_it_reads_from_a_replica(live: Live, redis_url: str, tmp_path: Path) -> None:
    live.send("copied", page(), order())
    address = redis_url.removeprefix("redis://").partition("/")[0].rpartition(":")
    port = free_port()
    with (
        server(tmp_path / "replica", port, "--replicaof", address[0], address[2]),
        live.system.board(board_redis=f"redis://127.0.0.1:{port}") as process,
    ):
        other = Live(live.system, process)
        process.wait_ready()
        wait_for(lambda: other.get("/api/v1/leads/copied")[0] == 200, "copied")
        assert [row["lead_id"] for row in other.client.leads(q="copied")] == ["copied"]
        assert other.client.curve("copied")["past"]
        assert other.client.scorecard("default")["signals"][1]["fired_7d"] > 0
        assert other.client.flow()["shards"]
        wait_for(lambda: "copied" in [alert["lead_id"] for alert in other.client.alerts()], "told of what came before")
        assert other.client.channels()["total"] >= 1
        assert process.stop()[0] == 0


def test_it_stops_in_order_while_streams_are_open(live: Live) -> None:
    with live.system.board() as process:
        other = Live(live.system, process)
        process.wait_ready()
        ended: list[bool] = []
        with threads(lambda: ended.append(list(other.client.stream_alerts()) is not None)):
            wait_for(lambda: streams_open(other) == 1, "listening")
            assert process.stop()[0] == 0
        assert ended == [True]


@pytest.mark.usefixtures("_apache_kafka")
def test_a_page_shows_what_an_event_was_until_the_log_forgets_it(live: Live) -> None:
    """The last test: it deletes the log."""
    asked = {"title": "Pricing guide", "form": "guide", "fields": {"phone": "+49 30 1234567"}, "path": "/guide"}
    live.send("reader", {**order(), "properties": asked}, {**page(), "properties": {"subject": "to ann@a.example"}})
    for token, shown, hidden in ((ANA, ("+49 30 1234567", "to ann@a.example"), ()), (BEN, (), ("1234567", "ann@a"))):
        status, body = live.get("/leads/reader", token)
        assert status == 200
        assert all(text in body.decode() for text in ("<q>guide</q>", "Pricing guide", "/guide", *shown))
        assert not any(text in body.decode() for text in hidden)
    told = live.system.json("lead", "activity", "reader")
    assert told["events"] == json.loads(live.get("/api/v1/leads/reader/timeline")[1])["events"]
    assert told["log_failure"] is None
    (alert,) = live.client.alerts("reader")
    assert alert["activity"]["events"][0]["form"] == "guide"

    asyncio.run(delete_log(live.system))
    assert b"no longer in the log" in live.get("/leads/reader")[1]
    assert [event["log"] for event in live.client.timeline("reader")] == ["gone", "gone"]
    assert "no longer in the log" in live.system.run("lead", "activity", "reader").stdout


async def delete_log(system: System) -> None:
    admin = make_admin(system.settings)
    await admin.start()
    try:
        places = [TopicPartition(system.settings.lead_events, each) for each in range(PARTITIONS)]
        await admin.delete_records({place: RecordsToDelete(-1) for place in places})
    finally:
        await admin.close()
