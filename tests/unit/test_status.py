"""`leadglow status`: what it reports of answers and faults, without servers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.agreed import Agreed
from app.cli import status
from app.cli.errors import CommandError
from app.topic_settings import TopicState
from streams.exits import Exit
from tests.unit.test_checkup import KAFKA, REDIS, SETTINGS, TOPICS

AWAY = CommandError(Exit.TROUBLE, "Redis is away.")
FORBIDDEN = CommandError(Exit.REFUSED, "Kafka does not allow this.")
UNPUBLISHED = "no scorecards are published: a worker publishes its file."


@pytest.mark.parametrize(
    ("unread", "partitions", "redis", "problem"),
    [
        ("_read_published", 2, REDIS, "Kafka does not allow this."),
        ("read_places", 2, REDIS, "Kafka does not allow this."),
        ("read_places", 2, AWAY, "Redis is away."),
        ("read_places", 4, REDIS, "lead-events has 4 partitions instead of 2"),
    ],
    ids=["scorecards", "log", "redis_away", "other_number"],
)
async def test_a_part_that_could_not_be_read_is_a_problem_unless_its_cause_is_one(
    unread: str, partitions: int, redis: Any, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = {**TOPICS, "lead-events": TopicState(partitions, 3, 3)}
    answers = {
        "_read_kafka": replace(KAFKA, topics=topics), "_read_redis": redis, "ask_agreed": Agreed(None, "", ""),
        "read_places": [], "_read_published": None, "probe_all": [],
    } | {unread: FORBIDDEN}  # fmt: skip
    for name, answer in answers.items():
        monkeypatch.setattr(status, name, answering(answer))
    made, _ = await status._look(SETTINGS, [])

    (found,) = [each for each in made.problems if each != UNPUBLISHED]
    assert problem in found
    assert (UNPUBLISHED in made.problems) == ("scorecards" in made.values) == (unread != "_read_published")


async def test_a_fault_of_several_parts_is_one_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_read_kafka", "_read_redis", "ask_agreed", "read_places", "_read_published"):
        monkeypatch.setattr(status, name, answering(FORBIDDEN))
    monkeypatch.setattr(status, "probe_all", answering([]))
    made, is_reachable = await status._look(SETTINGS, [])

    assert made.problems == ["Kafka does not allow this."]
    assert is_reachable


def answering(answer: Any) -> Callable[..., Any]:
    async def answer_or_raise(*asked: object) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return answer_or_raise
