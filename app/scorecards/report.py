"""The report about a change of the scorecards as JSON values: what changed, and what it does to the leads. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from app.lead_names import name_of
from app.scorecards.differences import Difference, find_differences
from app.scorecards.labels import Key, list_labels
from streams.scoring.change import Change
from streams.scoring.effect import CardEffect, Effect, Ranked, StageEffect
from streams.scoring.explanation import Explanation, explain
from streams.scoring.fit import UNIT
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules
from streams.scoring.scorecard import Stage
from streams.scoring.stored import decode
from streams.shard.alert import rfc3339

View = dict[str, Any]


def report_words(old: Rules, new: Rules) -> View:
    """What changed in meaning, and which signals wait for a rebuild."""
    differences, labels = find_differences(old.model, new.model), list_labels(old.model, new.model)
    starting = _signals_that_wait(differences, "starts_at_0")
    return {
        "old_version": old.version,
        "new_version": new.version,
        "differences": [_report_difference(each, labels) for each in differences],
        "rebuild": {
            "starts_at_0": starting,
            "incomplete": [name for name in new.signals_to_rebuild(old) if name not in starting],
            "new_events": _signals_that_wait(differences, "new_events"),
        },
    }


def _report_difference(found: Difference, labels: Mapping[Key, str]) -> View:
    label = labels.get((found.subject, found.scorecard, found.name), "")
    return found._asdict() | {
        "label": label,
        "scorecard_label": labels.get(("scorecard", found.scorecard, found.scorecard), ""),
    }


def report_change(old: Rules, new: Rules, effect: Effect, now_ms: int) -> View:
    """The whole report about a change at ``now_ms``."""
    return report_words(old, new) | {
        "at": rfc3339(now_ms),
        "leads": effect.leads,
        "alerts": effect.alerts,
        "scorecards": {name: _report_card(name, card, old, new, now_ms) for name, card in effect.cards.items()},
    }


def _signals_that_wait(differences: Iterable[Difference], reason: str) -> list[str]:
    return list(dict.fromkeys(each.name for each in differences if each.rebuild == reason))


def _report_card(name: str, effect: CardEffect, old: Rules, new: Rules, now_ms: int) -> View:
    before, after = _find_card(old, name), _find_card(new, name)
    card = after or before
    assert card is not None
    change = Change(old, new)
    return {
        "label": card.card.label or name,
        "range": [card.card.minimum, card.card.maximum],
        "risen": effect.risen,
        "fallen": effect.fallen,
        "average": {
            "before": _average(effect.sum_before, effect.before),
            "after": _average(effect.sum_after, effect.after),
        },
        "step": effect.step,
        "scores": [
            {"from": score, "before": effect.before[score], "after": effect.after[score]}
            for score in sorted(effect.before.keys() | effect.after.keys())
        ],
        "stages": {
            stage: _report_stage(found, _find_stage(before, stage), _find_stage(after, stage), card.card.shadow)
            for stage, found in effect.stages.items()
        },
        "movers": [_report_mover(ranked, before, after, change, now_ms) for ranked in effect.movers],
        "names": _name_leads(effect),
    }


def _name_leads(effect: CardEffect) -> dict[str, str]:
    """The names of the leads in the report that have one, by id."""
    stages = effect.stages.values()
    found = [*effect.movers, *(each for s in stages for first in (s.first_entered, s.first_left) for each in first)]
    leads = {ranked.lead_id: decode(ranked.blob) for ranked in found if ranked.blob}
    traits = {lead_id: lead.trait_values() for lead_id, lead in leads.items() if isinstance(lead, Lead)}
    named = {lead_id: name_of(lead_id, values) for lead_id, values in traits.items()}
    return {lead_id: name for lead_id, name in named.items() if name != lead_id}


def _find_card(rules: Rules, name: str) -> CardRule | None:
    return next((card for card in rules.cards if card.name == name), None)


def _average(total: int, scores: Counter[int]) -> float | None:
    return round(total / scores.total(), 2) if scores else None


def _find_stage(card: CardRule | None, name: str) -> Stage | None:
    return next((rule.stage for rule in card.stages if rule.stage.name == name), None) if card else None


def _report_stage(effect: StageEffect, before: Stage | None, after: Stage | None, shadow: bool) -> View:
    stage = after or before
    return {
        "label": "" if stage is None else stage.label,
        "removed": after is None,
        "handoff": stage is not None and stage.handoff and not shadow,
        "enter": {"before": before and before.enter, "after": after and after.enter},
        "before": effect.before,
        "after": effect.after,
        "entered": effect.entered,
        "left": effect.left,
        "first_entered": [ranked.lead_id for ranked in effect.first_entered],
        "first_left": [ranked.lead_id for ranked in effect.first_left],
        "alerts": {kind: effect.alerts[kind] for kind in ("entered", "left")},
        "silenced": {kind: effect.silenced[kind] for kind in ("entered", "left")},
        "unannounced": effect.unannounced,
    }


# Movers --------------------------------------------------------------------------------------------------------------


def _report_mover(ranked: Ranked, before: CardRule | None, after: CardRule | None, change: Change, now_ms: int) -> View:
    """One of the leads whose score changes most; it is on the scorecard before and after."""
    lead = decode(ranked.blob)
    assert isinstance(lead, Lead)
    assert before is not None
    assert after is not None
    found = change.apply(ranked.lead_id, lead, now_ms)
    was = explain(before, lead, found.at_ms, change.old)
    will_be = explain(after, lead, found.at_ms, change.new)
    return {
        "lead_id": ranked.lead_id,
        "change": round((will_be.exact - was.exact) * UNIT) / UNIT,
        "before": _report_standing(was, _last_stage(before, found.inside_before)),
        "after": _report_standing(will_be, _last_stage(after, found.inside_after)),
        "why": _compare_parts(
            was, will_be, {s.name: s.label for s in (*change.old.model.signals, *change.new.model.signals)}
        ),
    }


def _report_standing(why: Explanation, stage: str | None) -> View:
    return {"score": why.score, "exact": why.exact, "grade": why.grade, "stage": stage}


def _last_stage(card: CardRule, inside: frozenset[str]) -> str | None:
    return next((rule.stage.name for rule in reversed(card.stages) if rule.key in inside), None)


def _compare_parts(was: Explanation, will_be: Explanation, signals: Mapping[str, str]) -> list[View]:
    """The parts that differ, those that matter most after caps first; the changes sum to that of the scores."""
    before, after = _sum_parts(was), _sum_parts(will_be)
    labels = {(part.kind, part.name): part.label for part in (*was.parts, *will_be.parts)}
    labels |= {("signal", name): label for name, label in signals.items()}
    rows = []
    for kind, name in before.keys() | after.keys():
        a, b = before.get((kind, name), (0, 0)), after.get((kind, name), (0, 0))
        if a != b:
            row = {"kind": kind, "name": name, "label": labels[kind, name], "before": a[0] / UNIT, "after": b[0] / UNIT}
            rows.append(row | {"change": (b[0] - a[0]) / UNIT, "change_after_caps": (b[1] - a[1]) / UNIT})
    return sorted(rows, key=lambda row: (-abs(row["change_after_caps"]), -abs(row["change"]), row["kind"], row["name"]))


def _sum_parts(why: Explanation) -> dict[tuple[str, str], tuple[int, int]]:
    """Units of each part, and what caps leave of signals and fit lines; fit lines of one name are one part."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for part in why.parts:
        points = part.points if part.after_caps is None else part.after_caps
        kept = points if part.kind in {"signal", "fit"} else 0.0
        whole, left = found.get((part.kind, part.name), (0, 0))
        found[part.kind, part.name] = whole + round(part.points * UNIT), left + round(kept * UNIT)
    return found
