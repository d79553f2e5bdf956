"""The rows from which results are counted, as steps of the scorer make them and the store keeps them."""

from __future__ import annotations

from typing import Any

import pytest

from streams.scorefile import load
from streams.scoring.counting import DAY_MS
from streams.scoring.event import LeadEvent, Retract
from streams.scoring.lead import id_hash
from streams.scoring.rules import Rules
from streams.scoring.sales_rows import SalesRow, decode_rows, encode_rows
from streams.scoring.verdicts import ACCEPTED, CONTACTED, NOTE, OWNER, REJECTED, WON, SalesCall, event_of
from tests.properties.strategies import START_MS, Fact
from tests.support.implementations import AnyScorer

pytestmark = pytest.mark.usefixtures("implementation")

RULES = Rules(
    load("""
leadglow: 1
signals: {visit: {event: page, half_life: never}}
scorecards:
  main: {points: {visit: 10}, stages: [{name: ready, enter: 10, leave: 5, handoff: true}]}
  tried: {points: {visit: 10}, shadow: true, stages: [{name: ready, enter: 10, leave: 5, handoff: true}]}
""")
)
CHANNEL = ("google", "cpc", "spring")
NONE = ("", "", "")
WHO = id_hash("u").hex()


def visit(day: int, touch: tuple[str, str, str] | None = CHANNEL) -> LeadEvent:
    at_ms = START_MS + day * DAY_MS
    return Fact("page", f"v{day}", at_ms, touch=touch).event(RULES, at_ms)


def verdict(kind: int, day: int, late: int = 0, **call: Any) -> LeadEvent:
    at_ms = START_MS + day * DAY_MS
    return Fact(event_of(kind), f"m{kind}{day}", at_ms, verdict=SalesCall(kind, **call)).event(
        RULES, at_ms + late * DAY_MS
    )


def rows(*inputs: LeadEvent | Retract) -> list[SalesRow]:
    scorer = AnyScorer(RULES)
    scorer.put_lead("u", None)
    for each in inputs:
        scorer.apply(each)
    return scorer.finish().sales


def test_a_lead_that_is_handed_over_and_its_verdicts_have_rows_with_channel_and_alert() -> None:
    about = (("main", "ready", START_MS),)
    found = rows(visit(0), verdict(CONTACTED, 1), verdict(WON, 2, detail=1200, currency="EUR"))
    assert found == [
        SalesRow("entered", START_MS, WHO, "", about, CHANNEL, CHANNEL),
        SalesRow("contacted", START_MS + DAY_MS, WHO, id_hash("m11").hex(), about, CHANNEL, CHANNEL),
        SalesRow("won", START_MS + 2 * DAY_MS, WHO, id_hash("m62").hex(), about, CHANNEL, CHANNEL, 1200, "EUR"),
    ]
    assert decode_rows(text.encode() for _, text in encode_rows(found)) == found


def test_a_verdict_about_a_lead_without_an_alert_has_a_row_without_one() -> None:
    assert rows(verdict(ACCEPTED, 1)) == [
        SalesRow("accepted", START_MS + DAY_MS, WHO, id_hash("m21").hex(), (), NONE, NONE)
    ]


def test_an_undo_has_a_row_and_a_verdict_that_comes_after_its_undo_has_none() -> None:
    given = verdict(REJECTED, 1, detail="no budget")
    undo = Retract("u", given.message_id, START_MS + 2 * DAY_MS)
    assert [row.kind for row in rows(given, undo)] == ["rejected", "undone"]
    assert rows(given, undo)[1].verdict == rows(given)[0].verdict
    assert rows(undo, given) == []


def test_repeated_verdicts_owners_notes_and_visits_have_no_row() -> None:
    given = [verdict(kind, 1) for kind in (CONTACTED, OWNER, NOTE)]
    assert [row.kind for row in rows(visit(0), visit(1), *given, *given)] == ["entered", "contacted"]


def test_a_late_verdict_has_a_row_although_the_lead_does_not_keep_it() -> None:
    later = [verdict(kind, 2 + i) for i, kind in enumerate((REJECTED, ACCEPTED, WON))]
    assert [row.kind for row in rows(visit(0), *later, verdict(ACCEPTED, 1, late=9))][-1] == "accepted"
