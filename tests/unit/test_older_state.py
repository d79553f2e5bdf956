"""A snapshot of Redis from before a repartition: the log was divided for a larger number than the state has."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from app.checkup.kafka_checks import explain_number
from app.cli import common, topics
from app.cli.errors import CommandError
from app.repartition import kafka_side
from app.repartition.plan import CannotRepartition, Plan
from app.repartition.preview import Preview, read_preview
from app.settings import Settings
from streams.partition_numbers import Numbers, explain_partitions, explain_state, explain_to_readers, explain_topic

WAY_OUT = "`leadglow rebuild --after-repartition`"
WRONG = "leadglow repartition --to"


class Copier:
    """A state of 4 partitions that is to be divided among others."""

    old = 4

    def __init__(self, new: int) -> None:
        self.new = new

    async def estimate_bytes(self) -> int:
        return 1

    async def free_bytes(self) -> None:
        return None

    async def count_leads(self) -> int:
        return 7


def answering(value: object) -> Any:
    async def answer(*asked: object, **more: object) -> object:
        return value

    return answer


async def preview(
    monkeypatch: pytest.MonkeyPatch, topic: int, noted: int | None, to: int, plan: Plan | None = None
) -> Preview:
    """What ``repartition --to`` of 4 shards says where the topic has a number, and the note in Kafka another one."""
    settings, copier = Settings(partitions=4), Copier(to)
    counts = dict.fromkeys((settings.lead_events, settings.handoff, settings.lead_scores), topic)
    answers: Mapping[str, object] = {
        "read_topics_of": counts, "read_noted": noted, "list_workers": [], "require_right_to_alter": None,
    }  # fmt: skip
    for name, value in answers.items():
        monkeypatch.setattr(kafka_side, name, answering(value))
    return await read_preview(settings, copier, plan)  # type: ignore[arg-type]


@pytest.mark.parametrize(("noted", "topic", "to"), [(12, 12, 12), (12, 12, 24), (6, 12, 12), (12, 24, 24), (12, 12, 6)])
@pytest.mark.parametrize("plan", [None, Plan(old=4, new=12)])
async def test_a_state_from_before_a_repartition_is_not_divided_again(
    monkeypatch: pytest.MonkeyPatch, noted: int, topic: int, to: int, plan: Plan | None
) -> None:
    with pytest.raises(CannotRepartition) as refused:
        await preview(monkeypatch, topic, noted, to, plan)

    assert WAY_OUT in str(refused.value)
    assert "backup of Redis from after it" in str(refused.value)
    assert WRONG not in str(refused.value)


@pytest.mark.parametrize(
    ("noted", "topic", "plan"),
    [
        (None, 4, None),
        (None, 12, None),  # partitions were added by other tools
        (4, 4, None),  # divided among 4 before
        (4, 12, None),
        (24, 12, None),  # the note is of an earlier topic
        (12, 12, Plan(old=4, new=12, step="clean")),  # the new shards are in force
        (12, 12, Plan(old=4, new=12, step="finish")),
    ],
)
async def test_any_other_state_is_divided(
    monkeypatch: pytest.MonkeyPatch, noted: int | None, topic: int, plan: Plan | None
) -> None:
    assert (await preview(monkeypatch, topic, noted, 12, plan)).leads == 7


@pytest.mark.parametrize(
    "said",
    [
        explain_state(12, 4, 12),
        explain_state(2, 4, 12),
        explain_partitions("events", Numbers(4, 12, 4, 12)),
        explain_partitions("events", Numbers(12, 12, 4, 12)),
        explain_partitions("events", Numbers(6, 12, 4, 12)),
        *explain_number(Settings(partitions=4), 12, 4, 12),
    ],
)
def test_no_message_names_a_repartition_as_the_way_out(said: str) -> None:
    assert said.startswith("Redis holds state for 4 partitions, from before the repartition to 12.")
    assert WAY_OUT in said
    assert WRONG not in said


def test_the_board_names_no_repartition_as_it_does_not_ask_kafka() -> None:
    assert explain_to_readers(12, 4).endswith(": `leadglow doctor` says what to do.")
    assert explain_to_readers(4, 12).endswith(": set LEADGLOW_PARTITIONS=12.")


def test_a_setting_that_is_behind_the_repartition_is_to_be_raised() -> None:
    assert explain_topic("events", 4, 12, 12).endswith(": set LEADGLOW_PARTITIONS=12.")
    assert explain_state(4, 12, 12).endswith(": set LEADGLOW_PARTITIONS=12.")
    assert WRONG in explain_topic("events", 4, 12, 6)  # more partitions were added since
    assert WRONG in explain_state(12, 4, 4)


async def test_commands_ask_kafka_whether_the_state_is_older(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(partitions=12)
    monkeypatch.setattr(common, "read_noted", answering(12))
    monkeypatch.setattr(common, "ask_agreed", answering(SimpleNamespace(partitions=4, plan="")))

    with pytest.raises(CommandError, match=WAY_OUT) as refused:
        await common.check_partitions(settings)
    assert refused.value.status == 78


async def test_the_topic_of_a_repartition_is_not_taken_for_one_that_grew(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(partitions=4)

    class Admin:
        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *reason: object) -> None: ...

    monkeypatch.setattr(topics, "open_admin", lambda _: Admin())
    monkeypatch.setattr(topics, "read_topics", answering({settings.lead_events: SimpleNamespace(partitions=12)}))
    monkeypatch.setattr(common, "read_noted", answering(12))

    with pytest.raises(CommandError, match=r"set LEADGLOW_PARTITIONS=12\.$"):
        await topics.require_lead_events(settings)
