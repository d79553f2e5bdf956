"""The notifier's decisions: matching, pauses, breaker, quiet hours, digests, limits, order and progress."""

from __future__ import annotations

import random
from datetime import UTC, datetime, time
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.notify.alerts import read_alert
from app.notify.breaker import FAILURES, MAX_OPEN_S, Gate
from app.notify.kinds.hubspot import HubSpot
from app.notify.kinds.salesforce import Salesforce
from app.notify.kinds.slack import Slack
from app.notify.kinds.summary import summarize
from app.notify.limits import Counts, Limit
from app.notify.outcomes import MAX_PAUSE_S, Result, outcome_of_status, parse_retry_after, pause_s
from app.notify.progress import WINDOW, Progress
from app.notify.route_runner import RouteRunner
from app.notify.routes import Filter, Route
from app.notify.times_of_day import Digest, Quiet
from app.notify.waiting import MOST_ALERTS, Entry, Waiting
from streams.schemas import RECORDS
from streams.scoring.scorecard import Test as Condition
from tests.support.receivers import alert_of

MADRID = ZoneInfo("Europe/Madrid")
HOUR = 3_600_000


def ms(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000


# Reading and matching


@pytest.mark.parametrize("raw", [None, b"", b"[]", b"{}", b'{"id":1}', b'{"id":"a","subject":"b","data":[]}', b"\xff"])
def test_a_record_that_is_no_alert_is_none(raw: bytes | None) -> None:
    assert read_alert(raw) is None


def test_an_id_that_could_break_a_header_is_none() -> None:
    raw = alert_of("a-1").raw.replace(b'"id":"a-1"', b'"id":"a\\r\\nx: 1"')
    assert read_alert(raw) is None


@pytest.mark.parametrize(
    ("chosen", "matches"),
    [
        (Filter(), True),
        (Filter(scorecards=frozenset({"default"})), True),
        (Filter(scorecards=frozenset({"other"})), False),
        (Filter(stages=frozenset({"qualified"}), directions=frozenset({"entered"})), True),
        (Filter(directions=frozenset({"left"})), False),
        (Filter(owners=frozenset({"eva@acme.example"})), True),
        (Filter(owners=frozenset({"bob"})), False),
        (Filter(traits=Condition("employees", "gte", 200)), True),
        (Filter(traits=Condition("employees", "gte", 2000)), False),
        (Filter(traits=Condition("absent", "exists", True)), False),
    ],
)
def test_a_route_takes_what_its_filter_names(chosen: Filter, matches: bool) -> None:
    lead = {"lead_id": "ana", "traits": {"employees": 450, "owner": "Eva@acme.example"}}
    assert chosen.matches(alert_of(lead=lead)) is matches


# Outcomes and pauses


@pytest.mark.parametrize(
    ("status", "retry_after", "result"),
    [
        (200, None, Result.DELIVERED),
        (204, None, Result.DELIVERED),
        (302, None, Result.RETRY),
        (400, None, Result.REFUSED),
        (401, None, Result.RETRY),
        (404, None, Result.RETRY),
        (410, None, Result.GONE),
        (422, None, Result.REFUSED),
        (429, None, Result.SLOW_DOWN),
        (500, None, Result.RETRY),
        (503, None, Result.RETRY),
        (503, "5", Result.SLOW_DOWN),
    ],
)
def test_a_status_has_an_outcome(status: int, retry_after: str | None, result: Result) -> None:
    assert outcome_of_status(status, retry_after, 0).result == result


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("99999999999999", 3600.0),
        ("-1", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
    ],
)
def test_retry_after_is_a_number_or_a_date_and_at_most_an_hour(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, 10_000) == seconds


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_pause_is_never_longer_than_the_longest(attempts: int, chance: float) -> None:
    assert 0.5 <= pause_s(attempts, chance) <= MAX_PAUSE_S
    assert pause_s(attempts, 0) <= pause_s(attempts + 1, 0)


# The breaker


def test_failures_in_a_row_open_the_breaker_and_one_success_closes_it() -> None:
    gate = Gate()
    for _ in range(FAILURES):
        assert gate.wait_ms(0) == 0
        gate.begin(0)
        gate.fail(0, 0.0)
    assert gate.open
    assert gate.wait_ms(0) == 10_000
    gate.begin(10_000)
    assert gate.wait_ms(99_999) is None  # one attempt at a time
    gate.fail(10_000, 0.0)
    assert gate.wait_ms(10_000) == 20_000
    gate.begin(30_000)
    gate.succeed()
    assert (gate.open, gate.wait_ms(30_000)) == (False, 0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=60))
def test_a_breaker_is_never_open_for_longer_than_its_longest_pause(results: list[tuple[bool, float]]) -> None:
    gate, now = Gate(), 0.0
    for success, chance in results:
        wait = gate.wait_ms(now)
        assert wait is not None
        assert wait <= MAX_OPEN_S * 1000
        now += wait
        gate.begin(now)
        gate.succeed() if success else gate.fail(now, chance)


def test_a_rate_and_a_retry_after_hold_the_next_message_back() -> None:
    gate = Gate(gap_ms=1000)
    gate.begin(0)
    assert gate.wait_ms(400) == 600
    gate.hold(400, 7)
    assert gate.wait_ms(400) == 7000
    gate.disabled = "it answered 410"
    assert gate.wait_ms(1e12) is None


# Times of day


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-24T17:59:00+01:00", None),
        ("2026-11-24T18:00:00+01:00", "2026-11-25T08:00:00+01:00"),
        ("2026-11-25T07:59:59+01:00", "2026-11-25T08:00:00+01:00"),
        ("2026-11-25T08:00:00+01:00", None),
        ("2026-11-27T20:00:00+01:00", "2026-11-30T08:00:00+01:00"),  # Friday evening: the weekend, and Monday's night
        ("2026-11-29T12:00:00+01:00", "2026-11-30T08:00:00+01:00"),
        ("2026-03-28T20:00:00+01:00", "2026-03-30T08:00:00+02:00"),  # the clocks change
    ],
)
def test_quiet_hours_end_in_their_zone(now: str, until: str | None) -> None:
    quiet = Quiet(MADRID, time(18), time(8), frozenset({5, 6}))
    assert quiet.until_ms(ms(now)) == (ms(until) if until else None)


@given(st.integers(0, 2_000_000_000_000), st.times(), st.times(), st.frozensets(st.integers(0, 6), max_size=6))
def test_quiet_hours_end_when_it_is_not_quiet_any_more(now: int, begin: time, end: time, days: frozenset[int]) -> None:
    quiet = Quiet(MADRID, begin.replace(microsecond=0), end.replace(microsecond=0), days)
    until = quiet.until_ms(now)
    assert until is None or (until > now and quiet.until_ms(until) is None) or until - now > 6 * 24 * HOUR


def test_digests_are_at_times_of_day_or_every_period() -> None:
    twice = Digest(MADRID, times=(time(13), time(8)))
    assert twice.next_ms(ms("2026-11-24T08:00:00+01:00")) == ms("2026-11-24T13:00:00+01:00")
    assert twice.next_ms(ms("2026-11-24T13:30:00+01:00")) == ms("2026-11-25T08:00:00+01:00")
    every = Digest(MADRID, every_ms=5 * HOUR)
    assert every.next_ms(ms("2026-11-24T09:59:59+01:00")) == ms("2026-11-24T10:00:00+01:00")
    assert every.next_ms(ms("2026-11-24T21:00:00+01:00")) == ms("2026-11-25T00:00:00+01:00")


@given(st.integers(0, 2_000_000_000_000), st.lists(st.times(), min_size=1, max_size=4))
def test_a_digest_is_later_and_within_two_days(now: int, times: list[time]) -> None:
    at = Digest(MADRID, tuple(each.replace(microsecond=0) for each in times)).next_ms(now)
    assert now < at <= now + 49 * HOUR


# Limits


def test_alerts_above_the_limit_wait_until_the_end_of_the_period_and_a_restart_counts_the_same() -> None:
    limit, at = Limit(2, HOUR), 10 * HOUR + 5
    counts = Counts(limit)
    assert [counts.held_until_ms("eva", at) for _ in range(3)] == [None, None, 11 * HOUR]
    assert counts.held_until_ms("bob", at) is None
    assert counts.held_until_ms("eva", 11 * HOUR) is None
    again = Counts(limit)
    again.note("eva", at)
    again.note("eva", at)
    assert again.held_until_ms("eva", at) == 11 * HOUR


# Order


def entry(alert_id: str, lead_id: str, progress: Progress, offset: int, due_ms: float = 0, group: str = "") -> Entry:
    progress.note_read(offset)
    return Entry(alert_of(alert_id, lead_id), progress, offset, 0, due_ms, group)


def test_the_next_alert_of_a_lead_waits_for_the_one_before_and_other_leads_do_not() -> None:
    waiting, progress = Waiting(1), Progress(0)
    first, second, other = entry("1", "a", progress, 0), entry("2", "a", progress, 1), entry("3", "b", progress, 2)
    for each in (first, second, other):
        waiting.add(each)
    assert waiting.take(0) == [first]
    assert waiting.take(0) == [other]
    assert waiting.take(0) == []
    waiting.again(first, 50)
    waiting.release({"a"})
    assert waiting.take(49) == []
    assert waiting.take(50) == [first]
    waiting.finish(first)
    waiting.release({"a"})
    assert waiting.take(50) == [second]
    assert (waiting.count, progress.next) == (2, 1)


def test_an_alert_is_late_from_the_moment_when_it_could_be_sent_until_it_is_finished() -> None:
    waiting, progress = Waiting(1), Progress(0)
    assert waiting.late_ms(9000) == 0
    now, digest = entry("1", "ann", progress, 0), entry("2", "ben", progress, 1, due_ms=8000)
    now.timestamp_ms = digest.timestamp_ms = 1000
    waiting.add(now)
    waiting.add(digest)

    assert waiting.late_ms(4000) == 3000
    waiting.take(4000)
    assert waiting.late_ms(5000) == 4000  # in flight
    now.first_ms = 4000
    waiting.again(now, 9000)
    assert waiting.late_ms(6000) == 2000  # since the first attempt
    waiting.finish(now)
    assert [waiting.late_ms(at) for at in (7000, 8500)] == [0, 500]


def test_an_alert_that_arrives_while_the_one_before_is_finished_is_taken_once() -> None:
    waiting, progress = Waiting(2), Progress(0)
    first, second = entry("1", "a", progress, 0), entry("2", "a", progress, 1)
    waiting.add(first)
    waiting.take(0)
    waiting.finish(first)
    waiting.add(second)
    waiting.release({"a"})
    assert waiting.take(0) == [second]
    assert waiting.take(0) == []


def test_a_batch_has_one_alert_of_a_lead_and_a_digest_all() -> None:
    batches, digests, progress = Waiting(10), Waiting(1), Progress(0)
    for number, lead in enumerate("aab"):
        batches.add(entry(str(number), lead, progress, number))
        digests.add(entry(str(number), lead, progress, number, group="digest"))
    assert [each.alert.alert_id for each in batches.take(0)] == ["0", "2"]
    assert [each.alert.alert_id for each in digests.take(0)] == ["0", "1", "2"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["ok", "again"])), max_size=40), st.randoms())
def test_every_alert_is_delivered_once_in_order_of_its_lead(plan: list[tuple[str, str]], chance: random.Random) -> None:
    waiting, progress = Waiting(chance.choice([1, 3])), Progress(0)
    for number, (lead, _) in enumerate(plan):
        waiting.add(entry(str(number), lead, progress, number))
    delivered: list[int] = []
    retried: set[int] = set()
    while taken := waiting.take(0):
        for each in taken:
            if plan[each.offset][1] == "again" and each.offset not in retried:
                retried.add(each.offset)
                waiting.again(each, 0)
            else:
                delivered.append(each.offset)
                waiting.finish(each)
        waiting.release({each.alert.lead_id for each in taken})
    assert sorted(delivered) == list(range(len(plan)))
    for lead in "abc":
        mine = [offset for offset in delivered if plan[offset][0] == lead]
        assert mine == sorted(mine)
    assert (waiting.count, waiting.bytes, progress.next) == (0, 0, len(plan))


def test_what_waits_is_bounded() -> None:
    waiting, progress = Waiting(1), Progress(0)
    one = entry("1", "a", progress, 0)
    for _ in range(MOST_ALERTS):
        assert not waiting.full
        waiting.add(one)
    assert waiting.full
    waiting.drop({id(progress)})
    assert (waiting.count, waiting.bytes, waiting.take(0)) == (0, 0, [])


# Progress


@given(st.lists(st.integers(0, 60), unique=True), st.integers(0, 10))
def test_a_commit_remembers_exactly_what_is_finished(finished: list[int], begin: int) -> None:
    progress = Progress(begin)
    for offset in range(begin, 61):
        assert progress.note_read(offset)
    for offset in finished:
        progress.finish(offset)
    restored = Progress(progress.next, progress.metadata())
    assert [offset for offset in range(begin, 61) if not restored.is_done(offset)] == [
        offset for offset in range(begin, 61) if offset not in finished
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_metadata_of_a_commit_is_never_longer_than_kafka_allows(seed: int) -> None:
    chance = random.Random(seed)
    progress = Progress(0)
    for offset in range(WINDOW):
        progress.note_read(offset)
    assert progress.full
    for offset in chance.sample(range(1, WINDOW), WINDOW // 2):
        progress.finish(offset)
    assert len(progress.metadata()) <= 4096


def test_offsets_without_a_record_and_strange_metadata_stop_nothing() -> None:
    progress = Progress(5, "1:%%%")
    assert progress.note_read(9)  # 5 to 8 have no record
    progress.note_read(12)
    progress.finish(9)
    assert progress.next == 12
    assert not progress.note_read(3)
    assert Progress(0, "other").metadata() == ""


def test_times_are_read_in_utc() -> None:
    assert datetime.fromtimestamp(Digest(ZoneInfo("UTC"), every_ms=HOUR).next_ms(1) / 1000, UTC).hour == 1


def test_an_alert_about_an_account_names_the_company_and_its_leads() -> None:
    alert = read_alert(orjson.dumps(RECORDS["account-event"].example()))
    assert alert is not None
    words = summarize(alert)
    assert words.headline == "acme.example entered Target account"
    assert words.reasons == ("+84.0 ana",)
    assert words.link == "https://board.acme.example/accounts/default/acme.example"


@pytest.mark.parametrize(("kind", "wanted"), [(Slack, True), (HubSpot, False), (Salesforce, False)])
def test_customer_systems_get_no_alerts_about_accounts(kind: type, wanted: bool) -> None:
    alert = read_alert(orjson.dumps(RECORDS["account-event"].example()))
    assert alert is not None
    target = SimpleNamespace(destination=SimpleNamespace(kind=object.__new__(kind)))
    source, dispatcher = SimpleNamespace(dead_letters_of=""), SimpleNamespace(route=Route("r", "d"), target=target)
    assert RouteRunner(cast(Any, source), cast(Any, dispatcher))._is_wanted(alert) is wanted
