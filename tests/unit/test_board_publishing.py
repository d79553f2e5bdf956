"""Publishing scorecards on the board, the list of versions, and going back: pages, API, and who may."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from html import unescape
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from app.board import trials
from app.board.published_scorecards import NO_SCORECARDS
from app.board.routing import BASE
from app.board.version_alerts import InForce, VersionAlerts, count_alerts
from app.board.versions import Versions
from app.http.refusals import Refusal
from streams.clock import now_ms
from streams.publishing.catalog import NOTHING
from streams.publishing.scorecards import Scorecards
from streams.scorefile import load
from streams.scoring.rules import Rules
from streams.shard.alert import rfc3339
from tests.support.board_in_memory import ACCESS, ANA, BEN, EVE, Running, Shards, board_on
from tests.support.publications import PARTITIONS, Log
from tests.unit.test_board_trials import BROKEN, shards
from tests.unit.test_scorecards_chosen import catalog_of
from tests.unit.test_scorecards_diff import CHANGED, FILE

PUBLISH, ROLLBACK, VERSIONS = (f"{BASE}/{path}" for path in ("scorecards/publish", "scorecards/rollback", "versions"))
FIRST, SECOND = (Rules(load(text)).version for text in (FILE, CHANGED))
SMALL = FILE.replace("A: 30", "A: 35")
"""A change that sends no alert."""


@pytest.fixture
def log() -> Log:
    found = Log()
    found.now_ms = now_ms()
    return found


@pytest_asyncio.fixture
async def board(log: Log) -> AsyncIterator[Running]:
    await log.publish(FILE, "tim")
    async with board_on(await shards(), ACCESS, log=log) as running:
        yield running


async def post(board: Running, path: str, token: str = EVE, **body: Any) -> Any:
    return await board.request("POST", path, token, data=json.dumps(body).encode())


def publications(log: Log) -> list[Any]:
    """What the records of the topic say, without the notes about them."""
    found = [json.loads(record.value) for record in log.records["scorecards", 0]]
    return [each for each in found if each["type"] == "publication"]


# Publishing


async def test_an_editor_publishes_under_their_name(board: Running, log: Log) -> None:
    done = await post(board, PUBLISH, text=SMALL, instead_of=FIRST, note="\x1b[31mStricter\r\n now\x9b")

    assert done.json == {"version": Rules(load(SMALL)).version, "published": True}
    assert [(each["author"], each["note"]) for each in publications(log)] == [("tim", ""), ("eve", "[31mStricter now")]
    assert [len(log.changes(partition)) for partition in range(PARTITIONS)] == [1, 1, 1]
    assert board.service.rules.version == done.json["version"]


async def test_the_brake_holds_until_confirmed_or_without_alerts(board: Running, log: Log) -> None:
    held = await post(board, PUBLISH, text=CHANGED, instead_of=FIRST)
    assert (held.status, held.json["code"]) == (409, "too_many_alerts")
    assert "3 alerts" in held.json["message"]
    assert len(publications(log)) == 1

    assert (await post(board, PUBLISH, text=CHANGED, instead_of=FIRST, confirmed=True)).json["published"]
    assert (await post(board, ROLLBACK, version=FIRST, instead_of=SECOND, quiet=True)).json["published"]
    assert [(each["quiet"], len(each["undone"])) for each in publications(log)] == [(False, 0), (False, 0), (True, 1)]


async def test_a_change_of_other_scorecards_than_those_in_use_is_refused(board: Running, log: Log) -> None:
    await log.publish(SMALL, "tim")

    refused = await post(board, PUBLISH, text=CHANGED, instead_of=FIRST, confirmed=True)

    assert (refused.status, refused.json["code"]) == (409, "changed_since")
    assert "by tim" in refused.json["message"]
    assert len(publications(log)) == 2


async def test_a_version_in_use_is_not_published_again(board: Running, log: Log) -> None:
    done = await post(board, PUBLISH, text=FILE + "# a comment\n", instead_of=FIRST)
    assert done.json == {"version": FIRST, "published": False}
    assert len(publications(log)) == 1


@pytest.mark.parametrize("token", [ANA, BEN])
async def test_other_roles_may_not_publish(board: Running, log: Log, token: str) -> None:
    for path, body in ((PUBLISH, {"text": SMALL}), (ROLLBACK, {"version": FIRST})):
        refused = await post(board, path, token, instead_of=FIRST, **body)
        assert (refused.status, refused.json["code"]) == (403, "not_editor")
    assert len(publications(log)) == 1


async def test_another_site_cannot_publish(board: Running) -> None:
    body = json.dumps({"text": SMALL, "instead_of": FIRST}).encode()
    answer = await board.request("POST", PUBLISH, EVE, {"Sec-Fetch-Site": "cross-site"}, body)
    assert (answer.status, answer.json["code"]) == (403, "other_site")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"text": BROKEN, "instead_of": FIRST}, "mistakes"),
        ({"text": SMALL}, "bad_body"),
        ({"text": SMALL, "instead_of": FIRST, "confirm": True}, "bad_body"),
        ({"text": SMALL, "instead_of": FIRST, "note": "x" * 501}, "too_long"),
    ],
)
async def test_a_body_that_is_not_right_is_refused(board: Running, body: dict[str, Any], code: str) -> None:
    answer = await post(board, PUBLISH, **body)
    assert (answer.status, answer.json["code"]) == (400, code)


async def test_without_kafka_nothing_is_published(board: Running, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    async def deliver(self: Log, records: Any, partition: int | None = None) -> Any:
        raise TimeoutError

    monkeypatch.setattr(Log, "deliver", deliver)
    answer = await post(board, PUBLISH, text=SMALL, instead_of=FIRST)
    assert (answer.status, answer.json["code"]) == (503, "not_published")


async def test_before_the_first_publication_there_is_nothing_to_replace() -> None:
    async with board_on(await shards(), ACCESS) as board:
        answer = await post(board, PUBLISH, text=SMALL, instead_of="")
        assert (answer.status, answer.json["code"]) == (409, "nothing_published")
        assert (await board.get(VERSIONS, BEN)).json == {"versions": [], "next": None}


async def test_before_the_first_publication_the_pages_say_what_to_do() -> None:
    async with board_on(Shards(NO_SCORECARDS.rules)) as board:
        for path, status in (("/", 503), ("/scorecards", 503), ("/try", 200), ("/versions", 200), ("/flow", 200)):
            answer = await board.get(path)
            assert (path, answer.status) == (path, status)
            assert status == 200 or "Nothing is published yet" in answer.body.decode()


# Versions


async def test_versions_say_who_when_why_and_what_changed(board: Running) -> None:
    await post(board, PUBLISH, text=CHANGED, instead_of=FIRST, confirmed=True, note="Ask counts more")

    latest, first = (await board.get(VERSIONS, BEN)).json["versions"]

    assert (latest["author"], latest["note"], latest["in_use"], latest["before"]) == (
        "eve", "Ask counts more", True, FIRST,
    )  # fmt: skip
    assert "points 10 → 20" in [each["text"] for each in latest["changes"]["differences"]]
    assert (first["author"], first["until"], first["changes"]) == ("tim", latest["at"], None)


async def test_versions_come_in_pages(board: Running) -> None:
    await post(board, PUBLISH, text=SMALL, instead_of=FIRST)
    page = (await board.get(f"{VERSIONS}?limit=1", BEN)).json
    rest = (await board.get(f"{VERSIONS}?limit=1&cursor={page['next']}", BEN)).json
    assert [each["in_use"] for each in (*page["versions"], *rest["versions"])] == [True, False]
    assert rest["next"] is None
    for cursor in ("x", "9" * 5000):
        assert (await board.get(f"{VERSIONS}?cursor={cursor}", BEN)).json["code"] == "bad_cursor"


async def test_a_version_has_its_text(board: Running) -> None:
    assert (await board.get(f"{VERSIONS}/{FIRST[:8]}", BEN)).json["text"] == FILE
    assert (await board.get(f"{VERSIONS}/1", BEN)).json["number"] == 1
    assert (await board.get(f"{VERSIONS}/none", BEN)).status == 404


async def test_the_beginning_of_two_versions_is_refused() -> None:
    published: Any = SimpleNamespace(catalog=catalog_of("aa11ff", "aa22ff"))
    with pytest.raises(Refusal, match="2 versions begin with aa: 2 \\(aa22ff\\), 1 \\(aa11ff\\)") as refused:
        Versions(published, VersionAlerts()).find("aa")
    assert (refused.value.status, refused.value.code) == (400, "ambiguous_version")


async def test_a_scorecard_named_versions_is_shown(log: Log) -> None:
    log = Log()
    async with board_on(await shards(), ACCESS, log=log) as board:
        answer = await board.get(f"{BASE}/scorecards/versions", BEN)
        assert (answer.status, answer.json["code"]) == (404, "unknown_scorecard")


async def test_a_rollback_can_be_tried(board: Running, log: Log) -> None:
    await post(board, PUBLISH, text=CHANGED, instead_of=FIRST, confirmed=True)
    tried = await post(board, f"{VERSIONS}/1/try")
    assert (tried.json["version"], tried.json["report"]["new_version"]) == (FIRST, FIRST)
    assert tried.json["report"]["leads"] == 3
    assert (await post(board, f"{VERSIONS}/2/try")).json == {"version": SECOND, "report": None}
    assert (await post(board, f"{VERSIONS}/1/try", BEN)).json["code"] == "not_editor"
    assert len(publications(log)) == 2


# Alerts


def alert(version: str, at_ms: int, kind: str = "entered", cause: str = "event") -> dict[str, Any]:
    return {"scorecard": "default", "stage": "hot", "kind": kind, "at": rfc3339(at_ms), "version": version,
            "cause": cause}  # fmt: skip


def test_alerts_count_for_the_publication_whose_version_they_have() -> None:
    alerts = VersionAlerts()
    for each in (alert("a", 900), alert("a", 3500), alert("b", 1500, cause="scorecard_changed"), alert("b", 2500)):
        alerts.add_alert(each)
    publications = [InForce(0, "a", 1000), InForce(1, "b", 2000), InForce(2, "a", 3000)]

    found = count_alerts(alerts.snapshot(), publications)

    assert found == {
        0: {("default", "hot", "entered", False): 1},
        1: {("default", "hot", "entered", True): 1, ("default", "hot", "entered", False): 1},
        2: {("default", "hot", "entered", False): 1},
    }


def test_the_beginning_of_the_count_is_known() -> None:
    alerts = VersionAlerts(most=2)
    alerts.began_ms = 5000
    assert alerts.since_ms == 5000
    alerts.add_alert(alert("a", 3000))
    assert alerts.since_ms == 3000
    alerts.reads_all = True
    assert alerts.since_ms is None
    alerts.add_alert(alert("a", 3001))
    alerts.add_alert(alert("a", 3002))
    assert alerts.since_ms == 3001


async def test_a_version_shows_the_alerts_that_were_sent_while_it_was_in_use(board: Running) -> None:
    at_ms = now_ms() + 10_000
    for each in (alert(FIRST, at_ms), alert(FIRST, at_ms, "left", "scorecard_changed")):
        board.tails.version_alerts.add_alert(each)
    board.tails.version_alerts.reads_all = True
    (row,) = (await board.get(VERSIONS, BEN)).json["versions"]
    assert row["alerts"] == [
        {"scorecard": "default", "scorecard_label": "Whole company", "stage": "hot", "stage_label": "hot",
         "entered": 1, "left": 1, "at_once": {"entered": 0, "left": 1}}
    ]  # fmt: skip
    assert row["alerts_since"] is None


# Pages


async def send(board: Running, path: str, token: str = EVE, **fields: str) -> Any:
    return await board.request("POST", path, token, data=urlencode(fields).encode())


async def page(board: Running, path: str, token: str = EVE) -> str:
    return unescape((await board.get(path, token)).body.decode())


async def test_only_an_editor_sees_the_form_under_a_change(board: Running) -> None:
    for token, sees in ((EVE, True), (ANA, False), (BEN, False)):
        shown = unescape((await send(board, "/try", token, text=CHANGED)).body.decode())
        assert ('action="/try/publish"' in shown, "Send the 3 alerts" in shown) == (sees, sees)
        assert (await send(board, "/try/publish", ANA, text=CHANGED)).status == 403


async def test_the_page_publishes_and_shows_the_versions(board: Running, log: Log) -> None:
    held = await send(board, "/try/publish", text=CHANGED, instead_of=FIRST, note='Ask "counts"')
    assert (held.status, "3 alerts would be sent at once" in unescape(held.body.decode())) == (409, True)
    assert 'name="note" value="Ask &#34;counts&#34;"' in held.body.decode()

    done = await send(board, "/try/publish", text=CHANGED, instead_of=FIRST, confirmed="yes", note="Ask counts")

    assert (done.status, done.headers["Location"]) == (303, "/versions?done=published")
    shown = await page(board, done.headers["Location"])
    assert all(text in shown for text in ("Ask counts", "by eve", "points 10 → 20", "in use", "Roll back to this"))
    assert "Roll back to this" not in await page(board, "/versions", ANA)


async def test_a_change_of_other_scorecards_is_shown_anew(board: Running, log: Log) -> None:
    await log.publish(SMALL, "tim")
    answer = await send(board, "/try/publish", text=CHANGED, instead_of=FIRST, confirmed="yes")
    assert answer.status == 409
    shown = unescape(answer.body.decode())
    assert "Other scorecards were published since you looked" in shown
    assert f'name="instead_of" value="{Rules(load(SMALL)).version}"' in shown


async def test_the_text_is_kept_while_nothing_can_be_measured(board: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "TURN_S", 0.0)
    async with board.service.trials._turn:
        answer = await send(board, "/try/publish", text=CHANGED, instead_of=FIRST)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    shown = unescape(answer.body.decode())
    assert trials.BUSY in shown
    assert CHANGED in shown


async def test_a_rollback_is_shown_before_it_is_confirmed(board: Running, log: Log) -> None:
    await post(board, PUBLISH, text=CHANGED, instead_of=FIRST, confirmed=True)

    shown = await page(board, f"/versions/{FIRST}/rollback")
    assert "What would change" in shown
    assert f'action="/versions/{FIRST}/rollback"' in shown
    assert (await board.get(f"/versions/{FIRST}/rollback", ANA)).status == 403
    elsewhere = await board.get(f"/versions/{FIRST}/rollback", EVE, **{"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status == 403
    assert (await send(board, f"/versions/{FIRST}/rollback", ANA, instead_of=SECOND)).status == 403
    assert len(publications(log)) == 2

    late = await send(board, f"/versions/{FIRST}/rollback", instead_of=FIRST, note="Too many", quiet="yes")
    assert (late.status, 'name="note" value="Too many"' in late.body.decode()) == (409, True)
    assert 'name="quiet" value="yes" checked' in late.body.decode()
    done = await send(board, f"/versions/{FIRST}/rollback", instead_of=SECOND, note="Too many", quiet="yes")
    assert done.status == 303
    assert publications(log)[-1]["undone"]
    assert "rolled back" in await page(board, "/versions")


async def test_a_version_that_cannot_be_read_any_more_is_shown_but_not_used(log: Log) -> None:
    async with log.open_topic() as topic, log.open_writer(topic) as writer:
        await writer.publish(Scorecards("leadglow: 7\n", Rules(load(SMALL))), "tim", NOTHING)
    unreadable, in_use = Rules(load(SMALL)).version, await log.publish(FILE, "tim")
    async with board_on(await shards(), ACCESS, log=log) as board:
        path = f"/versions/{unreadable}/rollback"
        for refused in (await board.get(path, EVE), await send(board, path, instead_of=in_use)):
            assert refused.status == 409
            assert "This version of Leadglow cannot read the published scorecards" in refused.body.decode()
        shown = await page(board, "/versions")
        assert "cannot compare them" in shown
        assert "No stage" not in shown
    assert len(publications(log)) == 2


async def test_a_version_is_shown_and_downloaded(board: Running) -> None:
    assert "label: Whole company" in await page(board, f"/versions/{FIRST}", BEN)
    file = await board.get(f"/versions/{FIRST}/scorecards.yaml", BEN)
    assert (file.body.decode(), file.headers["Content-Disposition"]) == (
        FILE, f'attachment; filename="scorecards-{FIRST[:12]}.yaml"',
    )  # fmt: skip
