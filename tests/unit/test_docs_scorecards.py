"""docs/scorecards.md has every word of the grammar, and its examples and limits are those of the reader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from docs.scorecard_words import SAMPLES, example_of
from docs.scorecards_page import blocks
from streams.scorefile import json_schema, kinds, load, parse
from streams.scorefile.conditions import GROUPS
from streams.scorefile.conditions import OPERATORS as WRITABLE
from streams.scorefile.grammar import WORDS
from streams.scoring.conditions import OPERATORS
from streams.scoring.rules import Rules
from streams.units import UNITS_MS
from streams.yamlfile import kinds as basic
from streams.yamlfile.kinds import Field, Kind, accepts
from streams.yamlfile.tree import Node

PAGE = (Path(__file__).parents[2] / "docs/scorecards.md").read_text()
SIGNAL = "{event: page}"
SIGNALS = (
    f"{{pricing_visit: {SIGNAL}, demo_request: {{event: Demo Requested}}, unsubscribe: {{event: Unsubscribed}}, "
    "subscribe: {event: Subscribed}, active: {event: page, window: 30d}, sales_contact: {event: Lead Contacted}}"
)
POINTS = "{pricing_visit: 10, demo_request: 40, unsubscribe: -20}"
FILE = {"leadglow": "1", "signals": SIGNALS, "scorecards": "{default: {points: {pricing_visit: 10}}}"}
CARD = {"points": POINTS, "fit": "[{trait: title, when: CTO, points: 20}]"}
CATEGORY = {"signals": "[pricing_visit]"}
FIT_LINE = {"trait": "title", "when": "CTO", "points": "10"}
JOINT = {"where": "{title: CTO, vip: true}", "points": "10"}
PRODUCT = {"trait": "rating", "times": "2", "min": "-10"}
AXES = {"fit": "{A: 10, B: 0}", "engagement": "{1: 20, 2: 0}"}
WINDOW = {"event": "page", "window": "7d"}
STATES = {"default": "7d", "while": "{sales_contact: 30d}"}
BLOCKS = {"signal": {"until": "subscribe"}, "until": {"signal": "unsubscribe"}, "for": {"signal": "unsubscribe"}}
STAGE = {"name": "hot", "enter": "60", "leave": "10", "handoff": "true"}

ACCOUNTS = {"key": "email domain"}
ACCOUNT_STAGE = {"name": "target", "enter": "100", "leave": "50"}


def mapping(base: Mapping[str, str], key: str = "", value: str = "") -> str:
    entries = {**base, key: value} if key else base
    return f"{{{', '.join(f'{name}: {text}' for name, text in entries.items())}}}"


def a_file(**entries: str) -> str:
    return "".join(f"{name}: {text}\n" for name, text in {**FILE, **entries}.items())


def a_card(key: str, value: str) -> str:
    return a_file(scorecards=f"{{default: {mapping(CARD, key, value)}}}")


def a_sales_card(word: str, value: str) -> str:
    """A card with a stage that these terms of sales, or the target, are about."""
    return a_file(scorecards=f"{{default: {mapping({**CARD, 'stages': f'[{mapping(STAGE)}]'}, word, value)}}}")


def a_stage(key: str, value: str) -> str:
    return a_card("stages", f"[{mapping(STAGE, key, value)}]")


FILES: dict[str, Callable[[str, str], str]] = {
    "the file": lambda word, value: a_file(**{word: value}),
    "a signal": lambda word, value: a_file(
        signals=SIGNALS.replace(SIGNAL, mapping(WINDOW if word == "at_least" else {"event": "page"}, word, value), 1)
    ),
    "a scorecard": lambda word, value: (a_sales_card if word in {"sales", "target"} else a_card)(word, value),
    "sales": lambda word, value: a_sales_card("sales", f"{{{word}: {value}}}"),
    "accounts": lambda word, value: a_card("accounts", mapping(ACCOUNTS, word, value)),
    "a roll-up": lambda word, value: a_card("accounts", mapping(ACCOUNTS, "roll_up", f"{{{word}: {value}}}")),
    "a stage of accounts": lambda word, value: a_card(
        "accounts", mapping(ACCOUNTS, "stages", f"[{mapping(ACCOUNT_STAGE, word, value)}]")
    ),
    "points": lambda word, value: a_card("points", f"{{pricing_visit: {mapping({'points': '3'}, word, value)}}}"),
    "a category": lambda word, value: a_card("categories", f"{{intent: {mapping(CATEGORY, word, value)}}}"),
    "a fit line": lambda word, value: a_card("fit", f"[{mapping(FIT_LINE, word, value)}]"),
    "a stage": a_stage,
    "needs": lambda word, value: a_stage("needs", f"{{{word}: {value}}}"),
    "a half-life by state": lambda word, value: a_file(
        signals=SIGNALS.replace(SIGNAL, mapping({"event": "page"}, "half_life", mapping(STATES, word, value)), 1)
    ),
    "a block": lambda word, value: a_stage("blocked_by", f"[{mapping(BLOCKS[word], word, value)}]"),
    "keep": lambda word, value: a_stage("keep", f"{{{word}: {value}}}"),
    "grades": lambda word, value: a_card("grades", mapping(AXES, word, value)),
    "a fit line over several traits": lambda word, value: a_card("fit", f"[{mapping(JOINT, word, value)}]"),
    "forgetting": lambda word, value: a_file(
        forget_after=mapping({"visitors": "60d"} if word == "leads" else {"leads": "400d"}, word, value)
    ),
    "a fit line that multiplies a trait": lambda word, value: a_card("fit", f"[{mapping(PRODUCT, word, value)}]"),
}
"""Table -> makes a file in which a word of it has a value."""


def structs(schema: Any) -> Iterator[frozenset[str]]:
    """The keys of every mapping with fixed keys in a JSON Schema."""
    if isinstance(schema, list):
        for each in schema:
            yield from structs(each)
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield frozenset(schema["properties"])
        for each in schema.values():
            yield from structs(each)


def wrapped(block: str) -> str:
    """A block of the page as a whole file."""
    file = block if block.startswith("leadglow") else f"leadglow: 1\n{block}"
    for name, text in (
        ("signals", SIGNALS),
        ("scorecards", "{default: {fit: [{trait: title, when: CTO, points: 5}]}}"),
    ):
        file += "" if re.search(rf"^{name}:", file, re.M) else f"{name}: {text}\n"
    return file


WORD_ROWS = [(table, word, field) for table, fields in WORDS.items() for word, field in fields.items()]


def test_the_tables_are_those_of_the_grammar() -> None:
    schema = json_schema()
    conditions = schema.pop("$defs")

    assert set(structs(schema)) == {frozenset(fields) for fields in WORDS.values()}
    assert set(conditions["operators"]["properties"]) == {*WRITABLE, *GROUPS} == {*OPERATORS, *GROUPS} == set(SAMPLES)


@pytest.mark.parametrize("table", WORDS)
def test_the_page_has_each_word(table: str) -> None:
    found = re.search(rf"<!-- words of {table}: made by make docs -->\n(.*?)<!-- end -->", PAGE, re.S)
    assert found
    assert set(re.findall(r"^\| `(\w+)` \|", found[1], re.M)) == set(WORDS[table])


@pytest.mark.parametrize(("table", "word", "field"), WORD_ROWS, ids=lambda each: each if isinstance(each, str) else "")
def test_the_example_of_a_word_is_read(table: str, word: str, field: Field) -> None:
    text = example_of(word, field).partition(": ")[2]
    reading = parse(FILES[table](word, text))

    assert reading.warnings == ()
    assert f"`{word}: {text}`" in PAGE
    assert field.required or field.default, "what holds without it?"


@pytest.mark.parametrize(("table", "word", "field"), [row for row in WORD_ROWS if row[2].default.startswith("`")])
def test_a_default_may_be_written(table: str, word: str, field: Field) -> None:
    written = load(FILES[table](word, field.default.strip("`")))
    base = FILES[table](word, "GONE").replace(f", {word}: GONE", "")

    assert written.version == load(base).version


@pytest.mark.parametrize("operator", SAMPLES)
def test_the_example_of_an_operator_holds_and_fails_as_the_page_says(operator: str) -> None:
    when, passing, failing = SAMPLES[operator]
    assert all(f"`{each}`" in PAGE for each in SAMPLES[operator])
    assert holds(when, json.loads(passing))
    assert not holds(when, json.loads(failing))


def holds(when: str, value: Any) -> bool:
    reading = parse(FILES["a fit line"]("when", when))
    (card,) = Rules(reading.value).cards
    return card.fit.of({"title": value}) > 0


@pytest.mark.parametrize(
    ("when", "values", "others"),
    [
        ("{not: pro}", [None, []], []),
        ("{none: [{contains: a}]}", [None], []),
        ("{exists: true}", ["", []], [None]),
        ("kafka", ["\uff2b\uff41\uff46\uff4b\uff41"], []),
        ("stra\u00dfe", ["STRASSE"], []),
        ("e", ["E"], ["\u00e9"]),
        ("\u00e9", ["e\u0301"], []),
        ("450", ["450", " 450 ", "450.0", 450.0], ["1,200"]),
        ("{gte: 200}", ["450"], ["1,200", "450 people"]),
        ("'450'", [450, 450.0], []),
        ("'450.0'", [], [450]),
        ("true", [True], ["true", 1]),
        ("{contains: kafka}", [["Redis", "Kafka"]], [{"kafka": 1}]),
        ("{gt: 1, lt: 5}", [[0, 9]], [9]),
        ("{word: head of}", ["Head-of Sales"], ["head"]),
        ("{matches: CTO}", ["the CTO"], ["cto"]),
    ],
)
def test_values_are_compared_as_the_page_says(when: str, values: list[Any], others: list[Any]) -> None:
    assert [value for value in values if not holds(when, value)] == []
    assert [value for value in others if holds(when, value)] == []


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.splitlines()[0])
def test_each_file_on_the_page_is_read_without_warnings(block: str) -> None:
    assert parse(wrapped(block)).warnings == ()


def test_the_units_of_durations_are_those_of_the_reader() -> None:
    (line,) = re.findall(r"^A duration is.*?weeks", PAGE, re.M | re.S)
    assert re.findall(r"`(\w)`", line) == list(UNITS_MS)


def test_the_complete_card_has_eight_signals_fit_stages_and_a_block() -> None:
    model = load(blocks("yaml")[-1])
    (card,) = model.scorecards

    assert len(model.signals) == 8
    assert card.fit
    assert [stage.blocked_by for stage in card.stages] == [(), ("unsubscribe",)]


@pytest.mark.parametrize(
    ("kind", "longest", "longer"),
    [
        (basic.NAME, "a" * basic.MAX_NAME_CHARS, "a" * (basic.MAX_NAME_CHARS + 1)),
        (basic.TEXT, "a" * basic.MAX_TEXT_CHARS, "a" * (basic.MAX_TEXT_CHARS + 1)),
        (kinds.LABEL, "a" * kinds.MAX_LABEL_CHARS, "a" * (kinds.MAX_LABEL_CHARS + 1)),
        (kinds.GRADE, "a" * kinds.MAX_GRADE_CHARS, "a" * (kinds.MAX_GRADE_CHARS + 1)),
        (kinds.EVENT, "a" * kinds.MAX_EVENT_CHARS, "a" * (kinds.MAX_EVENT_CHARS + 1)),
        (basic.PATH, ".".join("a" * basic.MAX_PATH_NAMES), ".".join("a" * (basic.MAX_PATH_NAMES + 1))),
        (basic.NUMBER, basic.MAX_NUMBER, basic.MAX_NUMBER + 1),
        (kinds.HALF_LIFE, f"{basic.MAX_DURATION_DAYS}d", f"{basic.MAX_DURATION_DAYS + 1}d"),
        (kinds.COOLDOWN, f"{basic.MAX_DURATION_DAYS}d", f"{basic.MAX_DURATION_DAYS + 1}d"),
        (kinds.LIMIT, f"{kinds.MAX_EVENTS}/day", f"{kinds.MAX_EVENTS + 1}/day"),
    ],
)
def test_a_limit_on_the_page_is_that_of_the_reader(kind: Kind, longest: Any, longer: Any) -> None:
    assert accepts(kind, Node(1, 1, longest, str(longest)))
    assert not accepts(kind, Node(1, 1, longer, str(longer)))
