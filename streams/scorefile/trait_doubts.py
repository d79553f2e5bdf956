"""Finds what cannot be meant in conditions on traits: of fit lines, and of the leads to which a scorecard applies."""

from __future__ import annotations

from streams.scorefile.conditions import OPERATORS
from streams.scorefile.impossible import check_possible
from streams.scorefile.models import on_path
from streams.scorefile.operations import check_texts, is_bare_path, operations_of, tests_of
from streams.scorefile.parts import find_lone_word
from streams.scorefile.texts import check_quotes
from streams.scorefile.vocabulary import correct_trait
from streams.scoring.fit import MOST_POINTS
from streams.scoring.scorecard import EMAIL_DOMAIN, EVERYTHING, Condition
from streams.yamlfile.kinds import Struct
from streams.yamlfile.tree import Node, Report


def check_trait_doubts(card: Struct, report: Report) -> None:
    """Warn of conditions on traits that are surprising, and refuse those that can never hold."""
    lines = [line for line in card.get("fit", ()) if line is not None]
    for line in lines:
        _check_fit_line(line, report)
    _check_repeated([line for line in lines if not line.broken], report)
    if "applies_to" in card.nodes and "applies_to" not in card.broken:
        _check_traits(card.nodes["applies_to"], card.get("applies_to", EVERYTHING), report)
    accounts: Struct | None = card.get("accounts")
    if accounts is not None and accounts.get("key") not in (None, EMAIL_DOMAIN):
        _check_trait(accounts.nodes["key"], report)


def _check_fit_line(line: Struct, report: Report) -> None:
    trait, where = line.nodes.get("trait"), line.nodes.get("where")
    if trait is not None and "trait" not in line.broken:
        _check_trait(trait, report)
    if where is not None and "where" not in line.broken:
        _check_traits(where, line.get("where", EVERYTHING), report)
    if "times" in line.values and not line.broken:
        _check_product(line, report)
    when = line.nodes.get("when")
    if when is None or trait is None or {"when", "trait"} & line.broken:
        return
    check_texts(list(tests_of(trait, when)), report)
    condition = on_path(line.get("when", EVERYTHING), str(trait.value))
    check_possible(Node(trait.line, trait.column, {trait: when}), condition, report)


def _check_trait(trait: Node, report: Report) -> None:
    if is_bare_path(trait, report) and check_quotes(trait, report) and (corrected := correct_trait(str(trait.value))):
        message = f"leads have no trait {trait}: traits go by their own names"
        report.warn(trait, message, f"write `{corrected}`")


def _check_traits(where: Node, condition: Condition, report: Report) -> None:
    """Check conditions on several traits."""
    operations = list(operations_of(where))
    for path, operand in {path: operand for path, _, operand in operations}.items():
        if doubt := find_lone_word(path, operand, OPERATORS, in_event=False):
            report.warn(path, *doubt)
        _check_trait(path, report)
    check_texts(operations, report)
    check_possible(where, condition, report)


def _check_product(line: Struct, report: Report) -> None:
    """Report bounds that leave nothing of a product, and warn of a factor that does."""
    times, low, high = line.get("times"), line.get("min", 0.0), line.get("max", MOST_POINTS)
    if low > high:
        remedy = "swap the two" if "min" in line.values and "max" in line.values else f"add `min: {2 * high:g}`"
        key = "max" if "max" in line.nodes else "min"
        report.add(line.nodes[key], f"`min` {low:g} is above `max` {high:g}", remedy)
    elif not times:
        report.add(line.nodes["times"], "0 times any number is 0", "write the points for each 1 of the number")
    elif times < 0 <= low:
        message = f"{times:g} times a number above 0 is below `min` {low:g}, so this line gives {low:g}"
        report.warn(line.nodes["times"], message, "add a `min` below 0, such as `min: -20`")


def _check_repeated(lines: list[Struct], report: Report) -> None:
    """Warn of two lines of fit for the same."""
    seen: dict[str, Struct] = {}
    for line in lines:
        first = seen.setdefault(repr([line.get(key) for key in ("trait", "when", "where", "times")]), line)
        if first is not line:
            message = f"line {first.node.line} has the same trait and condition, and both give their points"
            report.warn(line.node, message, "remove one of the two")
