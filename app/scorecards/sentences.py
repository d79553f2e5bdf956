"""The sentences of a report about a change of the scorecards, for the terminal and the board. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final, NamedTuple

from streams.counts import count_of

View = dict[str, Any]
COMMAS: Final[Callable[[float], str]] = "{:,.10g}".format
"""Writes a number as on a terminal."""
REASONS = 3
_KINDS = {"fit": "fit: ", "stage": "stage ", "category": "category "}
_STARTS = (
    "{names} {start} at 0 for every lead: run `leadglow rebuild --backfill` after publishing to count earlier events, "
    "too. What follows is the effect before that."
)
_INCOMPLETE = (
    "Another half-life by state, or a block, needs events of {names} that were not kept: run `leadglow rebuild "
    "--backfill` after publishing to count earlier ones there, too."
)
_LATER = (
    "{names} {count} new events by the new rule; earlier ones stay as they were counted, also in a rebuild. To count "
    "all by the new rule, write it under another name, and run `leadglow rebuild --backfill` after publishing."
)

_SILENCES = {
    "entered": "enter{s} in silence, because of the cooldown.",
    "left": "leave{s} in silence, because receivers were not told of the entry.",
}
_UNANNOUNCED = (
    "{count} leads are in {stage} already, which sends alerts from now on: sales will not hear of these. To tell them, "
    "give the stage another name in the same change; then each of the leads enters it with an alert."
)
_UNANNOUNCED_ONE = (
    "{count} lead is in {stage} already, which sends alerts from now on: sales will not hear of it. To tell them, "
    "give the stage another name in the same change; then the lead enters it with an alert."
)


class Line(NamedTuple):
    """Everything that differs in one signal, stage or other part."""

    kind: str
    """``added``, ``removed``, ``changed`` or ``renamed``."""
    text: str


def group_differences(report: View) -> Iterator[tuple[str, list[Line]]]:
    """The differences by the label of a scorecard; those of signals have no scorecard."""
    for (_, scorecard), group in groupby(report["differences"], lambda each: (each["scorecard"], _card_of(each))):
        parts = groupby(group, lambda each: (each["subject"], each["label"] or each["name"], each["kind"]))
        yield (
            scorecard,
            [Line(kind, _describe(subject, name, kind, [each["text"] for each in same]))
             for (subject, name, kind), same in parts],
        )  # fmt: skip


def _card_of(difference: View) -> str:
    return str(difference["scorecard_label"] or difference["scorecard"])


def _describe(subject: str, name: str, kind: str, texts: list[str]) -> str:
    words = {"added": "new", "removed": "removed", "renamed": "renamed", "changed": ""}
    said = ": ".join(filter(None, [words[kind], ", ".join(filter(None, texts))]))
    return said if subject == "scorecard" else f"{_KINDS.get(subject, '')}{name}  {said}"


def describe_rebuild(report: View) -> list[str]:
    """Which signals do not count earlier events, or count them by the old rule, and the remedy."""
    sentences = []
    labels = {each["name"]: each["label"] for each in report["differences"] if each["subject"] == "signal"}
    for key, text in (("starts_at_0", _STARTS), ("incomplete", _INCOMPLETE), ("new_events", _LATER)):
        if names := report["rebuild"][key]:
            verb = {"start": "starts", "count": "counts"} if len(names) == 1 else {"start": "start", "count": "count"}
            sentences.append(text.format(names=", ".join(labels.get(name) or name for name in names), **verb))
    return sentences


def describe_alerts(report: View, number: Callable[[float], str] = COMMAS, quiet: bool = False) -> str:
    """How many alerts would be sent, and about what; ``number`` writes a number, a ``quiet`` change sends none."""
    parts = []
    for card in report["scorecards"].values():
        for name, stage in card["stages"].items():
            for kind, verb in (("entered", "enter"), ("left", "leave")):
                if count := stage["alerts"][kind]:
                    parts.append(f"{number(count)} {verb}{'s' * (count == 1)} {stage['label'] or name}")
    count = report["alerts"]
    if not count:
        text = "No alert would be sent."
    elif quiet:
        text = f"No alert would be sent, because of --quiet. Without one, {', '.join(parts)}."
    else:
        text = f"{count_of(count, 'alert', number)} would be sent: {', '.join(parts)}."
    return " ".join([text, *_explain_silence(report, number)])


def _explain_silence(report: View, number: Callable[[float], str]) -> list[str]:
    """Which leads have no alert, and why."""
    sentences = []
    stages = [(name, stage) for card in report["scorecards"].values() for name, stage in card["stages"].items()]
    for kind, text in _SILENCES.items():
        if count := sum(stage["silenced"][kind] for _, stage in stages):
            sentences.append(f"{number(count)} {text.format(s='s' * (count == 1))}")
    for name, stage in stages:
        if count := stage["unannounced"]:
            text = _UNANNOUNCED_ONE if count == 1 else _UNANNOUNCED
            sentences.append(text.format(count=number(count), stage=stage["label"] or name))
    return sentences


def describe_scores(card: View, number: Callable[[float], str] = COMMAS) -> str:
    """How many scores rise, fall and stay; ``number`` writes a number."""
    before, after = card["average"]["before"], card["average"]["after"]
    if before is None or after is None:
        return f"The scorecard is {'new' if before is None else 'removed'}."
    if not card["risen"] and not card["fallen"]:
        return f"No score changes; the average is {number(before)}."
    same = sum(row["after"] for row in card["scores"]) - card["risen"] - card["fallen"]
    risen, fallen, average = card["risen"], card["fallen"], f"{number(before)} → {number(after)}"
    return f"{number(risen)} scores rise, {number(fallen)} fall, {number(same)} stay; average {average}."


def has_moved(card: View) -> bool:
    """Whether any score of a scorecard changes."""
    return bool(card["risen"] or card["fallen"] or None in card["average"].values())


def list_reasons(why: list[View]) -> list[tuple[str, float]]:
    """The signals and fit lines that change most after caps; if none does, the caps and the range."""
    kept = [(_title(part), part["change_after_caps"]) for part in why if part["change_after_caps"]]
    capped = [(f"maximum of {_title(part)}" if part["kind"] == "cap" else _title(part), part["change"]) for part in why]
    return (kept or capped)[:REASONS]


class NamedLead(NamedTuple):
    """A lead as people know it."""

    lead_id: str
    name: str
    """The id if there is no other."""


class Movers(NamedTuple):
    """Leads whose scores change alike: by the same whole points, for the same reasons, with the same stages."""

    leads: list[NamedLead]
    before: tuple[int, int]
    """The lowest and the highest score."""
    after: tuple[int, int]
    change: tuple[float, float]
    stages: tuple[str | None, str | None]
    reasons: list[tuple[str, float]]
    """Those of the first lead."""


def name_leads(lead_ids: Iterable[str], names: Mapping[str, str]) -> list[NamedLead]:
    """Leads with the names that a report has."""
    return [NamedLead(lead_id, names.get(lead_id, lead_id)) for lead_id in lead_ids]


def describe_range(bounds: tuple[int, int], number: Callable[[float], str] = str) -> str:
    """The scores of leads that change alike."""
    low, high = bounds
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def group_movers(card: View) -> list[Movers]:
    """The leads whose scores change most, those that change alike as one."""
    groups: dict[Any, list[View]] = defaultdict(list)
    for mover in card["movers"]:
        reasons = tuple(name for name, _ in list_reasons(mover["why"]))
        groups[mover["before"]["stage"], mover["after"]["stage"], round(mover["change"]), reasons].append(mover)
    return [_describe_movers(group, card["names"]) for group in groups.values()]


def _describe_movers(alike: list[View], names: Mapping[str, str]) -> Movers:
    before, after = ([mover[when]["score"] for mover in alike] for when in ("before", "after"))
    changes = [mover["change"] for mover in alike]
    return Movers(
        name_leads((mover["lead_id"] for mover in alike), names),
        (min(before), max(before)),
        (min(after), max(after)),
        (min(changes), max(changes)),
        (alike[0]["before"]["stage"], alike[0]["after"]["stage"]),
        list_reasons(alike[0]["why"]),
    )


def _title(part: View) -> str:
    return str(part["label"] or part["name"])
