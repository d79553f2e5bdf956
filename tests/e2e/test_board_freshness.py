"""What a visitor sees of late scores, and of times, in a time zone of their own; on a board in memory."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.freshness import Offsets, ShardPosition
from streams.clock import now_ms
from tests.support.board_in_memory import PARTITIONS, Running, board_on
from tests.support.node import Chromium
from tests.unit.test_board_site import people

ZONE = "Pacific/Auckland"
ARRIVED = 1_795_262_400_000
BANNER = "document.getElementById('freshness').innerText.trim()"
AGAIN = "htmx.ajax('GET', '/freshness', { target: '#freshness', swap: 'morph' })"
TIMES = "[...document.querySelectorAll('time[data-time]')].map(({ dateTime, textContent }) => [dateTime, textContent])"
DAYS = "[...document.querySelectorAll('.timeline h3:not([hidden])')].map((heading) => heading.textContent)"


@pytest.fixture
def board() -> Iterator[Running]:
    """A board in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    context = board_on(asyncio.run_coroutine_threadsafe(people(), loop).result(30))
    yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(30)
    asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def look(board: Running, end: int) -> None:
    """Let the board find shards at 5, of topics that end there or later."""
    shards = [ShardPosition(p, 5, ARRIVED, False) for p in range(PARTITIONS)]
    offsets = Offsets(dict.fromkeys(range(PARTITIONS), end), [], now_ms())
    board.service.freshness_watch.progress.add_look(offsets, shards, True, now_ms())


def local(time: str) -> str:
    """A time to the second in the visitor's zone."""
    at = datetime.fromisoformat(time).astimezone(ZoneInfo(ZONE))
    return f"{at.day} {at:%b %Y, %H:%M:%S}"


def test_late_scores_and_all_times_are_shown_in_the_time_zone_of_the_visitor(
    board: Running, chromium: Chromium
) -> None:
    visitor = chromium.visitor(timezoneId=ZONE)
    look(board, end=6)
    page = visitor.open(f"{board.url}/leads/u5?at=%2B7d")

    until = local(datetime.fromtimestamp(ARRIVED / 1000, UTC).isoformat())
    assert page.run(BANNER) == (
        f"Scoring is behind. All events that arrived until {until} are scored. 3 events are waiting."
    )
    assert page.run("document.querySelector('#freshness time').title").endswith("12:00:00 UTC")
    times = page.run(TIMES)
    assert len(times) > 10
    assert [text.replace("Sept", "Sep") for _, text in times] == [local(time) for time, _ in times]
    assert len(page.run(DAYS)) == 1
    assert page.run("document.getElementById('zone').textContent") == f"Times are in your time zone, {ZONE}."

    look(board, end=5)
    page.run(AGAIN)
    assert page.run(BANNER) == ""
    assert page.complaints() == []
    visitor.close()
