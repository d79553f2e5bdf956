"""Check the calendar buckets of limits against ``datetime``."""

from datetime import UTC, date, datetime, timedelta

import pytest

from streams.scoring.buckets import Buckets
from streams.scoring.scorecard import Period
from streams.units import DAY_MS

DAYS = [date(year, month, day) for year in range(1890, 2410) for month, day in ((1, 1), (2, 28), (3, 1), (9, 30))]
MONTHS: dict[Period, int] = {"month": 1, "quarter": 3, "year": 12}


@pytest.mark.parametrize("period", MONTHS)
def test_months_quarters_and_years_begin_with_their_first_day(period: Period) -> None:
    buckets = Buckets(period)
    for day in DAYS:
        at_ms = round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
        first = date(day.year, day.month - (day.month - 1) % MONTHS[period], 1)
        start = buckets.start_ms(buckets.number(at_ms))
        assert start == round(datetime(first.year, first.month, 1, tzinfo=UTC).timestamp()) * 1000
        assert buckets.number(start) == buckets.number(at_ms + DAY_MS - 1) == buckets.number(start - 1) + 1


def test_weeks_begin_on_monday() -> None:
    buckets = Buckets("week")
    for day in (date(2026, 1, 1) + timedelta(days=i) for i in range(20)):
        at_ms = round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
        assert buckets.start_ms(buckets.number(at_ms)) == at_ms - day.weekday() * DAY_MS
