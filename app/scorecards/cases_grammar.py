"""The grammar of cases files, used by the loader and for the JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.scorecards.numbers import WANTED
from app.scorecards.times import START, WHEN, When
from streams.yamlfile.containers import list_of, named, struct_of
from streams.yamlfile.kinds import TEXT, VERSION, Field, Item, Kind, Struct, scalar_of, text_of
from streams.yamlfile.tree import Node, Report

MAX_TIMES = 1000


@dataclass(frozen=True, slots=True)
class Timed:
    """An entry of a list: a time, and what happens or is expected then."""

    key: Node
    when: When
    value: Any


def _timed_list(kind: Kind, example: str) -> Kind:
    """A list of entries `TIME: VALUE`."""

    def read_entry(node: Node, report: Report) -> Timed | None:
        if not isinstance(node.value, dict):
            report.add(node, f"{node} is not a time with a value", f"write `{example}`")
            return None
        if len(node.value) != 1:
            keys = list(node.value)
            remedy = f"indent it further, below `{keys[0].value}:`" if keys else f"write `{example}`"
            report.add(keys[1] if keys else node, "each entry has one time, then a colon", remedy)
            return None
        ((key, inner),) = node.value.items()
        when, value = WHEN.read(key, report), kind.read(inner, report)
        return None if when is None or value is None else Timed(key, when, value)

    schema = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "propertyNames": WHEN.schema,
        "additionalProperties": kind.schema,
    }
    entries = list_of(Kind(read_entry, schema, f"{{{example}}}", f"`TIME: …` with {kind.about}"))

    def read(node: Node, report: Report) -> Any:
        if isinstance(node.value, dict) and node.value:
            report.add(node, "this is not a list", "put a dash before each time")
            return None
        return entries.read(node, report)

    return replace(entries, read=read, example=f"[{{{example}}}]", about=f"a list of `TIME: …` with {kind.about}")


def _plain(node: Node) -> Any:
    """The value of a node without places."""
    if isinstance(node.value, dict):
        return {str(key.value): _plain(inner) for key, inner in node.value.items()}
    return [_plain(item) for item in node.value] if isinstance(node.value, list) else node.value


def _free(about: str, example: str) -> Kind:
    """A mapping with any names and values."""

    def read(node: Node, report: Report) -> Item | None:
        if not isinstance(node.value, dict):
            report.add(node, f"{node} is not {about}", f"write names with values, for example `{example}`")
            return None
        return Item(node, _plain(node))

    return Kind(read, {"type": "object"}, example, about)


def _placed(kind: Kind) -> Kind:
    """The same value type, read as an Item."""

    def read(node: Node, report: Report) -> Item | None:
        value = kind.read(node, report)
        return None if value is None else Item(node, value)

    return replace(kind, read=read)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_TIMES:
        raise ValueError
    return value


def _event(node: Node, report: Report) -> Struct | None:
    """An event in short, or with its fields."""
    if isinstance(node.value, str):
        text = EVENT.read(node, report)
        return None if text is None else Struct(node, {"event": Item(node, text)}, {"event": node})
    struct: Struct | None = _EVENT_STRUCT.read(node, report)
    if struct is not None and not struct.broken and not struct.nodes.keys() & {"event", "traits"}:
        report.add(node, "an event needs `event` or `traits`", "add `event: page /pricing`")
        return None
    return struct


def _alerts(node: Node, report: Report) -> tuple[Item, ...] | None:
    if node.value in ("none", []):
        return ()
    return _ALERTS.read(node, report)  # type: ignore[no-any-return]


EVENT = text_of("an event", "page /pricing", r"^\S(.{0,499}\S)?$")
_TRAITS = _free("traits with values", "{title: CTO, employees: 450}")
EVENT_WORDS = {
    "event": Field(
        _placed(EVENT),
        "`page /pricing` for a page view, `screen Home`, or the name of a track call, such as `Demo Requested`.",
        default="only the traits",
    ),
    "properties": Field(
        _free("properties with values", "{plan: pro}"), "Its properties; those of a page have `url` and `path` already."
    ),
    "traits": Field(_TRAITS, "Traits of the lead that it brings; null takes one back."),
    "context": Field(_free("a context", "{campaign: {source: google}}"), "Its context, for example a campaign."),
    "times": Field(
        scalar_of(f"a whole number from 1 to {MAX_TIMES}", "3", {"type": "integer", "minimum": 1}, _count),
        "How many such events there are at this time.",
        default="`1`",
    ),
    "id": Field(TEXT, "Its message id; a second event with the same id does not count.", example="m-1"),
    "arrives": Field(WHEN, "When it arrives, if that is later.", example="+2d", default="at once"),
}
_EVENT_STRUCT = struct_of(
    "an event", EVENT_WORDS, "{event: page /pricing}", {"name": "event", "type": "event", "trait": "traits"}
)
_EVENT = Kind(
    _event,
    {"anyOf": [EVENT.schema, _EVENT_STRUCT.schema]},
    "page /pricing",
    "an event, such as `page /pricing`, `Demo Requested` or `{event: …, properties: …}`",
)
_SENTENCE = _placed(TEXT)
_NAME = _placed(text_of("a name", "qualified", r"^\S(.{0,99}\S)?$"))
_ALERT = _placed(text_of("an alert", "entered qualified", r"^(?:(?:entered|left) )?[a-z0-9_-]{1,64}$"))
_ALERTS = list_of(_ALERT, or_one=True)
EXPECT_WORDS = {
    "score": Field(WANTED, "The published score.", default="any score"),
    "grade": Field(_NAME, "The grade.", example="A", default="any grade"),
    "stage": Field(
        _NAME, "The stage, the last one of several; `none` for no stage.", example="qualified", default="any stage"
    ),
    "alerts": Field(
        Kind(
            _alerts,
            {"anyOf": [{"const": "none"}, {**_ALERTS.schema["anyOf"][1], "minItems": 0}, _ALERT.schema]},
            "[entered qualified]",
            "`none`, or a list of alerts",
        ),
        "All alerts since the expectation above, in order: `qualified` or `entered qualified`, `left qualified`; "
        "`none` for no alert.",
        default="any alerts",
    ),
    "parts": Field(
        named(TEXT, WANTED),
        "Points of signals and fit lines, after caps; what is not in the score has 0 points.",
        example="{pricing_visit: 10}",
        default="any parts",
    ),
    "categories": Field(named(TEXT, WANTED), "Subscores of categories.", example="{intent: 50}", default="any"),
    "fit": Field(WANTED, "The score from traits.", example="35", default="any fit"),
    "engagement": Field(WANTED, "The score from behavior.", example="40", default="any engagement"),
    "scorecard": Field(_NAME, "The scorecard.", example="default", default="that of the case"),
}
_EXPECT = struct_of(
    "an expectation",
    EXPECT_WORDS,
    "{score: 75, stage: qualified}",
    {
        "points": "score",
        "total": "score",
        "alert": "alerts",
        "handoff": "alerts",
        "stages": "stage",
        "reasons": "parts",
        "signals": "parts",
    },
)
CASE_WORDS = {
    "name": Field(_SENTENCE, "What it shows, in a sentence.", required=True, example="A CTO who asks for a demo"),
    "scorecard": Field(_NAME, "The scorecard.", example="default", default="the first one of the file"),
    "traits": Field(_TRAITS, "Traits of the lead from the start."),
    "events": Field(
        _timed_list(_EVENT, "day 1 09:00: page /pricing"),
        "What the lead does. `+2d` is two days after the event above.",
        default="nothing happens",
    ),
    "expect": Field(
        _timed_list(_EXPECT, "day 1 09:10: {score: 75}"),
        "What must be true at these times. `+2d` is two days after the last event.",
        required=True,
        example="[{+1m: {score: 75}}]",
    ),
}
_CASE = struct_of(
    "a case", CASE_WORDS, "{name: …, expect: …}", {"expected": "expect", "then": "expect", "steps": "events"}
)
FILE_WORDS = {
    "leadglow": Field(replace(VERSION, about="`1`"), "The version of this format.", required=True),
    "start": Field(START, "The date of day 1; it begins at 00:00 UTC.", default="`2026-01-05`, a Monday"),
    "cases": Field(list_of(_CASE), "The cases.", required=True, example=f"[{_CASE.example}]"),
}
FILE = struct_of("a cases file", FILE_WORDS, "leadglow: 1", {"tests": "cases", "test": "cases"})
WORDS: Mapping[str, Mapping[str, Field]] = {
    "the file": FILE_WORDS,
    "a case": CASE_WORDS,
    "an event": EVENT_WORDS,
    "an expectation": EXPECT_WORDS,
}
"""Every mapping with fixed keys, and its keys."""


def cases_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a cases file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Leadglow cases", **FILE.schema}
