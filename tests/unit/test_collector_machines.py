"""Machines are marked, never dropped, and what passed for a person's is taken back."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.collector.calls import rfc3339
from app.collector.inbound import Call
from app.collector.machines import MEMORY_MS, MachineDetector
from app.collector.mailings import MAX_PER_MESSAGE

NOW_MS = 1_795_310_000_000
ANA = "Ana@acme.example"
PERSON = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


def mail(event: Any, name: str, at_ms: int = 0, agent: str = PERSON, **more: Any) -> Call:
    """A mail event ``at_ms`` after NOW_MS."""
    return {
        "type": "track",
        "event": event,
        "messageId": name,
        "timestamp": rfc3339(NOW_MS + at_ms),
        "context": {"traits": {"email": more.pop("email", ANA)}, "userAgent": agent},
        "properties": {"service": "sendgrid", "message_id": "m1", **more},
    }


def click(name: str, at_ms: int = 0, url: str = "", **more: Any) -> Call:
    return mail("Email Link Clicked", name, at_ms, url=url or f"https://acme.example/{name}", **more)


def reason(call: Call) -> str | None:
    properties = call["properties"]
    assert properties.get("automated", True) is True
    found = properties.get("automated_reason")
    return None if found is None else str(found)


def judged(*calls: Call) -> tuple[list[str | None], list[Call]]:
    """The marks and the retractions of calls that come one after another."""
    judge, retractions = MachineDetector(), []
    for call in calls:
        retractions += judge.judge_call(call, NOW_MS)
    return [reason(call) for call in calls], retractions


# Agents ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "agent", "expected"),
    [
        ("Email Opened", "Mozilla/5.0", "apple_mpp"),
        ("Email Opened", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)", None),
        ("Email Opened", GMAIL, "image_proxy"),
        ("Email Opened", "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy.html", "image_proxy"),
        ("Email Opened", "Mozilla/4.0 (compatible; ms-office; MSOffice 16)", None),
        ("Email Opened", "BarracudaCentral", "link_scanner"),
        ("Email Link Clicked", "Mozilla/5.0 (compatible; Proofpoint URL Defense)", "link_scanner"),
        ("Email Link Clicked", "python-requests/2.32", "crawler"),
        ("Email Link Clicked", PERSON, None),
        ("Email Link Clicked", "", None),
        ("Email Delivered", CRAWLER, None),
        ("Unsubscribed", CRAWLER, None),
        ("Email Marked as Spam", "Mozilla/5.0", None),
        ("Asked", CRAWLER, "crawler"),
        ("Asked", "Mozilla/5.0", None),
        ("Asked", GMAIL, "crawler"),
        (["Asked"], GMAIL, "crawler"),
    ],
)
def test_the_reason_is_derived_from_the_agent(event: Any, agent: str, expected: str | None) -> None:
    (found,), retractions = judged(mail(event, "e", agent=agent))
    assert (found, retractions) == (expected, [])


@pytest.mark.parametrize("kind", ["page", "screen", "identify"])
@pytest.mark.parametrize(("agent", "expected"), [(CRAWLER, "crawler"), (PERSON, None), ("Mozilla/5.0", None)])
def test_a_crawlers_visit_is_marked(kind: str, agent: str, expected: str | None) -> None:
    call: Call = {"type": kind, "anonymousId": "a", "context": {"userAgent": agent}}
    assert MachineDetector().judge_call(call, NOW_MS) == []
    assert call.get("properties", {}).get("automated_reason") == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, "provider"), ("apple_mpp", "apple_mpp"), ("head_request", "head_request"), ("?", "provider")],
)
def test_a_verdict_in_the_event_is_kept(given: str | None, expected: str) -> None:
    call = mail("Email Opened", "e", automated=True)
    call["properties"] |= {} if given is None else {"automated_reason": given}
    assert judged(call) == ([expected], [])


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"type": "page", "context": 7},
        {"type": "page", "context": {"userAgent": 7}, "properties": []},
        {"type": "track", "event": "Email Link Clicked", "context": {"traits": 7}, "properties": None},
        mail("Email Opened", "") | {"messageId": 7, "timestamp": 7},
        mail("Email Opened", "x" * 1000),
        mail("Email Opened", "e", message_id=None, url=7),
        click("e", email="x" * 1000),
    ],
)
def test_a_call_of_an_unusual_shape_is_left_unchanged(call: Call) -> None:
    before = copy.deepcopy(call)
    judge = MachineDetector()
    assert judge.judge_call(call, NOW_MS) == []
    assert call == before


def test_only_the_beginning_of_a_very_long_agent_is_examined() -> None:
    call: Call = {"type": "page", "context": {"userAgent": "a b/" * 200_000}}
    MachineDetector().judge_call(call, NOW_MS)
    assert "properties" not in call


# Scanners --------------------------------------------------------------------------------------------------------


def test_three_links_of_a_mail_within_two_seconds_are_marked_and_the_earlier_two_retracted() -> None:
    clicks = [click("a", 0), click("b", 900), click("c", 2000)]
    reasons, retractions = judged(*clicks)

    assert reasons == [None, None, "link_scanner"]
    assert [r["properties"] for r in retractions] == [
        {"messageId": "a", "reason": "link_scanner"},
        {"messageId": "b", "reason": "link_scanner"},
    ]
    assert retractions[0] == {
        "type": "track",
        "event": "Event Retracted",
        "messageId": "retract:a",
        "timestamp": "2026-11-22T01:13:20.000Z",
        "context": {"traits": {"email": ANA}},
        "properties": {"messageId": "a", "reason": "link_scanner"},
    }


def test_a_retraction_has_the_identity_and_the_stamp_of_its_event() -> None:
    stamp = {"leadglow": {"key": "news"}}
    calls = [click(name) | {"userId": "u-1", "anonymousId": "x"} | stamp for name in "abc"]
    _, (first, _) = judged(*calls)

    assert (first["userId"], first["anonymousId"], first["leadglow"]) == ("u-1", "x", {"key": "news"})


@pytest.mark.parametrize(
    "clicks",
    [
        [click("a", 0), click("b", 1000), click("c", 2001)],
        [click("a"), click("b"), click("c", message_id="m2")],
        [click("a"), click("b"), click("c", email="bob@acme.example")],
        [click("a"), click("b", url="https://acme.example/a"), click("c", url="https://acme.example/b")],
        [click("a"), click("b"), click("b"), click("b")],
    ],
)
def test_fewer_links_more_time_or_another_mail_are_not_marked(clicks: list[Call]) -> None:
    assert judged(*clicks) == ([None] * len(clicks), [])


def test_an_open_during_a_scan_is_marked() -> None:
    reasons, retractions = judged(
        mail("Email Opened", "early", 100), mail("Email Opened", "later", 3_600_000), click("a"), click("b"),
        click("c", 500), mail("Email Opened", "late", 400), click("person", 60_000),
    )  # fmt: skip
    assert reasons == [None, None, None, None, "link_scanner", "link_scanner", None]
    assert {r["properties"]["messageId"] for r in retractions} == {"early", "a", "b"}


@pytest.mark.parametrize(
    ("at_ms", "expected"), [(0, "too_soon"), (1999, "too_soon"), (2000, None), (-60_000, "too_soon"), (-60_001, None)]
)
def test_a_click_right_after_the_delivery_is_marked_in_either_order(at_ms: int, expected: str | None) -> None:
    delivered, clicked = mail("Email Delivered", "d"), click("a", at_ms)
    assert judged(delivered, clicked) == ([None, expected], [])

    reasons, retractions = judged(mail("Email Delivered", "x", message_id="other"), click("a", at_ms), delivered)
    assert reasons == [None, None, None]
    assert [r["properties"] for r in retractions] == ([{"messageId": "a", "reason": "too_soon"}] if expected else [])


def test_an_event_repeated_after_a_failed_publication_retracts_the_same_events() -> None:
    judge = MachineDetector()
    for name in "ab":
        judge.judge_call(click(name), NOW_MS)
    first = judge.judge_call(click("c"), NOW_MS)
    again = click("c")
    assert judge.judge_call(again, NOW_MS) == first
    assert len(first) == 2
    assert reason(again) == "link_scanner"
    later = click("a")
    assert judge.judge_call(later, NOW_MS) == []
    assert reason(later) == "link_scanner"
    assert judge.judge_call(click("c"), NOW_MS) == first
    assert judge.judge_call(click("d"), NOW_MS) == []


def some_mail_events(chance: Random) -> list[Call]:
    calls = []
    for i in range(chance.randint(1, 9)):
        at_ms, more = chance.choice((0, 500, 1000, 1999, 2000, 2600, 4000)), {"message_id": chance.choice(("m1", "m2"))}
        agent = chance.choice((PERSON, PERSON, PERSON, "BarracudaCentral"))
        event = chance.choice(("Email Link Clicked",) * 4 + ("Email Opened", "Email Delivered"))
        url = f"https://acme.example/{chance.randint(0, 4)}"
        calls.append(mail(event, f"e{i}", at_ms, agent, url=url, **more))
    return calls


@settings(max_examples=300)
@given(st.integers(0, 2**32).map(Random))
def test_the_final_marks_do_not_depend_on_the_order(chance: Random) -> None:
    calls = some_mail_events(chance)
    ends = []
    for _ in range(2):
        chance.shuffle(calls)
        ordered = copy.deepcopy(calls)
        reasons, retractions = judged(*ordered)
        marked = {call["messageId"] for call, found in zip(ordered, reasons, strict=True) if found is not None}
        taken_back = [each["properties"]["messageId"] for each in retractions]
        assert len(taken_back) == len(set(taken_back))
        assert marked.isdisjoint(taken_back)
        ends.append(marked | set(taken_back))
    assert ends[0] == ends[1]


# Memory ----------------------------------------------------------------------------------------------------------


def test_memory_is_bounded_over_all_mails_and_for_each() -> None:
    judge = MachineDetector(most_events=100)
    for i in range(500):
        judge.judge_call(click(f"e{i}", i * 10_000, message_id=f"m{i % 150}"), NOW_MS)
        assert len(judge) <= 100 + 1
    one = MachineDetector()
    for i in range(500):
        one.judge_call(click(f"e{i}", i * 10_000), NOW_MS)
    assert len(one) == MAX_PER_MESSAGE


def test_a_mail_is_forgotten_an_hour_after_its_last_event() -> None:
    judge = MachineDetector()
    judge.judge_call(click("a"), NOW_MS)
    judge.judge_call(click("b"), NOW_MS + MEMORY_MS)
    judge.judge_call(click("c", message_id="m2"), NOW_MS + MEMORY_MS + 1)
    assert len(judge) == 3
    judge.judge_call(click("d", message_id="m2"), NOW_MS + 2 * MEMORY_MS + 1)
    assert len(judge) == 2
