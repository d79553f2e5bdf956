"""Which leads are held in the table, and which are not."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from msgspec.structs import replace

from streams.accelerator import fitting
from streams.accelerator import rules as accelerator_rules
from streams.accelerator.rules import PlainMatches, Signals
from streams.accelerator.scorer import AcceleratedScorer
from streams.scoring.event import LeadEvent
from streams.scoring.lead import Lead, id_hash
from streams.scoring.rules import Hit, Match, Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal
from streams.scoring.stored import encode
from tests.accelerator.columns import batch_of

START_MS = 1_767_657_600_000


def rules_of(count: int = 1) -> Rules:
    signals = tuple(Signal(f"view-{i}", ("page",)) for i in range(count))
    return Rules(Model(signals, (Scorecard("card", {signal.name: Points(1.0) for signal in signals}),)))


def a_lead(signals: range) -> Lead:
    lead = Lead(START_MS)
    for signal in signals:
        lead.add(signal, 0.0, 0, 1.0)
        lead.remember(id_hash(str(signal)), signal, (signal,))
    return lead


def event(rules: Rules, message_id: str) -> LeadEvent:
    return LeadEvent("ana", "page", tuple(None for _ in rules.paths), message_id, START_MS, START_MS)


def test_more_signals_than_sixteen_bits_count() -> None:
    """Such numbers can occur if half-lives change often while a worker runs."""
    scorer = AcceleratedScorer(rules_of())
    leads = {f"lead-{n}": a_lead(range(n * 1000, (n + 1) * 1000)) for n in range(34)}
    for lead_id, lead in leads.items():
        scorer.put_lead(lead_id, encode(lead))
    assert len(scorer._table.rows) == 34
    for lead_id, lead in leads.items():
        state = scorer.state(lead_id)
        assert isinstance(state, Lead)
        assert encode(state) == encode(lead)


def test_a_lead_with_very_many_signals_does_not_widen_the_columns() -> None:
    with patch.object(fitting, "MAX_SIGNALS", 8):
        scorer = AcceleratedScorer(rules_of())
        scorer.put_lead("few", encode(a_lead(range(8))))
        scorer.put_lead("many", encode(a_lead(range(9))))
    assert list(scorer._table.rows) == ["few"]
    assert scorer._table.slots.names.shape[1] == 8
    state = scorer.state("many")
    assert isinstance(state, Lead)
    assert encode(state) == encode(a_lead(range(9)))


def blob_after_two_events(most_signals: int) -> bytes | None:
    rules = rules_of(4)
    with patch.object(accelerator_rules, "MAX_SIGNALS", most_signals):
        scorer = AcceleratedScorer(rules)
        batch = batch_of(rules, [event(rules, "m-1"), event(rules, "m-2")])
        for lead_id in scorer.missing(batch):
            scorer.put_lead(lead_id, None)
        scorer.apply_batch(batch)
        assert len(scorer._table.plain.matches) == (most_signals >= 4)
        return scorer.finish().all_blobs()["ana"]


def test_the_reference_handles_scorecards_with_very_many_signals() -> None:
    assert blob_after_two_events(3) == blob_after_two_events(4)


EVENTS = ("page", "Bought", "screen")


def blobs_of_three_sets(most_sets: int) -> dict[str, bytes | None]:
    signals = tuple(Signal(name, (name,)) for name in EVENTS)
    rules = Rules(Model(signals, (Scorecard("card", {name: Points(1.0) for name in EVENTS}),)))
    events = [replace(event(rules, f"m-{i}"), lead_id=who, name=EVENTS[i % 3]) for i, who in enumerate("abcab" * 2)]
    scorer, blobs = AcceleratedScorer(rules), dict[str, bytes | None]()
    with patch.object(accelerator_rules, "MAX_SETS", most_sets):
        for each in events:
            batch = batch_of(rules, [each])
            for lead_id in scorer.missing(batch):
                scorer.put_lead(lead_id, blobs.get(lead_id))
            scorer.apply_batch(batch)
            blobs |= scorer.finish().all_blobs()
    assert len(scorer._table.plain.matches) == min(most_sets, 3)
    return blobs


def test_the_reference_counts_sets_of_signals_beyond_the_bound() -> None:
    assert blobs_of_three_sets(1) == blobs_of_three_sets(2) == blobs_of_three_sets(3)


def test_a_new_set_of_signals_does_not_convert_the_others_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Senders choose the sets: with twelve signals that one event can match, there are 4096."""
    looked: list[Match] = []
    real = accelerator_rules._scaled

    def scaled(match: Match) -> list[Hit]:
        looked.append(match)
        return real(match)

    monkeypatch.setattr(accelerator_rules, "_scaled", scaled)
    rules, many = rules_of(6), 2**6
    plain, (hits, _) = PlainMatches(rules, Signals()), rules.match("page", tuple(None for _ in rules.paths))
    for i in range(many):
        kept = tuple(hit for bit, hit in enumerate(hits) if i >> bit & 1)
        assert plain.number(Match(kept, tuple(hit.signal for hit in kept))) == i
    assert len(looked) <= 2 * many
    assert plain.columns.matches["last"].tolist()[-1] == len(plain.columns.hits) == 6 * many // 2
    assert plain.most_hits == 6


def test_too_many_sets_of_signals_are_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.accelerator.rules.MAX_GROUPS", 3)
    signals = Signals()
    assert [signals.group((1,)), signals.group((2,)), signals.group((1,))] == [0, 1, 0]
    with pytest.raises(OverflowError, match="set LEADGLOW_ACCELERATOR=off"):
        signals.group((1, 2))
