"""Reports conditions that can never hold at their places: the whole of some, or one branch of `any`."""

from __future__ import annotations

from collections.abc import Sequence

from streams.scorefile.conditions import WHERE
from streams.scorefile.contradictions import find_contradictions
from streams.scorefile.operations import branches_of, operations_of
from streams.scoring.scorecard import Condition
from streams.yamlfile.tree import Node, Report


def check_possible(where: Node, condition: Condition, report: Report, events: Sequence[str] = ()) -> None:
    """Report contradictions among conditions, on an event of one of these names if there are any."""
    operations = list(operations_of(where))
    for found in find_contradictions(condition, events):
        at = next((operand for path, _, operand in reversed(operations) if path.value == found.path), where)
        (report.add if found.certain else report.warn)(at, found.message, found.remedy)
    for branch in branches_of(where):
        read = WHERE.read(branch, Report())
        if read is not None:
            _check_branch(branch, read, report, events)


def _check_branch(branch: Node, condition: Condition, report: Report, events: Sequence[str]) -> None:
    """Warn of a branch that can never hold: the others still can."""
    inside = Report()
    check_possible(branch, condition, inside, events)
    for each in (*inside.mistakes, *inside.warnings):
        report.warn(Node(each.line, each.column, None), f"in this part of `any`, {each.message}", each.remedy)
