"""Writes the tables of the scorecard format: its words, operators, values and limits, as the code has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from docs.markdown import table
from streams.events.calls import (
    MAX_ELEMENT_BYTES,
    MAX_ELEMENTS,
    MAX_TRAIT_CHARS,
    MAX_TRAIT_DEPTH,
    MAX_TRAIT_NAME_CHARS,
)
from streams.scorefile import kinds
from streams.scorefile.conditions import GROUP_MEANINGS, OPERATORS
from streams.scorefile.grammar import WORDS
from streams.scoring.counting import DISTINCT_VALUES, HOUR_MS, LATEST
from streams.scoring.identity import ALWAYS_KEPT, MAX_TRAITS
from streams.scoring.lead import OLDER, RECENT
from streams.scoring.rules import LATENESS_MS, MAX_AMOUNT
from streams.yamlfile.compose import MAX_DEPTH, MAX_NODES
from streams.yamlfile.kinds import (
    BOOLEAN,
    MAX_DURATION_DAYS,
    MAX_NAME_CHARS,
    MAX_NUMBER,
    MAX_PATH_NAMES,
    NAME,
    PATH,
    TEXT,
    Field,
)
from streams.yamlfile.parser import MAX_CHARS

Sample = tuple[str, str, str]
"""A test as it is written in a file; a JSON value that meets it; one that does not."""
SAMPLES: Final[Mapping[str, Sample]] = {
    "equals": ("{equals: pro}", '"Pro"', '"pro plus"'),
    "not": ("{not: pro}", '"free"', '"PRO"'),
    "in": ("{in: [ES, PT]}", '"es"', '"FR"'),
    "contains": ("{contains: /pricing}", '"https://acme.example/Pricing?a=1"', '"https://acme.example/prices"'),
    "contains_any": ("{contains_any: [versus, alternative]}", '"Acme versus Zeta"', '"Acme"'),
    "word": ("{word: [cto, head of]}", '"CTO (interim)"', '"Director"'),
    "prefix": ("{prefix: /docs/}", '"/docs/start"', '"/en/docs/"'),
    "suffix": ("{suffix: '@acme.example'}", '"Ana@Acme.example"', '"ana@acme.example.org"'),
    "glob": ("{glob: '/blog/*/comments'}", '"/blog/7/comments"', '"/blog/7"'),
    "matches": (r"{matches: '(?i)\bvp\b'}", '"VP Sales"', '"vps"'),
    "gt": ("{gt: 100}", "101", "100"),
    "gte": ("{gte: 200}", '"200"', "199.5"),
    "lt": ("{lt: 10}", "9.9", "10"),
    "lte": ("{lte: 10}", "10", '"ten"'),
    "exists": ("{exists: true}", "0", "null"),
    "all": ("{all: [{gte: 10}, {lt: 20}]}", "15", "20"),
    "any": ("{any: [{gte: 200}, {in: [large, huge]}]}", '"large"', "50"),
    "none": ("{none: [{contains: test}, {contains: demo}]}", '"shop"', '"demo shop"'),
}
"""Operator -> an example of it."""


_SECTIONS: Final = {
    "conditions": "conditions",
    "operators": "operators",
    "a signal": "signals",
    "a scorecard": "scorecards",
    "a category": "scorecards",
    "a line of fit": "traits-and-fit",
    "a stage": "stages-and-alerts",
    "the needs of a stage": "stages-and-alerts",
    "the terms of sales": "scorecards",
    "when leads are forgotten": "idle-leads",
    "the accounts of a scorecard": "scorecards",
    "a stage of accounts": "scorecards",
    PATH.about: "values",
}
"""What a key may have -> the section of the page about it."""


def example_of(word: str, field: Field) -> str:
    """A key with a value, as in a file."""
    return f"{word}: {field.example or field.kind.example}"


def value_of(field: Field) -> str:
    """What a key may have, with a link to the section about it."""
    found = next(
        (about for about in _SECTIONS if re.search(rf"(^|, (each|each with|or) ){about}$", field.kind.about)), ""
    )
    return field.kind.about.removesuffix(found) + (f"[{found}](#{_SECTIONS[found]})" if found else "")


def words_table(fields: Mapping[str, Field]) -> str:
    """Every key of one mapping."""
    rows = [
        (
            f"`{word}`",
            field.about,
            value_of(field),
            "**required**" if field.required else field.default,
            f"`{example_of(word, field)}`",
        )
        for word, field in fields.items()
    ]
    return table(("Key", "Meaning", "Value", "Default", "Example"), rows)


def operators_table() -> str:
    """Every operator and group."""
    operands = {name: (field.about, field.kind.about) for name, field in OPERATORS.items()}
    groups = {name: (meaning, "a list of conditions") for name, meaning in GROUP_MEANINGS.items()}
    rows = [
        (f"`{name}`", meaning, operand, *(f"`{each}`" for each in SAMPLES[name]))
        for name, (meaning, operand) in (operands | groups).items()
    ]
    return table(("Operator", "Holds if", "Operand", "Example", "Holds for", "Fails for"), rows)


def values_table() -> str:
    """The types of values, each with its limits."""
    number = f"from {-MAX_NUMBER:,} to {MAX_NUMBER:,}, with or without decimals"
    path = f"{PATH.about}; at most {MAX_PATH_NAMES} names of at most {MAX_NAME_CHARS} characters"
    rows = [
        ("number", number, "`10`, `-2.5`"),
        ("name", NAME.about, "`pricing_visit`"),
        ("text", TEXT.about, "`/pricing`, `'#1 choice'`"),
        ("true or false", f"{BOOLEAN.about}, without quotes", "`true`"),
        ("duration", f"a number and a unit (below); above 0 and up to {MAX_DURATION_DAYS}d", "`90m`, `1.5d`"),
        ("limit", f"{kinds.LIMIT.about}, as NUMBER/PERIOD", "`5/day`, `1/month`, `1/ever`"),
        ("path", path, "`properties.url`"),
        ("event", kinds.EVENT.about + f" of 1 to {kinds.MAX_EVENT_CHARS} characters", "`page`, `Demo Requested`"),
        ("grade", kinds.GRADE.about, "`A`"),
        ("label", kinds.LABEL.about, "`Whole company`"),
    ]
    return table(("Type", "What may be written", "Examples"), rows)


def limits_table() -> str:
    """What a lead and a file hold at most."""
    rows: list[tuple[str, Any]] = [
        ("size of a file", f"{MAX_CHARS:,} characters, {MAX_NODES:,} values, {MAX_DEPTH} levels"),
        ("values of `distinct` that count, for each lead and signal", f"the earliest {DISTINCT_VALUES}"),
        ("events of a signal with a `window` that count, for each lead", f"the latest {LATEST}"),
        ("an `amount` in one event", f"from 0 to {MAX_AMOUNT:,.0f}; numbers outside count as the nearer bound"),
        (
            "lateness: time after the end of the period of a `limit` in which an event still counts",
            f"{LATENESS_MS // HOUR_MS} hours, by default (`LEADGLOW_LATENESS_HOURS`)",
        ),
        ("events of a lead among which a repetition is found by its `messageId`", f"the last {RECENT + OLDER}"),
        ("events of a lead that can be retracted", f"the last {RECENT} that counted"),
        ("name of a trait", f"{MAX_TRAIT_NAME_CHARS} characters, nested {MAX_TRAIT_DEPTH} levels deep"),
        ("text of a trait", f"{MAX_TRAIT_CHARS:,} characters; the rest is cut off"),
        ("list of a trait", f"{MAX_ELEMENTS} elements; texts in it are cut to {MAX_ELEMENT_BYTES:,} bytes"),
        (
            f"traits that no scorecard reads, beside {', '.join(f'`{name}`' for name in sorted(ALWAYS_KEPT))}",
            f"the first {MAX_TRAITS} by name",
        ),
    ]
    return table(("What", "At most"), rows)


def word_parts() -> dict[str, str]:
    """Name of a marker -> table."""
    return {
        **{f"words of {name}": words_table(fields) for name, fields in WORDS.items()},
        "operators": operators_table(),
        "values": values_table(),
        "limits": limits_table(),
    }
