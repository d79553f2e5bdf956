"""Signals that last longer than Kafka keeps events are warned of, because a rebuild could not count them."""

from __future__ import annotations

from math import inf

import pytest

from app.checkup.findings import Level
from app.checkup.kafka_checks import check_lasting
from app.scorecards.lasting import describe_lasting, lasting_signals
from app.settings import Settings
from app.topic_settings import TopicState, kept_ms
from streams.scoring.scorecard import Model, Signal
from streams.units import DAY_MS

SIGNALS = (
    Signal("visit", ("page",), half_life_ms=14.0 * DAY_MS),
    Signal("webinar", ("Webinar",), half_life_ms=45.0 * DAY_MS),
    Signal("often", ("page",), window_ms=90 * DAY_MS),
    Signal("meeting", ("Met",), half_life_ms=7.0 * DAY_MS, while_half_lives=(("often", 60.0 * DAY_MS),)),
    Signal("unsubscribe", ("Unsubscribed",)),
)
FADING = Model(SIGNALS[:2], ())
SETTINGS = Settings(collector_web_topic="web-events")


def test_half_lives_windows_and_half_lives_by_state_count() -> None:
    found = lasting_signals(Model(SIGNALS, ()), 28 * DAY_MS)
    assert found == {"webinar": 45 * DAY_MS, "often": 90 * DAY_MS, "meeting": 60 * DAY_MS, "unsubscribe": inf}
    assert not lasting_signals(Model(SIGNALS[:4], ()), 90 * DAY_MS)


def test_the_warning_names_signals_and_the_days_that_are_enough() -> None:
    text = describe_lasting(FADING, "lead-events", 28 * DAY_MS)
    assert "lead-events keeps events for 28 days" in text
    assert "webinar (45d). " in text
    assert "keep them for 45 days at least (LEADGLOW_RETENTION_DAYS" in text
    assert "as long as the oldest event must count" in describe_lasting(Model(SIGNALS, ()), "lead-events", DAY_MS)
    many = Model(tuple(Signal(f"s{i}", ("page",)) for i in range(7)), ())
    assert "s4 (never) and 2 more." in describe_lasting(many, "lead-events", DAY_MS)


@pytest.mark.parametrize("days", [45, -1])
def test_enough_days_or_all_of_them_need_no_warning(days: int) -> None:
    model = FADING if days > 0 else Model(SIGNALS, ())
    assert not describe_lasting(model, "lead-events", days * DAY_MS)


def test_doctor_reads_what_the_topic_has_and_else_the_settings() -> None:
    topics = {"lead-events": TopicState(4, 1, 1, {"retention.ms": str(60 * DAY_MS)})}
    (found,) = check_lasting(SETTINGS, topics, FADING)
    assert found.level is Level.OK
    assert kept_ms(None, SETTINGS) == 28 * DAY_MS
    (found,) = check_lasting(SETTINGS, {}, FADING)
    assert found.level is Level.WARNING
