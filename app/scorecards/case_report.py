"""The results of cases as text: a line for each case, and the parts of the score where one fails. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.lead_views import View, describe_obstacle, points_of
from app.scorecards.runner import Check, Finding, Result, format_points
from streams.counts import count_of
from streams.scoring.rules import Rules
from streams.shard.alert import rfc3339


def describe_results(name: str, results: Sequence[Result], rules: Rules) -> str:
    """Every case in a line, failed ones with their differences, and the counts."""
    lines = [line for result in results for line in _case_lines(name, result)]
    failed = sum(not result.passed for result in results)
    lines.append("")
    untested = [signal for signal in rules.signals if not any(result.fired[signal] for result in results)]
    if untested:
        lines.append(f"no case has an event that counts for: {', '.join(untested)}")
    passed = len(results) - failed
    lines.append(f"{count_of(len(results), 'case')}: {passed} passed" + (f", {failed} failed" if failed else ""))
    return "\n".join(lines)


def _case_lines(name: str, result: Result) -> Iterator[str]:
    yield f"{'passed' if result.passed else 'FAILED'}  {result.case.name}"
    for finding in result.findings:
        if not finding.holds:
            yield from _finding_lines(name, finding)


def _finding_lines(name: str, finding: Finding) -> Iterator[str]:
    expectation, view = finding.expectation, finding.view
    at = rfc3339(expectation.at_ms)[:16].replace("T", " ")
    yield f"  {name}:{expectation.line}: {expectation.when} ({at} UTC, scorecard {expectation.scorecard})"
    for check in finding.checks:
        if not check.holds and not check.part:
            yield f"    {check.name:<12} expected {check.expected}, is {check.actual}"
    yield from _obstacle_lines(finding)
    yield from _part_lines(view, {check.name: check for check in finding.checks if check.part})


def _obstacle_lines(finding: Finding) -> Iterator[str]:
    """Why the lead is not in the stage that is expected."""
    stage = finding.expectation.stage
    obstacles = finding.view["not_entered"].get(stage or "", [])
    if obstacles and any(check.name == "stage" and not check.holds for check in finding.checks):
        yield f"    not {stage}: {'; '.join(describe_obstacle(each) for each in obstacles)}"


def _part_lines(view: View, checks: dict[str, Check]) -> Iterator[str]:
    """The parts of the score, which sum to it, with the expected points where they differ."""
    rows: dict[str, float] = {}
    for part in view["parts"]:
        if part["kind"] in ("signal", "fit"):
            rows[part["name"]] = rows.get(part["name"], 0.0) + points_of(part)
    rest = round(view["exact"] - sum(rows.values()), 9)
    rows |= {name: 0.0 for name, check in checks.items() if name not in rows and not check.holds}
    if rest:
        rows["caps and range"] = rest
    width = max(map(len, [*rows, "score"]))
    yield "    parts of the score:"
    for name, points in rows.items():
        check = checks.get(name)
        wrong = check is not None and not check.holds
        ending = f"   expected {check.expected}" if check and wrong else ""
        yield f"    {'!' if wrong else ' '} {name:<{width}}  {format_points(points):>8}{ending}"
    yield f"    = {'score':<{width}}  {format_points(view['exact']):>8}"
