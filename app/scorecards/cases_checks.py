"""Checks a cases file against its scorecard file: names that do not exist, events that no signal counts."""

from __future__ import annotations

from collections.abc import Collection

from streams.scoring.conditions import paths
from streams.scoring.rules import event_name
from streams.scoring.scorecard import CALL_TYPES, Model, Scorecard
from streams.yamlfile.kinds import Item, Struct, find_nearest, nearest, report_repeated
from streams.yamlfile.tree import Report

NO_STAGE = "none"


def check_cases(model: Model, file: Struct, report: Report) -> None:
    """Report every name in a cases file that its scorecard file has not, and warn of events that cannot count."""
    cases: tuple[Struct, ...] = file.get("cases", ())
    report_repeated((case.get("name") for case in cases), lambda name: f"the name `{name}`", "choose another", report)
    for case in cases:
        _check_card(case, model, report)
        for entry in case.get("events", ()):
            _warn_of_event(entry.value, model, report)
        _warn_of_traits(case.get("traits"), model, report)
        for entry in case.get("expect", ()):
            card = _check_card(entry.value, model, report) or _card_of(case, model)
            if card is not None:
                _check_expectation(entry.value, card, report)


def _card_of(struct: Struct, model: Model) -> Scorecard | None:
    if "scorecard" not in struct.nodes:
        return model.scorecards[0]
    name = struct.values["scorecard"].value if "scorecard" in struct.values else None
    return next((card for card in model.scorecards if card.name == name), None)


def _check_card(struct: Struct, model: Model, report: Report) -> Scorecard | None:
    """The scorecard that a case or an expectation names; None if it names none that exists."""
    if "scorecard" not in struct.values:
        return None
    found = _card_of(struct, model)
    if found is None:
        names = [card.name for card in model.scorecards]
        _report_unknown(struct.values["scorecard"], "scorecard", names, report)
    return found


def _check_expectation(struct: Struct, card: Scorecard, report: Report) -> None:
    stages = [stage.name for stage in card.stages]
    if "stage" in struct.values and struct.values["stage"].value not in (*stages, NO_STAGE):
        _report_unknown(struct.values["stage"], "stage", [*stages, NO_STAGE], report)
    grades = _grades(card)
    if "grade" in struct.values and struct.values["grade"].value not in grades:
        _report_unknown(struct.values["grade"], "grade", grades, report)
    for item in struct.get("alerts") or ():
        _check_alert(item, card, report)
    for name, what, known in (("parts", "part", _parts(card)), ("categories", "category", _categories(card))):
        written = struct.nodes[name].value if name in struct.nodes else None
        for key in written if isinstance(written, dict) else ():
            if key.value not in known:
                _report_unknown(Item(key, key.value), what, known, report)


def _check_alert(item: Item, card: Scorecard, report: Report) -> None:
    stage = item.value.rpartition(" ")[2]
    stages = {each.name: each for each in card.stages}
    if stage not in stages:
        handed_off = [name for name, each in stages.items() if each.handoff]
        _report_unknown(Item(item.node, stage), "stage", handed_off, report)
    elif not stages[stage].handoff:
        message = f"stage `{stage}` sends no alerts: it has no `handoff: true`"
        report.add(item.node, message, "expect `stage` instead")


def _report_unknown(item: Item, what: str, known: Collection[str], report: Report) -> None:
    remedy = nearest(str(item.value), known) if known else "remove it"
    report.add(item.node, f"the scorecard has no {what} `{item.value}`", remedy)


def _parts(card: Scorecard) -> list[str]:
    return [*card.points, *dict.fromkeys(line.part for line in card.fit)]


def _grades(card: Scorecard) -> list[str]:
    grades = [grade for grade, _ in card.grades]
    return [grade + level for grade in grades for level, _ in card.engagement_grades] or grades


def _categories(card: Scorecard) -> list[str]:
    return [*(category.name for category in card.categories), "other"]


# Warnings -----------------------------------------------------------------------------------------------------


def _warn_of_event(struct: Struct, model: Model, report: Report) -> None:
    _warn_of_traits(struct.get("traits"), model, report)
    item: Item | None = struct.get("event")
    if item is None:
        return
    call = item.value.partition(" ")[0]
    name = call if call in CALL_TYPES else event_name("track", item.value)
    known = {event for signal in model.signals for event in signal.events}
    if name not in known:
        close = find_nearest(item.value, known)
        remedy = f"write `{close}`" if close else "remove it, or add a signal"
        report.warn(item.node, f"no signal counts the event `{item.value}`", remedy)


def _warn_of_traits(item: Item | None, model: Model, report: Report) -> None:
    known = {name for card in model.scorecards for line in card.fit for name in {line.trait} | paths(line.when)}
    known |= {name for card in model.scorecards for name in paths(card.applies_to)}
    if item is None or not isinstance(item.node.value, dict) or not known:
        return
    names = {str(key.value): key for key in item.node.value}
    for name, node in names.items():
        if not any(each == name or each.startswith(f"{name}.") for each in known):
            close = find_nearest(name, known)
            remedy = f"write `{close}`" if close else "remove it, or add a fit line"
            report.warn(node, f"no fit line reads the trait `{name}`", remedy)
