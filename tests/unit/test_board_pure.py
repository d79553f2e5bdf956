"""What the board works out: masks, cursors, cells, curves, channels, words, histories of what happened."""

from __future__ import annotations

import csv
import io
from hashlib import sha256
from typing import Any

import orjson
import pytest

from app import lead_names
from app.board.alerts import Alerts, alert_of
from app.board.channels import Handovers, channel_rows
from app.board.costs import Cost
from app.board.cursor import cursor_of, place_of
from app.board.curve import build_curve
from app.board.flow import RateMeter, Rejects
from app.board.id_cipher import IdCipher
from app.board.masking import FULL, HIDDEN, VIEWER, Mask, is_address
from app.board.responses import csv_line
from app.board.scorecards import describe_scorecard
from app.board.timeline import build_timeline
from app.board.view_models import weightiest
from app.http.refusals import Refusal
from app.scorecards.text import describe_condition, describe_fit, describe_signal, format_limit
from streams.scorefile import load
from streams.scoring.conditions import OPERATORS
from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.lead import Lead
from streams.scoring.replay import Replay
from streams.scoring.rules import Rules
from streams.scoring.scorecard import EVERYTHING, Block, FitLine, Group, Limit, Model, Points, Scorecard, Signal, Stage
from streams.scoring.scorecard import Test as Where
from streams.units import format_duration
from tests.properties.strategies import START_MS, Fact

CIPHER = IdCipher(b"a secret of the tests")
MASK = Mask(CIPHER)
VIEW = Signal("view", ("page",), half_life_ms=float(DAY_MS))
DAILY = Signal("daily", ("page",), limit=Limit(1, "day"))
ORDER = Signal("order", ("Ordered",), amount="properties.n")
CARD = Scorecard(
    "card",
    {"view": Points(10.0), "daily": Points(3.0), "order": Points(2.0)},
    stages=(Stage("hot", 20.0, 15.0, handoff=True),),
)
RULES = Rules(Model((VIEW, DAILY, ORDER), (CARD,)))


def lead_of(*facts: Fact) -> Lead:
    replay = Replay(RULES)
    for fact in facts:
        replay.play(fact.event(RULES, fact.at))
    replay.end_step()
    lead = replay.state("u")
    assert isinstance(lead, Lead)
    return lead


def page_at(after_ms: int) -> Fact:
    return Fact("page", f"page-{after_ms}", START_MS + after_ms)


# Seals, masks and cursors


def test_a_seal_opens_its_own_tokens_for_their_use_only() -> None:
    token = CIPHER.encrypt("ana@acme.example", "id")
    assert "ana" not in token
    assert CIPHER.encrypt("ana@acme.example", "id") == token
    assert CIPHER.decrypt(token, "id") == "ana@acme.example"
    assert CIPHER.decrypt(token, "cursor") is None
    assert IdCipher(b"another").decrypt(token, "id") is None
    assert CIPHER.decrypt(token[:-1], "id") is None


@pytest.mark.parametrize("text", ["", "x", "ä", "=", "A" * 64, "\x00", "\ud800"])
def test_a_seal_opens_nothing_else(text: str) -> None:
    assert CIPHER.decrypt(text, "id") is None


@pytest.mark.parametrize(
    "text",
    [
        "ana@acme.example", "ana%40acme.example", "mailto:ana%2540acme.example", "ana\uff20acme.example",
        "+49 (30) 1234-56", "+4930123456", "+49 170/7654321", "tel:+491707654321", "0170 7654321", "(030) 7654321",
        "00491707654321", "whatsapp:+491707654321", "+1 212 555 0100 x5", "+49\u2011170\u20111234567",
        "1234567 extension 5", "tel:+49-89-123456;ext=12", "mobile:0170123456",
        "by way of ana@acme.example",
    ],
)  # fmt: skip
def test_an_address_is_known_as_one(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text", ["u-42", "4930123456", "crm:4930123", "1920x1080", "+1", "hidden.x", "5f3c", "", "5" * 64, "2026"]
)
def test_an_id_is_no_address(text: str) -> None:
    assert not is_address(text)


def test_a_viewer_sees_no_trait_and_no_address_anywhere() -> None:
    seen = MASK.mask_value(
        {
            "lead_id": "ana@acme.example",
            "aliases": ["5f3c", "bob@acme.example"],
            "traits": {"name": "Ana", "nested": {"deep": ["ana@acme.example"]}, "ana@acme.example": True},
            "lead": {"lead_id": "ana@acme.example", "email": "ana@acme.example", "anonymous_ids": ["+49301234567"]},
            "links": {"lead": "https://board/leads/ana%40acme.example"},
            "parts": [{"name": "pricing", "points": 3.0}],
            "campaign": "ana@acme.example",
        },
        VIEWER,
    )
    text = orjson.dumps(seen).decode()
    assert "acme" not in text
    assert "Ana" not in text
    assert "+49" not in text
    assert seen["traits"] == {"name": HIDDEN, "nested": HIDDEN, HIDDEN: HIDDEN}
    assert seen["aliases"][0] == "5f3c"
    assert seen["parts"] == [{"name": "pricing", "points": 3.0}]
    assert MASK.resolve_id(seen["lead_id"], VIEWER) == "ana@acme.example"
    assert seen["lead"]["lead_id"] == seen["lead_id"]


def test_who_may_see_all_sees_it_as_it_is() -> None:
    view = {"lead_id": "ana@acme.example", "traits": {"name": "Ana"}}
    assert MASK.mask_value(view, FULL) == view
    assert MASK.resolve_id("ana@acme.example", FULL) == "ana@acme.example"


def test_a_viewer_cannot_ask_for_an_address_nor_for_its_hash() -> None:
    digest = sha256(b"ana@acme.example").hexdigest()
    assert MASK.resolve_id("ana@acme.example", VIEWER) is None
    assert MASK.resolve_id(digest, VIEWER) is MASK.resolve_id(f"sha256:{digest}", VIEWER) is None
    assert MASK.resolve_id(digest, FULL) == digest
    seen = MASK.mask_value({"aliases": [digest], "version": digest}, VIEWER)
    assert MASK.resolve_id(seen["aliases"][0], VIEWER) == digest
    assert seen["aliases"] != [seen["version"]] == [digest]
    assert MASK.resolve_id("u-42", VIEWER) == "u-42"
    assert MASK.resolve_id("hidden.nonsense", VIEWER) == "hidden.nonsense"


def test_a_cursor_names_its_place_and_reveals_no_lead() -> None:
    cursor = cursor_of(CIPHER, 46.0, "ana@acme.example")
    assert "ana" not in cursor
    assert place_of(CIPHER, cursor, float, str) == (46.0, "ana@acme.example")


@pytest.mark.parametrize("cursor", ["", "x", CIPHER.encrypt("[1]", "cursor"), CIPHER.encrypt("[46.0, 3]", "cursor")])
def test_an_invalid_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Refusal) as refused:
        place_of(CIPHER, cursor, float, str)
    assert (refused.value.status, refused.value.code) == (400, "bad_cursor")


# Cells


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", " =1", "\n=1", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x")']
)
def test_a_cell_that_a_spreadsheet_would_run_is_text(text: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_line([text, "after"]), newline=""))
    assert row == ["'" + text, "after"]


def test_other_cells_are_as_they_are() -> None:
    cells: list[Any] = ["a,b", 'say "hi"', "two\r\nlines", None, -4.5, 3, True, "ä", "plain"]
    (row,) = csv.reader(io.StringIO(csv_line(cells), newline=""))
    assert row == ["a,b", 'say "hi"', "two\r\nlines", "", "-4.5", "3", "True", "ä", "plain"]


# Curves and timelines


def test_the_coming_curve_has_the_instants_at_which_stages_are_left() -> None:
    lead = lead_of(page_at(0), page_at(1000), page_at(2000))
    now = START_MS + 2000
    found = build_curve("u", lead, RULES.cards[0], RULES, now, [(START_MS, 13), (now, 33)])
    ((crossing),) = found["crossings"]
    assert (crossing["stage"], crossing["kind"]) == ("hot", "left")
    assert found["past"] == [[START_MS, 13], [now, 33]]
    instants = [at for at, _ in found["coming"]]
    assert instants == sorted(set(instants))
    assert instants[0] == now
    assert found["coming"][0][1] == pytest.approx(33.0, abs=0.01)
    after = [exact for at, exact in found["coming"] if exact < 15.0]
    assert max(after) == pytest.approx(15.0, abs=1e-6)
    assert found["bounds"] == [{"stage": "hot", "enter": 20.0, "leave": 15.0}]


def test_a_curve_looks_no_further_than_anything_moves() -> None:
    lead = lead_of(page_at(0))
    found = build_curve("u", lead, RULES.cards[0], RULES, START_MS, [])
    last_ms, last = found["coming"][-1]
    assert last_ms - START_MS < 7 * DAY_MS
    assert last == pytest.approx(3.0, abs=0.5)


def test_the_timeline_shows_the_points_of_each_event_and_0_over_a_limit() -> None:
    lead = lead_of(page_at(0), page_at(HOUR_MS), Fact("Ordered", "o", START_MS + 2 * HOUR_MS, {"properties.n": 4.0}))
    order, second, first = build_timeline(lead, RULES)
    assert order["signals"] == [{"name": "order", "points": {"card": 8.0}}]
    assert order["event"] == "Ordered"
    assert {s["name"]: s["points"]["card"] for s in second["signals"]} == {"view": 10.0, "daily": 0.0}
    assert {s["name"]: s["points"]["card"] for s in first["signals"]} == {"view": 10.0, "daily": 3.0}
    assert first["event"] == "page"


def test_a_timeline_has_fifty_events_at_most_and_the_newest_first() -> None:
    rows = build_timeline(lead_of(*[page_at(i * HOUR_MS) for i in range(80)]), RULES)
    assert len(rows) <= 50
    assert [row["at"] for row in rows] == sorted((row["at"] for row in rows), reverse=True)


# Alerts and channels


def record(number: int, lead_id: str = "u", kind: str = "entered", minute: int = 0, **data: Any) -> bytes:
    known = {
        "score": {"value": 70.0}, "reasons": [], "cause": "event", "stage": {"name": "hot", "kind": kind, "episode": 1},
        "scorecard": {"name": "card", "label": "", "version": "v"}, "lead": {"traits": {"name": "<b>"}},
        **data,
    }  # fmt: skip
    event = {"id": f"a{number}", "time": f"2026-11-25T00:{minute:02}:00.000Z", "subject": lead_id, "data": known}
    return orjson.dumps(event)


def test_alerts_are_kept_once_in_order_and_bounded() -> None:
    alerts = Alerts(most=3)
    for number, minute in enumerate([5, 1, 9, 7, 3]):
        assert alerts.add_record(record(number, minute=minute)) is not None
    assert alerts.add_record(record(2, minute=9)) is None
    found = [place for place, _, _ in alerts.list_before(None)]
    assert [alert_id for _, alert_id in found] == ["a2", "a3", "a0"]
    assert [alert_id for (_, alert_id), _, _ in alerts.list_before(found[0])] == ["a3", "a0"]
    assert list(alerts.list_before(None, {"nobody"})) == []


@pytest.mark.parametrize("value", [None, b"", b"[]", b"{}", b'{"data": 3}', b"\xff", b'"x"'])
def test_records_that_are_no_alerts_are_ignored(value: bytes | None) -> None:
    assert alert_of(value) is None


def touched(source: str, at: str = "2026-11-25T00:00:00.000Z") -> dict[str, Any]:
    touch = {"at": at, "source": source, "medium": "cpc", "campaign": "c"}
    return {"first_touch": touch, "last_touch": touch | {"source": f"{source}2"}}


def handovers(*records: bytes) -> Handovers:
    found = Handovers()
    for value in records:
        alert = alert_of(value)
        assert alert is not None
        found.add_alert(alert)
    return found


def test_channels_count_each_lead_once_and_by_the_touch_asked_for() -> None:
    seen: dict[str, Any] = {"activity": {"first_seen_at": "2026-11-24T22:00:00.000Z"}}
    found = handovers(
        record(1, "ann", channels=touched("google"), **seen),
        record(2, "ann", minute=5, stage={"name": "hot", "kind": "entered", "episode": 2}, channels=touched("mail")),
        record(3, "bob", kind="left", channels=touched("google")),
        record(4, "cat", channels={}),
    )
    qualified = found.qualified_since("card", 0)
    rows = channel_rows(qualified, "first", (), 0, 1)
    assert [(row["source"], row["qualified"], row["share"]) for row in rows] == [("", 1, 0.5), ("google", 1, 0.5)]
    assert rows[1]["median_hours_to_qualified"] == 2.0
    assert [row["source"] for row in channel_rows(qualified, "last", (), 0, 1)] == ["", "google2"]
    assert found.qualified_since("another", 0) == []


def test_made_up_channels_are_bounded_and_none_is_lost() -> None:
    found = handovers(*(record(i, f"l{i}", channels=touched(f"s{i:05}")) for i in range(1500)))
    rows = channel_rows(found.qualified_since("card", 0), "first", (), 0, 1)
    assert (len(rows), rows[-1]["source"], rows[-1]["qualified"]) == (201, "others", 1300)
    assert sum(row["share"] for row in rows) == pytest.approx(1.0)
    assert len(found.sources) == 1000


def test_costs_are_split_by_qualified_leads_and_limited_to_the_period() -> None:
    found = handovers(
        *(record(i, f"l{i}", channels=touched("google")) for i in range(3)),
        record(9, "m", channels={"first_touch": {"source": "google", "medium": "display", "campaign": ""}}),
    )
    costs = (
        Cost("Google", "", "", 400.0, 0, 4 * DAY_MS),
        Cost("print", "", "", 10.0, 0, DAY_MS),
        Cost("google", "", "", 99.0, 9 * DAY_MS, 10 * DAY_MS),
    )
    rows = channel_rows(found.qualified_since("card", 0), "first", costs, 0, 2 * DAY_MS)
    told = {(row["source"], row["medium"]): (row["cost"], row["cost_per_qualified"]) for row in rows}
    assert told == {("google", "cpc"): (150.0, 50.0), ("google", "display"): (50.0, 50.0), ("print", ""): (10.0, None)}


# Words


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (Where("properties.url", "contains", "/pricing"), "properties.url contains /pricing"),
        (Where("a", "not", (1, 2)), "a is none of 1, 2"),
        (Where("a", "not", True), "a is not true"),
        (Where("a", "not", (True,)), "a is not true"),
        (Where("a", "exists", False), "a is missing"),
        (Where("a", "gte", 200.0), "a is at least 200"),
        (Where("title", "matches", r"(?i)\b(ceo|vice president)\b"), "title has the word ceo or vice president"),
        (Where("title", "matches", r"\bceo\b"), "title has the word ceo"),
        (Where("title", "matches", r"(?i)^c.o$"), "title matches (?i)^c.o$"),
        (Group("none", (Where("a", "equals", "x"),)), "not (a is x)"),
        (
            Group(
                "all", (Where("a", "equals", "x"), Group("any", (Where("b", "gt", 1), Where("c", "in", ("y", "z")))))
            ),
            "a is x and (b is more than 1 or c is one of y, z)",
        ),
        (EVERYTHING, ""),
    ],
)
def test_conditions_are_described(condition: Any, said: str) -> None:
    assert describe_condition(condition) == said


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_is_described(operator: str) -> None:
    assert describe_condition(Where("a", operator, "x")).startswith("a ")


def test_signals_and_fit_lines_are_described() -> None:
    depth = Signal("d", ("page", "Seen"), Where("properties.path", "prefix", "/p/"), distinct="properties.path")
    assert (
        describe_signal(depth) == "page view or Seen whose properties.path begins with /p/, each properties.path once"
    )
    assert describe_signal(ORDER) == "Ordered, counted by properties.n"
    assert describe_fit(FitLine("title", Where("title", "equals", "CTO"), 20.0)) == "title is CTO"
    assert [format_duration(ms) for ms in (float("inf"), 14.0 * DAY_MS, 90 * 60_000.0, 20_000.0, 1500.0)] == [
        "never", "2w", "90m", "20s", "1.5s",
    ]  # fmt: skip
    assert (format_limit(None), format_limit(Limit(5, "day"))) == (None, "5/day")


def test_every_scorecard_in_the_repository_can_be_described() -> None:
    for path in ("scorecards.yaml", "app/demo/scorecard.yaml"):
        with open(path, encoding="utf-8") as file:
            rules = Rules(load(file.read()))
        for card in rules.cards:
            said = describe_scorecard(card, rules, {"pricing_visit": (3, None)})
            pricing = next(s for s in said["signals"] if s["name"] == "pricing_visit")
            assert (pricing["fired_7d"], pricing["points_7d"], pricing["never"]) == (3, 30.0, False)
            assert orjson.dumps(said)


def test_the_points_of_a_signal_are_its_amount_times_its_worth() -> None:
    said = describe_scorecard(RULES.cards[0], RULES, {"order": (2, 7.5)})
    assert [(s["name"], s["fired_7d"], s["points_7d"], s["never"]) for s in said["signals"]] == [
        ("view", 0, 0.0, True), ("daily", 0, 0.0, True), ("order", 2, 15.0, False),
    ]  # fmt: skip


def test_blocks_of_a_stage_go_by_the_labels_of_signals() -> None:
    named = {"out": "Unsubscribed", "in": "Subscribed"}
    signals = tuple(Signal(name, (name,), label=label) for name, label in named.items())
    stage = Stage("hot", 50.0, 40.0, blocked_by=("out",), blocks=(Block("out", until="in"),))
    rules = Rules(Model(signals, (Scorecard("main", {"out": Points(1.0)}, stages=(stage,)),)))
    (said,) = describe_scorecard(rules.cards[0], rules, {})["stages"]
    assert said["blocked_by"] == ["out", "out until in"]
    assert said["blocked_by_labels"] == ["Unsubscribed", "Unsubscribed until Subscribed"]


# People and pace


def test_a_lead_is_called_by_its_best_name() -> None:
    assert lead_names.name_of("u", {"name": " Ana ", "email": "a@b"}) == "Ana"
    assert lead_names.name_of("u", {"firstName": "Ana", "lastName": "Lima"}) == "Ana Lima"
    assert lead_names.name_of("u", {"email": "a@b", "name": 3}) == "a@b"
    assert lead_names.name_of("u", {"name": ["x"], "email": {"a": 1}}) == "u"
    assert lead_names.company_of({"company": {"name": "Acme"}}) == "Acme"
    assert lead_names.title_of({}) is None


def test_a_pace_is_that_of_the_last_seconds_and_begins_anew_when_a_count_does() -> None:
    pace = RateMeter(over_s=10)
    assert pace.per_s == 0.0
    for second in range(0, 60, 2):
        pace.add_sample(second, second * 5.0)
    assert pace.per_s == 5.0
    pace.add_sample(61, 3.0)
    assert pace.per_s == 0.0


def test_rejects_are_listed_without_their_content_and_with_few_reasons() -> None:
    rejects = Rejects()
    for number in range(300):
        rejects.add_record(number, {"reason": b"r%d" % number, "message": b"\xff", "leadglow-source": b"web:0:1"}, 14)
    rows = rejects.list_rows()
    assert len(rows) == 200
    assert rows[0]["reason"] == "r299"
    assert rows[0] == {"at": "1970-01-01T00:00:00.299Z", "reason": "r299", "message": "\ufffd", "source": "web:0:1",
                       "bytes": 14}  # fmt: skip
    assert len(rejects.reasons) == 101
    assert rejects.reasons["other"] == 200


def test_a_chip_shows_what_a_part_gave_after_caps_and_what_it_would_have_given() -> None:
    capped = {"kind": "signal", "name": "product_depth", "points": 180.0, "after_caps": 15.0}
    plain = {"kind": "signal", "name": "demo_request", "points": 40.0}
    shown = [(part["name"], part["points"], part["uncapped"]) for part in weightiest([capped, plain], 3)]
    assert shown == [("demo_request", 40.0, None), ("product_depth", 15.0, 180.0)]
