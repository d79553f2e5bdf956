"""Times as people and programs really send them, at every door."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.collector import segment
from app.collector.webhooks import mail
from streams.events.times import event_time, parse_ms
from tests.support.payloads import NOW_MS, event_of, post

DATA = Path(__file__).parent.parent / "data" / "doors"
AT_MS = 1_659_044_615_000
MS = "2022-07-28T21:43:35.291Z"


@pytest.mark.parametrize("name", ["forwarded", "times"])
def test_a_batch_happened_at_these_times(name: str) -> None:
    case = json.loads((DATA / f"{name}.json").read_text())
    delivery = segment.read_segment(post("/v1/batch", {"batch": case["batch"]}))
    expected = [parse_ms(time) for time in case["times"]]
    assert [event_of(call).at for call in delivery.calls] == expected
    assert [event_time(sent, NOW_MS) for sent in case["batch"]] == expected


@pytest.mark.parametrize(
    ("value", "at_ms"),
    [
        (MS, AT_MS + 291),
        (MS.lower(), AT_MS + 291),
        (" 2022-07-28 21:43:35 ", AT_MS),
        ("2022-07-28T23:43:35+02:00", AT_MS),
        ("2022-07-28T21:43:35.123456789Z", AT_MS + 123),
        (1_659_044_615, AT_MS),
        (1_659_044_615.25, AT_MS + 250),
        (AT_MS, AT_MS),
        (str(AT_MS), AT_MS),
        ("1659044615", AT_MS),
        ("1659044615.25", AT_MS + 250),
        ("1610123102345", 1_610_123_102_345),
        ("20220728", 1_658_966_400_000),
        ("2022-07-28 21:43:35.291 +0000 UTC", AT_MS + 291),
        ("2022-07-28 23:43:35.291123456 +0200 CEST m=+0.013", AT_MS + 291),
        ("2022-07-28 21:43:35 UTC", AT_MS),
        ("2022-07-28 21:43:35.291 utc", AT_MS + 291),
        ("2022-07-28T21:43:35GMT", AT_MS),
        ("2016-12-31 23:59:60 UTC", 1_483_228_800_000),
        ("Thu, 28 Jul 2022 21:43:35 +0000", AT_MS),
        ("Thu, 28 Jul 2022 21:43:35 GMT", AT_MS),
        ("28 Jul 2022 17:43:35 EDT", AT_MS),
        ("Thu, 28 Jul 2022 14:43 -0700", AT_MS - 35_000),
        ("Thu Jul 28 2022 23:43:35 GMT+0200 (Central European Summer Time)", AT_MS),
        ("Thu Jul 28 2022 14:43:35 GMT-0700", AT_MS),
        ("Thu Jul 28 21:43:35 2022", AT_MS),
        ("Thu Jul 28 21:43:35 UTC 2022", AT_MS),
        ("Thu Jul 28 23:43:35 +0200 2022", AT_MS),
        ("Thursday, 28-Jul-22 21:43:35 GMT", AT_MS),
        ("Thu, 28 Jub 2022 21:43:35 GMT", None),
        ("Thu, 31 Feb 2022 21:43:35 GMT", None),
        ("Jul 28, 2022, 9:43:35 PM", None),
        ("28 Jul 2022", None),
        ("Jul 28 :1:", None),
        ((AT_MS + 291) * 1000, AT_MS + 291),
        ((AT_MS + 291) * 10**6, AT_MS + 291),
        (str((AT_MS + 291) * 10**6 + 999), AT_MS + 291),
        ("1659044615291000.5", AT_MS + 291),
        ("UTC", None),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("1990-12-31t15:59:60.5-08:00", 662_688_000_500),
        ("2016-12-30T23:59:60Z", None),
        ("2016-12-31T23:58:60Z", None),
        ("9999-12-31T23:59:60Z", None),
        ("28/07/2022 21:43", None),
        ("soon", None),
        ("", None),
        (True, None),
        (0, None),
        (-5, None),
        (float("nan"), None),
        (1e300, None),
        (2**70, None),
        (10**21, None),
        ("9" * 5000, None),
        ([], None),
        ({}, None),
        (None, None),
    ],
)
def test_times_are_read_as_senders_write_them(value: Any, at_ms: int | None) -> None:
    assert parse_ms(value) == at_ms


@given(st.integers(10**9, 2 * 10**9), st.integers(0, 999))
def test_the_same_time_in_every_form_is_one_time(seconds: int, ms: int) -> None:
    at_ms = seconds * 1000 + ms
    text = mail.timestamp_of(at_ms)
    assert {parse_ms(each) for each in (text, text.lower(), at_ms, str(at_ms), f"{seconds}.{ms:03}")} == {at_ms}
    assert parse_ms(seconds) == parse_ms(str(seconds)) == seconds * 1000


@given(st.text("JulThu, 0128:-+GMT()", max_size=40))
def test_anything_with_a_month_is_a_time_or_none(text: str) -> None:
    assert parse_ms(f"28 Jul {text}") is None or parse_ms(f"28 Jul {text}") != 0


@given(st.text() | st.integers() | st.floats() | st.sampled_from((MS, AT_MS, "1659044615")), st.data())
def test_no_event_is_after_its_arrival_or_before_1970(value: Any, data: st.DataObject) -> None:
    names = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
    sent = {name: value for name in names if data.draw(st.booleans())}
    assert 0 <= event_time(sent, NOW_MS) <= NOW_MS


@pytest.mark.parametrize(
    ("changes", "at_ms"),
    [
        ({}, AT_MS),
        ({"receivedAt": None}, NOW_MS - 1000),
        ({"originalTimestamp": ""}, NOW_MS - 1000),
        ({"sentAt": None}, AT_MS),
        ({"timestamp": "28/07/2022"}, AT_MS - 60_000),
        ({"timestamp": "28/07/2022", "receivedAt": None}, NOW_MS - 61_000),
        ({"timestamp": "28/07/2022", "originalTimestamp": "?"}, NOW_MS),
    ],
)
def test_a_forwarded_event_is_not_corrected_again(changes: dict[str, Any], at_ms: int) -> None:
    times = {"timestamp": AT_MS, "originalTimestamp": AT_MS - 60_000, "sentAt": AT_MS + 1000, "receivedAt": AT_MS}
    assert event_time(times | changes, NOW_MS) == at_ms
