"""Runs cases: plays the events of each lead in memory, and compares its score with what is expected. Pure."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

from app.lead_views import View, lead_view, points_of, round_down
from app.scorecards.calls import LEAD
from app.scorecards.cases import Case, Expectation
from app.scorecards.cases_checks import NO_STAGE
from streams.events.codec import Codec
from streams.scoring.event import LeadEvent
from streams.scoring.lead import Lead
from streams.scoring.replay import Replay
from streams.scoring.rules import Rules


@dataclass(frozen=True, slots=True)
class Check:
    """One expected value, and the actual one."""

    name: str
    expected: str
    actual: str
    holds: bool
    part: bool = False
    """Whether it is about a part of the score."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An expectation, the lead's view of its scorecard at that instant, and the result of each check."""

    expectation: Expectation
    view: View
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether everything is as expected."""
        return all(check.holds for check in self.checks)


@dataclass(frozen=True, slots=True)
class Result:
    """The findings of a case in the order of time."""

    case: Case
    findings: tuple[Finding, ...]
    fired: Tally[str]
    """How often each signal counted."""

    @property
    def passed(self) -> bool:
        """Whether every expectation is met."""
        return all(finding.holds for finding in self.findings)


def run_cases(cases: Iterable[Case], rules: Rules) -> Iterator[Result]:
    """Run cases one after another, each with a lead of its own."""
    return (run_case(case, rules) for case in cases)


def run_case(case: Case, rules: Rules) -> Result:
    """Run one case."""
    replay, fired = Replay(rules), Tally[str]()
    events = _decode_events(case, rules)
    seen = dict.fromkeys((card.name for card in rules.cards), 0)
    findings = []
    for expectation in case.expect:
        while events and events[0].arrival <= expectation.at_ms:
            replay.play(events.pop(0))
        replay.advance_lead(LEAD, expectation.at_ms)
        fired += replay.end_step().fired
        alerts = _alerts(replay, expectation.scorecard, seen)
        view = _view(replay, rules, expectation)
        findings.append(Finding(expectation, view, tuple(_compare(expectation, view, alerts))))
    return Result(case, tuple(findings), fired)


def _decode_events(case: Case, rules: Rules) -> list[LeadEvent]:
    codec = Codec(rules.paths)
    events = []
    for number, sent in enumerate(case.events):
        value = sent.encode(f"case-{number}")
        event = codec.decode_event(SimpleNamespace(value=value, timestamp=sent.arrival_ms, key=None, headers=()), LEAD)
        if isinstance(event, LeadEvent):
            events.append(event)
    return events


def _alerts(replay: Replay, card: str, seen: dict[str, int]) -> tuple[str, ...]:
    """The alerts of a scorecard since it was last looked at."""
    transitions = [crossing.transition for crossing in replay.crossings[seen[card] :]]
    seen[card] = len(replay.crossings)
    return tuple(f"{t.kind} {t.stage}" for t in transitions if t.card == card and t.is_alert)


def _view(replay: Replay, rules: Rules, expectation: Expectation) -> View:
    state = replay.state(LEAD)
    lead = state if isinstance(state, Lead) else Lead(expectation.at_ms)
    return dict(lead_view(LEAD, lead, rules, expectation.at_ms)["scorecards"][expectation.scorecard])


def _compare(expectation: Expectation, view: View, alerts: tuple[str, ...]) -> Iterator[Check]:
    for name, wanted in expectation.numbers.items():
        yield Check(name, wanted.text, format_points(view[name]), wanted.holds(view[name]))
    for name, text in (("grade", expectation.grade), ("stage", expectation.stage)):
        if text is not None:
            actual = view[name] or NO_STAGE
            yield Check(name, text, actual, text == actual)
    if expectation.alerts is not None:
        expected, sent = (", ".join(each) or "none" for each in (expectation.alerts, alerts))
        yield Check("alerts", expected, sent, expected == sent)
    for name, wanted in expectation.categories.items():
        points = view["categories"].get(name, 0.0)
        yield Check(name, wanted.text, format_points(points), wanted.holds(points))
    for name, wanted in expectation.parts.items():
        points = sum(points_of(part) for part in view["parts"] if part["name"] == name and part["kind"] in _SCORED)
        yield Check(name, wanted.text, format_points(points), wanted.holds(points), part=True)


_SCORED = ("signal", "fit")


def format_points(points: float) -> str:
    """Points with at most two decimals, never more of them."""
    return f"{round_down(points, 2):.2f}".rstrip("0").rstrip(".")
