"""A backtest of small exports, with results worked out by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from app.backtest.export import ExportFile
from app.backtest.outcomes import OutcomeFinder
from app.backtest.records import LogRecord, Unreadable
from app.backtest.report import describe, render_report, summary_lines
from app.backtest.session import Findings, NoEvents, Order, run_backtest
from app.backtest.shard_replay import ShardReplay, made_here
from streams.environment import Environment
from streams.events.changes import ScorecardsChange, encode_change
from streams.events.controls import encode_control
from streams.events.outgoing import Outgoing, decode_outgoing
from streams.events.records import KIND_HEADER, SOURCE_HEADER
from streams.events.times import LAST_MS
from streams.implementation import REFERENCE, Implementation
from streams.metrics import Metrics
from streams.scorefile import load
from streams.scoring.event import Contribution
from streams.scoring.rules import Rules
from streams.shard.alert import rfc3339
from streams.shard.shard import Shard
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner, Topics
from streams.units import DAY_MS, HOUR_MS

MONDAY_MS = 1_767_571_200_000
"""2026-01-05T00:00:00Z."""
CARD = """
leadglow: 1
signals:
  view: {event: page, half_life: never}
  demo: {event: Demo Requested, half_life: 1d}
scorecards:
  main:
    points: {view: 10, demo: 60}
    stages:
      - {name: warm, enter: 20, leave: 10}
      - {name: hot, enter: 60, leave: 40, handoff: true}
"""
RULES = Rules(load(CARD))
EAGER = Rules(load(CARD.replace("enter: 60, leave: 40", "enter: 10, leave: 5")))


def event(lead: str, at_ms: int, name: str = "", **more: Any) -> dict[str, Any]:
    call = {"type": "track", "event": name} if name else {"type": "page"}
    return {**call, "userId": lead, "messageId": f"{lead}-{name}-{at_ms}", "timestamp": rfc3339(at_ms), **more}


def export(tmp_path: Path, events: Iterable[dict[str, Any] | str], to_ms: int = LAST_MS) -> ExportFile:
    file = tmp_path / "events.jsonl"
    lines = [each if isinstance(each, str) else json.dumps(each) for each in events]
    file.write_text("".join(f"{line}\n" for line in lines))
    return ExportFile(file, to_ms)


async def backtest(source: ExportFile, implementation: Implementation, **order: Any) -> Findings:
    against = order.pop("against", None)
    return await run_backtest(source, Order(RULES, against, implementation, **order), 0, lambda step, count: None)


def at(days: float) -> int:
    return MONDAY_MS + round(days * DAY_MS)


async def test_leads_cool_between_events_and_up_to_the_end(tmp_path: Path, implementation: Implementation) -> None:
    found = await backtest(
        export(tmp_path, [event("ana", at(0), "Demo Requested"), event("ben", at(3))]), implementation, to_ms=at(7)
    )
    # 60 points fall below 40 after log2(60 / 40) days
    assert [(t.kind, t.cause) for t in found.alerts] == [("entered", "event"), ("left", "decay")]
    assert found.alerts[1].at_ms == pytest.approx(at(0.584963), abs=100)
    card = found.cards["main"]
    assert (card["target_stage"], card["qualified"], card["alerts"]) == ("hot", 1, 2)
    assert [week["entered"] for week in card["weeks"]] == [1, 0]
    assert card["days_to_qualify"] == {"leads": 1, "fastest_tenth": 0.0, "median": 0.0, "slowest_tenth": 0.0}


async def test_the_prediction_uses_nothing_that_happened_after_the_outcome(
    tmp_path: Path, implementation: Implementation
) -> None:
    won = event("ana", at(2), "Opportunity Won", receivedAt=rfc3339(at(4)))
    events = [
        event("ana", at(0)),
        event("ana", at(1)),
        event("ana", at(3), "Demo Requested"),  # after the outcome, but it arrives before it
        won,
        event("ben", at(1), "Demo Requested"),
        event("ben", at(1.5), "Opportunity Lost"),
    ]
    outcomes = (await backtest(export(tmp_path, events), implementation)).cards["main"]["outcomes"]
    assert (outcomes["won"], outcomes["lost"], outcomes["unseen"]) == (1, 1, 0)
    # ana had 20 points, ben 60 / 2^0.5: he is the one that was predicted, and lost
    assert outcomes["in_stage"] == {
        "right": 0, "wrong": 1, "missed": 1, "spared": 0,
        "precision": 0.0, "recall": 0.0, "accuracy": 0.0, "kappa": -1.0,
    }  # fmt: skip
    bands = {band["from"]: band["won"] for band in outcomes["calibration"] if band["leads"]}
    assert bands == {20: 1, 40: 0}


async def test_a_lead_that_was_handed_off_and_cooled_counts_as_predicted_before(
    tmp_path: Path, implementation: Implementation
) -> None:
    events = [event("ana", at(0), "Demo Requested"), event("ana", at(5), "Opportunity Won"), event("ben", at(6))]
    outcomes = (await backtest(export(tmp_path, events), implementation)).cards["main"]["outcomes"]
    assert (outcomes["in_stage"]["right"], outcomes["handed_off"]["right"]) == (0, 1)


async def test_each_lead_counts_at_its_first_outcome(tmp_path: Path, implementation: Implementation) -> None:
    events = [
        event("ana", at(0), "Lead Rejected"),
        event("ana", at(1), "Opportunity Won"),
        event("ben", at(2), "Opportunity Won"),
    ]
    outcomes = (await backtest(export(tmp_path, events), implementation)).cards["main"]["outcomes"]
    assert (outcomes["won"], outcomes["lost"], outcomes["by_event"]) == (
        1,
        1,
        {"Lead Rejected": 1, "Opportunity Won": 1},
    )
    assert outcomes["unseen"] == 2


async def test_own_names_of_outcomes(tmp_path: Path, implementation: Implementation) -> None:
    events = [event("ana", at(0), "Geschäft gewonnen"), event("ben", at(0), 'Deal "lost"'), event("cem", at(1), "Lost")]
    order = {"won": ("Geschäft gewonnen",), "lost": ('Deal "lost"',)}
    outcomes = (await backtest(export(tmp_path, events), implementation, **order)).cards["main"]["outcomes"]
    assert (outcomes["won"], outcomes["lost"]) == (1, 1)


async def test_a_retracted_outcome_does_not_count(tmp_path: Path, implementation: Implementation) -> None:
    won = event("ana", at(0), "Opportunity Won")
    undo = event("ana", at(1), "Event Retracted", properties={"messageId": won["messageId"]})
    assert (await backtest(export(tmp_path, [won, undo]), implementation)).cards["main"]["outcomes"] is None


async def test_the_score_of_a_visitor_counts_for_the_lead_that_it_becomes(
    tmp_path: Path, implementation: Implementation
) -> None:
    visits = [event("", at(i / 10)) | {"userId": None, "anonymousId": "visitor"} for i in range(3)]
    join = {
        "type": "identify",
        "userId": "ana",
        "anonymousId": "visitor",
        "timestamp": rfc3339(at(1)),
        "messageId": "j",
    }
    later = [event("", at(2)) | {"userId": None, "anonymousId": "visitor"}, event("ana", at(3), "Opportunity Won")]
    found = await backtest(export(tmp_path, [*visits, join, *later]), implementation)
    assert found.leads == 1
    bands = {band["from"]: band["won"] for band in found.cards["main"]["outcomes"]["calibration"] if band["leads"]}
    assert bands == {40: 1}


async def test_events_before_the_range_build_scores_but_are_not_reported(
    tmp_path: Path, implementation: Implementation
) -> None:
    events = [event("ana", at(0), "Demo Requested"), *(event("ben", at(i)) for i in (0, 1, 2, 3, 4, 5))]
    found = await backtest(export(tmp_path, events, at(5.5)), implementation, from_ms=at(4.5), to_ms=at(5.5))
    assert [(t.lead_id, t.kind) for t in found.alerts] == [("ben", "entered")]
    assert (found.records, found.leads) == (1, 2)


async def test_two_files_are_compared_lead_by_lead(tmp_path: Path, implementation: Implementation) -> None:
    events = [event("ana", at(0), "Demo Requested"), event("ben", at(0)), event("ana", at(0.1))]
    found = await backtest(export(tmp_path, events), implementation, against=EAGER)
    agreement = found.agreement["main"]
    assert (agreement["qualified_by_both"], agreement["qualified_by_this_only"]) == (1, 0)
    assert (agreement["qualified_by_other_only"], agreement["overlap"]) == (1, 0.5)
    assert (agreement["same_stage"], agreement["mean_difference"]) == (0.5, 0)
    assert found.against["main"]["qualified"] == 2


async def test_the_capacity_of_sales(tmp_path: Path, implementation: Implementation) -> None:
    events = [event(f"lead-{i}", at(i / 10), "Demo Requested") for i in range(3)]
    found = await backtest(export(tmp_path, events), implementation, capacity=2, to_ms=at(7.5))
    assert found.cards["main"]["capacity"] == {
        "leads_a_week": 2, "most": 3, "weeks_over": 1, "longest_queue": 1, "left_over": 0, "used": 0.75,
    }  # fmt: skip


@pytest.mark.parametrize("range_ms", [(at(5), None), (None, at(-5)), (at(1), at(2))])
async def test_a_range_without_events(
    tmp_path: Path, implementation: Implementation, range_ms: tuple[int | None, int | None]
) -> None:
    source = export(tmp_path, [event("ana", at(0)), event("ana", at(4))], range_ms[1] or LAST_MS)
    with pytest.raises(NoEvents):
        await backtest(source, implementation, from_ms=range_ms[0], to_ms=range_ms[1])


def test_outcomes_are_looked_for_by_the_id_that_a_lead_has_then() -> None:
    finder = OutcomeFinder()
    finder.joins["mail"] = [(at(1), "ana")]
    finder.joins["ana"] = [(at(3), "ana-2")]
    assert [finder.resolve("mail", at(day)) for day in (0, 2, 4)] == ["mail", "ana", "ana-2"]
    finder.joins["ana-2"] = [(at(4), "mail")]
    assert finder.resolve("mail")  # a circle has an end


def test_a_copy_of_an_outcome_that_a_shard_forwarded_is_no_second_event() -> None:
    finder, value = OutcomeFinder(), json.dumps(event("ana", at(0), "Opportunity Won")).encode()
    for key, source in ((b"mail", b"crm:0:1"), (b"ana", b"~0:4096")):
        finder.look_at([LogRecord(1, at(0) + HOUR_MS, key, value, [(SOURCE_HEADER, source)])])
    assert [(verdict.lead_id, verdict.at_ms) for verdict in finder.verdicts] == [("mail", at(0))]
    assert finder.inside == 1


class Published:
    """Scorecards that changed from RULES to EAGER."""

    backfill: int | None = None

    async def place_at(self, partition: int, offset: int) -> int:
        return 0

    async def load_rules(self, place: int, partition: int) -> Rules:
        return (RULES, EAGER)[place]

    def undone_by(self, place: int) -> frozenset[int]:
        return frozenset()


class Log:
    """A page view of ana, one of ben, a change of the scorecards, a view of cem, and cem is won."""

    name, partitions, total, taken, is_log = "lead-events", 1, 5, 0, True

    def __init__(self) -> None:
        self.starts, self.unreadable = {0: 0}, Unreadable()

    async def read(self) -> AsyncIterator[tuple[int, Sequence[Any]]]:
        calls = [event("ana", at(0)), event("ben", at(1)), event("cem", at(3)), event("ben", at(4), "Opportunity Won")]
        calls[-1]["timestamp"] = rfc3339(at(1.5))  # the news arrives late
        arrivals = (0, 1, 3, 4)
        records = [
            LogRecord(i + (i > 1), at(arrived), call["userId"].encode(), json.dumps(call).encode(), [])
            for i, (call, arrived) in enumerate(zip(calls, arrivals, strict=True))
        ]
        change = encode_change(self.name, ScorecardsChange(1, EAGER.version), at(2))
        yield 0, [*records[:2], made_here(change, 2), *records[2:]]


async def test_the_published_file_changes_with_the_log(implementation: Implementation) -> None:
    order = Order(EAGER, RULES, implementation, publications=Published(), in_force=EAGER.version)
    found = await run_backtest(log := Log(), order, 0, lambda step, count: None)
    assert sorted((t.lead_id, t.cause, t.at_ms) for t in found.alerts) == [
        ("ana", "scorecard_changed", at(2)), ("ben", "scorecard_changed", at(2)), ("cem", "event", at(3)),
    ]  # fmt: skip
    assert found.against["main"]["qualified"] == 0
    outcomes = found.cards["main"]["outcomes"]
    assert outcomes["in_stage"]["right"] == 0  # before the outcome, the earlier scorecards held
    result = describe(found, order, log, ("eager.yaml", "card.yaml"), 1.0)
    assert result["publications"] == (
        "the log holds 1 publication after the one in force at its start; the scorecards changed at the same places"
    )
    assert (
        result["against"]["publications"]
        == "the log holds 1 publication after the one in force at its start; this file was used throughout"
    )
    assert result["publications"] in "\n".join(summary_lines(result))
    assert "this file was used throughout" in render_report(result)


class LogOfAccounts(Log):
    """A page view of ana, what she and ben gave their company, and that ben left it."""

    async def read(self) -> AsyncIterator[tuple[int, Sequence[Any]]]:
        given = [("ana", 40), ("ben", 30), ("ana", 20), ("ben", None), ("ana", 60)]
        call = event("ana", at(0))
        records = [LogRecord(0, at(0), b"ana", json.dumps(call).encode(), [])]
        for i, (lead, score) in enumerate(given, 1):
            item = Contribution("main", "acme", lead, score, i, at(i), at(i), "event" if score else "moved")
            kind = [(KIND_HEADER, b"account")]
            records.append(LogRecord(i, at(i), item.lead_id.encode(), encode_control(item), kind))
        yield 0, records


async def test_a_backtest_of_the_log_sends_the_same_alerts_about_accounts(implementation: Implementation) -> None:
    accounts = "    accounts: {key: company, stages: [{name: target, enter: 60, leave: 40, handoff: true}]}\n"
    rules = Rules(load(CARD + accounts))
    env = Environment(MemoryStore(), Topics(), Partitioner(1), Metrics(), "live", implementation=implementation)
    live = Shard(0, rules, env)
    await live.open()
    async for _, records in LogOfAccounts().read():
        await live.score_batch(records)
    sent = [decode_outgoing(entry.payload).alert_id for entry in await env.store.outbox(0)]

    found = await run_backtest(LogOfAccounts(), Order(rules, None, implementation), at(9), lambda step, count: None)
    assert [(t.lead_id, t.kind, t.cause) for t in found.alerts] == [
        ("account:acme", "entered", "event"), ("account:acme", "left", "moved"), ("account:acme", "entered", "event"),
    ]  # fmt: skip
    assert [t.alert_id for t in found.alerts] == sent


async def test_a_scorecard_without_stages_has_scores_only(tmp_path: Path, implementation: Implementation) -> None:
    rules = Rules(load(CARD.partition("    stages:")[0] + "    range: [-1000, 1000]\n"))
    source = export(tmp_path, [event("ana", at(0)), event("ana", at(1), "Opportunity Won")])
    order = Order(rules, None, implementation, capacity=3)
    found = await run_backtest(source, order, 0, lambda step, count: None)
    card = found.cards["main"]
    assert (card["target_stage"], card["qualified"], card["stages"], card["capacity"]["used"]) == (None, 0, [], 0)
    assert card["outcomes"]["in_stage"]["recall"] == 0
    result = describe(found, order, source, ("card.yaml", ""), 1.0)
    assert "no stage: 0 entries" in "\n".join(summary_lines(result))
    assert "no stage" in render_report(result)


def test_a_record_that_is_forwarded_in_a_circle_is_dropped() -> None:
    env = Environment(MemoryStore(), Topics(), Partitioner(1), Metrics(), "backtest", implementation=REFERENCE)
    shard = ShardReplay(0, RULES, env, Unreadable())
    rounds = []

    def forward_again(records: Sequence[Any]) -> None:
        rounds.append(records)
        shard.sent = {b"~0:1": Outgoing("", b"ana", b"{}", at(0), [])}

    forward_again([])
    with patch.object(shard, "score_records", forward_again):
        shard.deliver_forwarded()
    assert 10 < len(rounds) < 100
