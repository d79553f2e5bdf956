"""Writes the tables of docs/cases.md, and the output of its example."""

from __future__ import annotations

import re
from pathlib import Path

from app.scorecards.case_report import describe_results
from app.scorecards.cases import parse_cases
from app.scorecards.cases_grammar import WORDS
from app.scorecards.runner import run_cases
from docs.markdown import fill, table
from streams.scorefile import load
from streams.scoring.rules import Rules
from streams.yamlfile.kinds import Field

PAGE = Path(__file__).parent / "cases.md"


def blocks() -> list[str]:
    """The YAML blocks of the page: a scorecard, cases that pass, a case that fails."""
    return re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)


def run_block(text: str, name: str = "scorecards.tests.yaml") -> str:
    """What the command prints about cases of the scorecard on the page."""
    rules = Rules(load(blocks()[0]))
    cases = parse_cases(text, rules.model).value
    return describe_results(name, list(run_cases(cases, rules)), rules)


def _row(word: str, field: Field) -> tuple[str, ...]:
    example = f"`{word}: {field.example or field.kind.example}`"
    return f"`{word}`", field.about, "**required**" if field.required else field.default, example


def cases_page() -> str:
    """The page with its generated parts made anew."""
    heads = ("Key", "Meaning", "Default", "Example")
    tables = {
        f"words of {name}": table(heads, [_row(*entry) for entry in fields.items()]) for name, fields in WORDS.items()
    }
    return fill(PAGE, {**tables, "the failed case": f"```text\n{run_block(blocks()[2])}\n```\n"})
