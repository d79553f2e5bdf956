"""The grammar of scorecard files, used by the loader and for the JSON Schema: one table for each mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streams.scorefile import kinds
from streams.scorefile.accounts import ACCOUNTS, ACCOUNTS_WORDS, STAGE_WORDS, TOP_WORDS
from streams.scorefile.conditions import DEFS, TRAITS, WHERE
from streams.scorefile.fit_lines import FIT_LINE, FIT_WORDS, JOINT_WORDS, PRODUCT_WORDS
from streams.scorefile.forgetting import FORGET, FORGET_WORDS
from streams.scorefile.grades import AXES_WORDS, GRADES
from streams.scorefile.remedies import (
    CARD_KEYS_ELSEWHERE,
    CATEGORY_KEYS_ELSEWHERE,
    FILE_KEYS_ELSEWHERE,
    KEEP_KEYS_ELSEWHERE,
    NEED_KEYS_ELSEWHERE,
    SIGNAL_KEYS_ELSEWHERE,
    STAGE_KEYS_ELSEWHERE,
    WORTH_KEYS_ELSEWHERE,
    range_remedy,
)
from streams.scorefile.sales import SALES, SALES_WORDS, TARGET
from streams.scorefile.timed import AT_LEAST, BLOCK_WORDS, BLOCKS, HALF_LIFE, STATES_WORDS, WINDOW
from streams.scoring.scorecard import Points
from streams.yamlfile.containers import list_of, named, struct_of
from streams.yamlfile.kinds import BOOLEAN, CAP, NAME, NUMBER, VERSION, Field, Kind, Struct, placed
from streams.yamlfile.tree import Node, Report


def _points(node: Node, report: Report) -> Points | None:
    if not isinstance(node.value, dict) or (len(node.value) == 1 and not any(each.raw for each in node.value.values())):
        points = NUMBER.read(node, report)
        return None if points is None else Points(points)
    struct: Struct | None = _CAPPED.read(node, report)
    if struct is None or struct.broken:
        return None
    return Points(struct.get("points"), struct.get("max", float("inf")), struct.get("absent", 0.0))


def _range(node: Node, report: Report) -> tuple[float, float] | None:
    if not isinstance(node.value, list):
        report.add(node, f"{node} is not a list of two numbers", range_remedy(node))
        return None
    if len(node.value) == 1 and isinstance(node.value[0].value, str):
        report.add(node.value[0], f"{node.value[0]} is not two numbers", range_remedy(node.value[0]))
        return None
    bounds = _NUMBERS.read(node, report)
    if bounds is None:
        return None
    if len(bounds) != 2 or bounds[0] >= bounds[1]:
        report.add(node, "a range is two numbers, the lower one first", range_remedy(node))
        return None
    return bounds[0], bounds[1]


def _label(example: str) -> Field:
    return Field(kinds.LABEL, "The name shown to people.", example=example, default="its name in the file")


_NUMBERS = list_of(NUMBER)
_RANGE = Kind(
    _range, {**_NUMBERS.schema, "minItems": 2, "maxItems": 2}, "[0, 100]", "a list of two numbers, the lower one first"
)
_SIGNALS = list_of(placed(kinds.REFERENCE))

_SIGNAL_WORDS = {
    "event": Field(
        list_of(kinds.EVENT, or_one=True),
        "The calls that it counts; the name of a track call is compared exactly.",
        required=True,
    ),
    "where": Field(
        WHERE,
        "Conditions on the event, all of which must hold. An event caused by a machine "
        "(properties.automated: true) matches a signal only if its conditions read properties.automated.",
        default="every such event counts",
    ),
    "half_life": Field(
        HALF_LIFE,
        "The time in which its amount halves; or `default` with other half-lives `while` other signals are present.",
        default="`never`",
    ),
    "window": Field(
        WINDOW,
        "In place of a half-life: each event counts 1 until exactly this long after its time, then nothing.",
        default="the amount fades by `half_life`",
    ),
    "at_least": Field(
        AT_LEAST,
        "The amount is 1 while at least so many events are within the window, else 0.",
        default="each event within the window counts 1",
    ),
    "limit": Field(
        kinds.LIMIT,
        "The maximum number of events counted in a UTC hour, day, week, month, quarter, year or ever; the earliest "
        "ones count.",
        default="no limit",
    ),
    "distinct": Field(
        kinds.DISTINCT,
        "The path of a value; each value counts once, at its earliest time.",
        example="properties.path",
        default="every event counts",
    ),
    "amount": Field(kinds.AMOUNT, "The path of a number to count instead of 1.", default="1 for each event"),
    "label": _label("Pricing page"),
    "show": Field(
        kinds.SHOW,
        "The path of what people see of its events, or a list of such; one that names no page, file, search, campaign, "
        "mail, form or amount is hidden from viewers, as traits are.",
        default="the subject, the asset, the search term, the form, the title or the path, whichever it has first",
    ),
}
_SIGNAL = struct_of("a signal", _SIGNAL_WORDS, "{event: page, half_life: 14d}", SIGNAL_KEYS_ELSEWHERE)
_CAP_WORDS = {
    "points": Field(NUMBER, "Points for each unit of the signal's amount.", required=True),
    "max": Field(CAP, "The maximum points, positive or negative, that the signal contributes.", default="no maximum"),
    "absent": Field(
        NUMBER,
        "The contribution while the amount is exactly 0; only for a signal with a window or the half-life `never`.",
        example="-15",
        default="0",
    ),
}
_CAPPED = struct_of("the worth of a signal", _CAP_WORDS, "{points: 3, max: 15}", WORTH_KEYS_ELSEWHERE)
_POINTS = Kind(_points, {"anyOf": [NUMBER.schema, _CAPPED.schema]}, "10", "a number, or `{points: …, max: …}`")
_CATEGORY_WORDS = {
    "signals": Field(
        _SIGNALS,
        "Its signals; a signal is in at most one category, and those in none form the category `other`.",
        required=True,
        example="[pricing_visit, demo_request]",
    ),
    "min": Field(NUMBER, "The minimum points of the category.", example="-40", default="no minimum"),
    "max": Field(NUMBER, "The maximum points of the category.", example="70", default="no maximum"),
    "label": _label("Buying intent"),
}
_CATEGORY = struct_of("a category", _CATEGORY_WORDS, "{signals: [pricing_visit], max: 70}", CATEGORY_KEYS_ELSEWHERE)
_NEED_WORDS = {
    "fit": Field(NUMBER, "The minimum fit to enter.", default="any fit"),
    "engagement": Field(NUMBER, "The minimum engagement to enter.", example="20", default="any engagement"),
    "signals": Field(_SIGNALS, "The amounts of these must be above 0 to enter.", example="[active]", default="none"),
}
_NEEDS = struct_of("the needs of a stage", _NEED_WORDS, "{fit: 10, engagement: 20}", NEED_KEYS_ELSEWHERE)
_KEEP_WORDS = {
    "fit": Field(NUMBER, "The fit below which a lead leaves.", default="any fit"),
    "engagement": Field(NUMBER, "The engagement below which a lead leaves.", example="5", default="any engagement"),
}
_KEEP = struct_of("what a stage keeps", _KEEP_WORDS, "{fit: 10, engagement: 5}", KEEP_KEYS_ELSEWHERE)
_STAGE_WORDS = {
    "name": Field(placed(NAME), "Its name, which no other stage of the scorecard has.", True, "qualified"),
    "enter": Field(NUMBER, "A lead enters when its exact score is at least this.", True, "70"),
    "leave": Field(NUMBER, "A lead leaves when its exact score is below this; it must be below `enter`.", True, "50"),
    "needs": Field(_NEEDS, "Further requirements to enter; they do not make a lead leave.", default="none"),
    "keep": Field(_KEEP, "Further requirements to stay, which a lead needs to enter, too.", default="none"),
    "blocked_by": Field(
        BLOCKS,
        "While one of these signals has an amount above 0, a lead cannot enter, and leaves if it is inside. With "
        "`until` or `for` every event blocks, counted or not, until an event of another signal or for a time.",
        example="[unsubscribe]",
        default="no signal",
    ),
    "cooldown": Field(
        kinds.COOLDOWN,
        "The time after a published entry in which no other entry is published.",
        default="every entry is published",
    ),
    "handoff": Field(BOOLEAN, "Whether entering and leaving are published on `handoff`.", default="`false`"),
    "label": _label("Ready for sales"),
}
_STAGE = struct_of("a stage", _STAGE_WORDS, "{name: qualified, enter: 70, leave: 50}", STAGE_KEYS_ELSEWHERE)
_CARD_NAME = replace(NAME, example="default")
_CARD_WORDS = {
    "label": _label("Whole company"),
    "applies_to": Field(
        TRAITS,
        "Conditions on traits, all of which must hold; for other leads the scorecard gives 0, no stage and no rank.",
        example="{country: {in: [ES, PT]}}",
        default="every lead",
    ),
    "shadow": Field(BOOLEAN, "Whether it is only tried: it scores leads and sends no alerts.", default="`false`"),
    "points": Field(named(kinds.REFERENCE, _POINTS), "The points of each signal.", default="no signal has points"),
    "categories": Field(
        named(kinds.CATEGORY_NAME, _CATEGORY),
        "Subscores with bounds of their own.",
        default="all signals form the category `other`",
    ),
    "fit": Field(list_of(FIT_LINE), "Points for traits.", example=f"[{FIT_LINE.example}]", default="the fit is 0"),
    "fit_max": Field(CAP, "The maximum points for traits.", example="40", default="no maximum"),
    "range": Field(_RANGE, "The lowest and the highest score.", example="[-50, 200]", default="`[0, 100]`"),
    "grades": Field(
        GRADES,
        "The minimum score of each grade, of which one begins at the lowest score; or grades of fit and engagement.",
        example="{A: 80, B: 60, C: 0}",
        default="no grades",
    ),
    "sales": Field(
        SALES,
        "While sales has rejected a lead, it is held out of the stages with `handoff`, until it is recycled.",
        default="a rejected lead may enter",
    ),
    "target": Field(
        TARGET,
        "How many leads sales wants that enter a stage with `handoff`, each counted once in a period; compared on the "
        "page Results.",
        default="none",
    ),
    "accounts": Field(
        ACCOUNTS,
        "Companies, with scores from the published scores of their leads, and stages of their own.",
        default="none",
    ),
    "stages": Field(list_of(_STAGE), "Stages, the first one first.", example=f"[{_STAGE.example}]", default="none"),
}
_SCORECARD = struct_of("a scorecard", _CARD_WORDS, "{points: {pricing_visit: 10}}", CARD_KEYS_ELSEWHERE)
_FILE_WORDS = {
    "leadglow": Field(replace(VERSION, about="`1`"), "The version of this format.", required=True),
    "signals": Field(named(NAME, _SIGNAL, 1), "Kinds of behavior, and how fast each fades.", required=True),
    "scorecards": Field(
        named(_CARD_NAME, _SCORECARD, 1),
        "Points for signals and traits; each scorecard gives every lead a score.",
        required=True,
    ),
    "forget_after": Field(
        FORGET,
        "How long nothing is heard of leads before they are forgotten: a later event starts a new lead.",
        default="400 days, and 60 days for visitors that never became known",
    ),
}
FILE = struct_of("a scorecard file", _FILE_WORDS, "leadglow: 1", FILE_KEYS_ELSEWHERE)
WORDS: Mapping[str, Mapping[str, Field]] = {
    "the file": _FILE_WORDS,
    "a signal": _SIGNAL_WORDS,
    "a scorecard": _CARD_WORDS,
    "forgetting": FORGET_WORDS,
    "points": _CAP_WORDS,
    "a category": _CATEGORY_WORDS,
    "grades": AXES_WORDS,
    "a fit line": FIT_WORDS,
    "a fit line over several traits": JOINT_WORDS,
    "a fit line that multiplies a trait": PRODUCT_WORDS,
    "a stage": _STAGE_WORDS,
    "needs": _NEED_WORDS,
    "a half-life by state": STATES_WORDS,
    "a block": BLOCK_WORDS,
    "keep": _KEEP_WORDS,
    "sales": SALES_WORDS,
    "accounts": ACCOUNTS_WORDS,
    "a roll-up": TOP_WORDS,
    "a stage of accounts": STAGE_WORDS,
}
"""Every mapping with fixed keys, and its keys."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a scorecard file, for editors. The loader finds more mistakes than the schema."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "Leadglow scorecard", **FILE.schema, "$defs": DEFS}
