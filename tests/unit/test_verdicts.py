"""The verdicts of sales: what an event says, and what the verdicts of a lead amount to."""

from __future__ import annotations

from typing import Any

import pytest

from streams.events.verdict_calls import verdict_of
from streams.scoring.lead import Lead, id_hash
from streams.scoring.stored import decode, encode
from streams.scoring.verdicts import (
    ACCEPTED,
    CONTACTED,
    KINDS,
    LOST,
    MAX_TEXT_BYTES,
    MAX_VERDICTS,
    NOTE,
    OPPORTUNITY,
    OWNER,
    RECYCLED,
    REJECTED,
    VERDICT_EVENTS,
    WON,
    Detail,
    SalesCall,
    Verdict,
    cut_text,
    event_of,
    keep_verdicts,
    sales_of,
)

START_MS = 1_768_500_000_000
MOST_BYTES = 200
"""Of a lead that uses the verdicts fully, with usual texts."""


def verdicts(*kinds: int) -> list[Verdict]:
    """One of each kind, in this order."""
    return [Verdict(START_MS + i, kind, id_hash(f"m{i}")) for i, kind in enumerate(kinds)]


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ((), "new"),
        ((OWNER, NOTE), "new"),
        ((CONTACTED,), "contacted"),
        ((CONTACTED, ACCEPTED), "accepted"),
        ((ACCEPTED, CONTACTED), "accepted"),
        ((CONTACTED, REJECTED, CONTACTED), "rejected"),
        ((CONTACTED, REJECTED, RECYCLED), "recycled"),
        ((REJECTED, RECYCLED, CONTACTED), "contacted"),
        ((ACCEPTED, OPPORTUNITY), "opportunity"),
        ((OPPORTUNITY, WON), "won"),
        ((OPPORTUNITY, LOST), "lost"),
        ((LOST, OPPORTUNITY), "opportunity"),
        ((REJECTED, *[CONTACTED, NOTE] * 9), "rejected"),
    ],
)
def test_the_latest_decision_is_the_state(kinds: tuple[int, ...], state: str) -> None:
    assert sales_of(keep_verdicts(verdicts(*kinds))).state == state


def test_verdicts_at_the_same_instant_are_in_the_order_of_a_sale() -> None:
    same = [verdict._replace(at_ms=START_MS) for verdict in verdicts(LOST, RECYCLED, OPPORTUNITY, REJECTED)]
    assert sales_of(keep_verdicts(same)).state == "lost"


def test_reason_amount_owner_and_author_are_shown() -> None:
    given = [
        Verdict(1, OWNER, b"1" * 6, "ana"),
        Verdict(2, OPPORTUNITY, b"2" * 6, 1200, "ben"),
        Verdict(3, LOST, b"3" * 6, "too dear", "cem"),
    ]
    assert sales_of(keep_verdicts(given)) == ("lost", 3, "cem", "too dear", 1200.0, "ana")
    assert sales_of(keep_verdicts(given[:2])).amount == 1200.0
    assert sales_of(keep_verdicts([*given, Verdict(4, REJECTED, b"4" * 6)])).amount is None


def call(event: str, context: Any = None, **properties: Any) -> dict[str, Any]:
    """A track call."""
    return {"type": "track", "event": event, "properties": properties, "context": context}


@pytest.mark.parametrize(
    ("sent", "verdict"),
    [
        (call("Lead Rejected", {"by": "ana"}, reason=" no  budget "), SalesCall(REJECTED, "no budget", "ana")),
        (call("Rejected", reason="too small for us"), SalesCall(REJECTED, "too small for us")),
        (call("Opportunity Won", amount="1200.50"), SalesCall(WON, 1200.5)),
        (call("Deal Won", amount=12.0), SalesCall(WON, 12)),
        (call("Opportunity Created", amount=7), SalesCall(OPPORTUNITY, 7)),
        (call("Opportunity Created", amount="much"), SalesCall(OPPORTUNITY)),
        (call("Owner Assigned", owner="ana@acme.example"), SalesCall(OWNER, "ana@acme.example")),
        (call("Note Added", note=7), SalesCall(NOTE)),
        (call("Lead Contacted", "context"), SalesCall(CONTACTED)),
        (call("Lead Contacted") | {"properties": None}, SalesCall(CONTACTED)),
        (call("Checked Out"), None),
        (call("Lead Accepted") | {"leadglow": {"public": True}}, None),
    ],
)
def test_an_event_has_a_verdict_with_its_detail(sent: dict[str, Any], verdict: SalesCall | None) -> None:
    assert verdict_of(sent["event"], sent) == verdict


def test_every_kind_has_an_event() -> None:
    assert {VERDICT_EVENTS[event_of(kind)] for kind in KINDS} == KINDS.keys()


def test_a_long_text_is_cut_at_a_whole_character() -> None:
    assert cut_text("x" * MAX_TEXT_BYTES) == "x" * MAX_TEXT_BYTES
    assert cut_text("é" * 30) == "é" * 18 + "…"
    assert len(cut_text("a" + "é" * 30).encode()) <= MAX_TEXT_BYTES


def test_a_lead_that_uses_verdicts_fully_takes_few_bytes_and_one_without_none() -> None:
    lead, plain = Lead(START_MS), Lead(START_MS)
    details: list[tuple[int, Detail]] = [
        (CONTACTED, ""), (REJECTED, "no budget"), (RECYCLED, ""), (OWNER, "ana@acme.example"), (CONTACTED, ""),
        (ACCEPTED, ""), (OPPORTUNITY, 12000), (WON, 11500), (OWNER, "ben@acme.example"), (NOTE, "wants a demo in June"),
    ]  # fmt: skip
    lead.verdicts = keep_verdicts(
        Verdict(START_MS + i, kind, id_hash(str(i)), detail, "ben@acme.example")
        for i, (kind, detail) in enumerate(details)
    )
    assert len(lead.verdicts) == MAX_VERDICTS
    lead.latches = plain.latches = {}
    lead.aliases = plain.aliases = ["visitor"]
    assert len(encode(lead)) - len(encode(plain)) <= MOST_BYTES
    again = decode(encode(lead))
    assert isinstance(again, Lead)
    assert again.verdicts == lead.verdicts
