"""Explains the name of a fit line in the place of a signal: `blocked_by: [student]`."""

from __future__ import annotations

from streams.yamlfile.kinds import Item, Struct
from streams.yamlfile.repairs import guess_name
from streams.yamlfile.tree import Node, Report
from streams.yamlfile.written import write


def find_fit_line(name: str, card: Struct) -> Struct | None:
    """The fit line that goes by a name: its own, its label or its trait."""
    wanted = _plain(name)
    lines = [line for line in card.get("fit", ()) if line is not None]
    by_key = ((line, line.nodes.get(key)) for key in ("name", "label", "trait") for line in lines)
    return next((line for line, node in by_key if node is not None and _plain(str(node.value)) == wanted), None)


def _plain(name: str) -> str:
    return next(iter(guess_name(name)), name)


def report_fit_name(item: Item, line: Struct, stage: Struct, report: Report) -> None:
    """Report the name of a fit line among the signals of a stage, with ways to keep its leads out, or in."""
    message = f"{item.node} is a line of fit, and only signals "
    needed = stage.get("needs")
    if needed is not None and item in needs_of(stage):
        remedy = "write `needs: {fit: 10}`: a lead for which the line holds has its points as fit"
        report.add(item.node, f"{message}can be in `needs: signals`", remedy)
        return
    ways = ["give its line negative points and the stage `needs: {fit: 10}`"]
    points = line.get("points", 0.0)
    if points < 0 and needed is not None and needed.get("fit") is not None:
        ways = [f"its {points:g} points count against `needs: {{fit: {needed.get('fit'):g}}}`"]
    elif points < 0:
        ways = [f"add `needs: {{fit: 10}}`, against which its {points:g} points count"]
    if condition := _condition(line):
        ways.append(f"leave such leads out of the scorecard by `applies_to: {{none: [{condition}]}}`")
    report.add(item.node, f"{message}block a stage", f"remove it here: {', or '.join(ways)}")


def needs_of(stage: Struct) -> tuple[Item, ...]:
    """The signals that a stage needs."""
    needs = stage.get("needs")
    return tuple(needs.get("signals", ())) if needs is not None else ()


def _condition(line: Struct) -> str:
    """The condition of a line as it is written under `applies_to`; empty for a product."""
    if where := line.nodes.get("where"):
        return write(where)
    trait, when = line.nodes.get("trait"), line.nodes.get("when")
    return write(Node(trait.line, trait.column, {trait: when})) if trait is not None and when is not None else ""
