"""What changed between two scorecard files, in words."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings

from app.scorecards.differences import find_differences
from streams.scorefile import load
from streams.scorefile.models import canonical
from streams.scoring.scorecard import Model
from tests.properties.strategies import a_model, chances

FILE = """
leadglow: 1
signals:
  view: {event: page, half_life: 14d, limit: 1/day}
  ask:  {event: Asked, where: {properties.kind: sales}, half_life: 30d}
  stop: {event: Unsubscribed, half_life: never}
scorecards:
  default:
    label: Whole company
    points: {view: 10, ask: {points: 40, max: 60}, stop: -20}
    categories:
      intent: {signals: [view, ask], max: 70}
    fit:
      - {trait: title, when: {in: [CTO, CEO]}, points: 20}
      - {trait: employees, when: {gte: 200}, points: 15}
    fit_max: 30
    range: [0, 100]
    grades: {A: 80, B: 0}
    stages:
      - {name: engaged, enter: 30, leave: 20}
      - {name: qualified, enter: 70, leave: 50, needs: {fit: 10}, blocked_by: [stop], cooldown: 7d, handoff: true}
"""


def changes(*pairs: tuple[str, str], file: str = FILE) -> list[tuple[str, ...]]:
    """(subject, kind, name, text, rebuild) of each difference, after these replacements in the file."""
    changed = file
    for old, new in pairs:
        assert old in changed
        changed = changed.replace(old, new)
    found = find_differences(load(file), load(changed))
    return [(each.subject, each.kind, each.name, each.text, each.rebuild) for each in found]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("14d", "7d", ("signal", "changed", "view", "half-life 14d → 7d", "starts_at_0")),
        ("1/day", "2/week", ("signal", "changed", "view", "limit 1/day → 2/week", "new_events")),
        (", limit: 1/day", "", ("signal", "changed", "view", "limit 1/day → none", "new_events")),
        (
            "event: Asked, where: {properties.kind: sales}",
            "event: Asked",
            ("signal", "changed", "ask", "counts Asked (before: Asked whose properties.kind is sales)", "new_events"),
        ),
        ("view: 10", "view: 12.5", ("points", "changed", "view", "points 10 → 12.5", "")),
        ("max: 60", "max: 50", ("points", "changed", "ask", "at most 60 → 50", "")),
        (", stop: -20", "", ("points", "removed", "stop", "-20 points", "")),
        ("[view, ask], max: 70", "[view, ask]", ("category", "changed", "intent", "at most 70 → none", "")),
        ("intent: {", "interest: {", ("category", "renamed", "interest", "was intent", "")),
        ("points: 15", "points: 5", ("fit", "changed", "employees is at least 200", "points 15 → 5", "")),
        (
            "gte: 200",
            "gte: 50",
            (
                "fit", "changed", "employees is at least 50",
                "when employees is at least 200 → employees is at least 50", "",
            ),
        ),
        ("fit_max: 30", "fit_max: 35", ("scorecard", "changed", "default", "fit at most 30 → 35", "")),
        ("[0, 100]", "[0, 120]", ("scorecard", "changed", "default", "range 0 to 100 → 0 to 120", "")),
        ("A: 80", "A: 75", ("scorecard", "changed", "default", "grade A from 80 → from 75", "")),
        ("label: Whole", "label: Our", ("scorecard", "changed", "default", "label Whole company → Our company", "")),
        ("enter: 70", "enter: 60", ("stage", "changed", "qualified", "entered from 70 → 60", "")),
        ("leave: 50", "leave: 45", ("stage", "changed", "qualified", "left below 50 → 45", "")),
        ("needs: {fit: 10}", "needs: {engagement: 5}", ("stage", "changed", "qualified", "needs fit 10 → none", "")),
        ("blocked_by: [stop], ", "", ("stage", "changed", "qualified", "blocked by stop → none", "")),
        ("cooldown: 7d, ", "", ("stage", "changed", "qualified", "cooldown 7d → none", "")),
        (", handoff: true", "", ("stage", "changed", "qualified", "handoff yes → no", "")),
        ("name: engaged", "name: warm", ("stage", "renamed", "warm", "was engaged", "")),
    ],
)  # fmt: skip
def test_each_change_is_said_in_words(old: str, new: str, expected: tuple[str, ...]) -> None:
    assert changes((old, new))[0] == expected


def test_comments_order_and_notation_are_no_difference() -> None:
    notation = (
        ("14d", "336h"),
        ("30d, ", "30d , "),
        ("[CTO, CEO]", "[CEO, CTO]"),
        ("points: 20}", "points: 20.0} # much"),
    )
    order = ("view: 10, ask: {points: 40, max: 60}, stop: -20", "stop: -20, ask: {max: 60, points: 40}, view: 10")
    assert changes(*(pair for pair in (*notation, order) if pair[0] in FILE)) == []


def test_a_signal_that_is_added_starts_at_0() -> None:
    added = "signals:\n  call: {event: Called, half_life: 7d}"
    assert changes(("\nsignals:", f"\n{added}"), ("stop: -20}", "stop: -20, call: 5}")) == [
        ("signal", "added", "call", "Called; half-life 7d", "starts_at_0"),
        ("points", "added", "call", "+5 points", ""),
    ]  # fmt: skip


def test_a_renamed_signal_is_recognised_wherever_it_is_used() -> None:
    found = changes(("stop", "unsubscribe"))
    assert found == [("signal", "renamed", "unsubscribe", "was stop", "starts_at_0")]


def test_renaming_is_not_guessed_where_two_signals_are_alike() -> None:
    twins = FILE.replace("  stop:", "  halt: {event: Unsubscribed, half_life: never}\n  stop:")
    found = changes(
        ("  stop:", "  end:"), ("stop: -20", "end: -20"), ("[stop]", "[end]"), ("  halt:", "  quit:"), file=twins
    )
    assert [(kind, name) for subject, kind, name, *_ in found if subject == "signal"] == [
        ("added", "quit"),
        ("added", "end"),
        ("removed", "halt"),
        ("removed", "stop"),
    ]


def test_the_order_of_stages_has_a_meaning() -> None:
    lines = FILE.splitlines()
    model = load("\n".join([*lines[:-2], lines[-1], lines[-2]]))
    (found,) = find_differences(load(FILE), model)
    assert found.text == (
        "order of stages engaged, qualified → qualified, engaged; a lead shows the last one that it is in"
    )


def test_scorecards_come_and_go() -> None:
    model = load(FILE)
    (card,) = model.scorecards
    more = replace(model, scorecards=(card, replace(card, name="other", stages=())))
    (added,) = find_differences(model, more)
    assert added[:5] == ("scorecard", "added", "other", "other", "signals: 3, fit lines: 2, stages: none")
    (removed,) = find_differences(more, model)
    assert removed[:4] == ("scorecard", "removed", "other", "other")
    (renamed,) = find_differences(model, replace(model, scorecards=(replace(card, name="all"),)))
    assert renamed[:5] == ("scorecard", "renamed", "all", "all", "was default")


def shuffled(chance: Random, model: Model) -> Model:
    """The same model with everything in another order whose order has no meaning."""
    cards = [
        replace(
            card,
            points=dict(chance.sample(list(card.points.items()), len(card.points))),
            fit=tuple(chance.sample(card.fit, len(card.fit))),
        )
        for card in model.scorecards
    ]
    return Model(tuple(chance.sample(model.signals, len(model.signals))), tuple(chance.sample(cards, len(cards))))


def without_order(model: Model) -> str:
    cards = [replace(card, fit=tuple(sorted(card.fit, key=repr))) for card in model.scorecards]
    return canonical(replace(model, scorecards=tuple(cards)))


@settings(max_examples=150)
@given(chances)
def test_files_differ_in_words_if_and_only_if_they_differ_in_meaning(chance: Random) -> None:
    model = a_model(chance)
    assert find_differences(model, shuffled(chance, model)) == []
    other = a_model(chance)
    signals = {signal.name: signal for signal in other.signals}
    alike = Model(
        tuple(signals.get(s.name, s) if chance.random() < 0.2 else s for s in model.signals), model.scorecards
    )
    for new in (other, alike):
        found = find_differences(model, new)
        assert bool(found) == (without_order(model) != without_order(new))
        assert all(each.text or each.kind == "removed" for each in found)
