"""Cases test a scorecard file: they are read with every mistake at its place, played in memory, and compared."""

from __future__ import annotations

import json
import random
import re
from contextlib import suppress
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from app.cli.root import build
from app.scorecards.cases import parse_cases, read_cases
from app.scorecards.cases_grammar import cases_schema
from app.scorecards.runner import Result, run_cases
from docs.cases_page import blocks, run_block
from streams.exits import Exit
from streams.scorefile import YamlFileError, load, load_file
from streams.scoring.rules import Rules
from streams.yamlfile.parser import parse
from streams.yamlfile.tree import Node, Report
from tests.unit.test_scorefile_messages import split_broken

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests/data/cases"
CARD, PASSING, FAILING = blocks()
MODEL = load(CARD)
RULES = Rules(MODEL)
BROKEN = list(split_broken((DATA / "broken.txt").read_text()))


def play(case: str) -> Result:
    """The result of one case; ``case`` is what follows its name."""
    text = f"leadglow: 1\ncases:\n  - name: It\n{case}"
    reading = parse_cases(text, MODEL)
    (result,) = run_cases(reading.value, RULES)
    return result


def expectations(result: Result) -> list[list[str]]:
    """The failed checks of each expectation."""
    return [
        [f"{check.name}: {check.expected}, is {check.actual}" for check in finding.checks if not check.holds]
        for finding in result.findings
    ]


def plain(node: Node) -> object:
    if isinstance(node.value, dict):
        return {str(key.value): plain(inner) for key, inner in node.value.items()}
    return [plain(item) for item in node.value] if isinstance(node.value, list) else node.value


# Reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "expected"), BROKEN, ids=[str(number) for number, _ in enumerate(BROKEN, 1)])
def test_each_mistake_is_reported_at_its_place_with_a_remedy(text: str, expected: list[str]) -> None:
    with pytest.raises(YamlFileError) as caught:
        parse_cases(text, MODEL, "it")
    lines = [*str(caught.value).splitlines(), *caught.value.warnings]
    assert [line.removeprefix("it:") for line in lines] == expected


def test_damaged_files_are_refused_or_run_but_never_crash() -> None:
    pick = random.Random(7)
    pieces = [
        "[",
        "]",
        "{",
        "}",
        ": ",
        "- ",
        "none",
        "null",
        "-5",
        "'",
        "\n",
        "  ",
        "#",
        "day 9999 23:59",
        "+99999w",
        "&a",
    ]
    for _ in range(50):
        text = PASSING
        for _ in range(pick.randrange(1, 6)):
            at = pick.randrange(len(text))
            text = text[:at] + pick.choice(pieces) + text[at + pick.randrange(12) :]
        with suppress(YamlFileError):
            run_block(text)


@pytest.mark.parametrize("text", [PASSING, FAILING])
def test_the_schema_for_editors_accepts_what_is_read(text: str) -> None:
    root = parse(text, Report())
    assert root is not None
    jsonschema.validate(plain(root), cases_schema())


@pytest.mark.parametrize("number", [1, 3, 4, 5, 6, 7])
def test_the_schema_refuses_what_is_refused(number: int) -> None:
    root = parse(BROKEN[number - 1][0], Report())
    assert root is not None
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain(root), cases_schema())


# Playing -------------------------------------------------------------------------------------------------------


def test_the_cases_on_the_page_pass() -> None:
    results = list(run_cases(parse_cases(PASSING, MODEL).value, RULES))

    assert [expectations(result) for result in results] == [[[], [], [], []], [[], []], [[], []]]
    assert "1 failed" in run_block(FAILING)


def test_the_cases_of_the_example_pass() -> None:
    model = load_file(ROOT / "scorecards.yaml")
    cases = read_cases(ROOT / "scorecards.tests.yaml", model)

    assert cases.warnings == ()
    assert all(result.passed for result in run_cases(cases.value, Rules(model)))


def test_an_event_counts_from_its_own_time_when_it_arrives_later() -> None:
    result = play("""
    events:
      - day 1 09:00: {event: Demo Requested, arrives: +2d}
    expect:
      - day 1 12:00: {score: 0}
      - day 3 09:00: {score: 39, parts: {demo_request: 39.09}}
""")
    assert expectations(result) == [[], []]


def test_the_same_message_id_counts_once_and_other_events_count_each() -> None:
    result = play("""
    events:
      - day 1 09:00: {event: Demo Requested, id: m-1}
      - day 9 09:00: {event: Demo Requested, id: m-1}
      - day 16 09:00: {event: Demo Requested, times: 2}
    expect:
      - day 9 09:00: {score: 36}
      - day 16 09:00: {score: at least 73}
""")
    assert expectations(result) == [[], []]


def test_traits_come_at_the_start_with_events_or_alone_and_can_be_taken_back() -> None:
    result = play("""
    traits: {title: CEO}
    events:
      - day 1 09:00: page /pricing
      - day 2 09:00: {traits: {title: null}}
      - day 3 09:00: {event: page /, traits: {title: CTO}}
    expect:
      - day 1 09:00: {fit: 20}
      - day 2 09:00: {fit: 0, parts: {title: 0}}
      - day 3 09:00: {fit: 20}
""")
    assert expectations(result) == [[], [], []]


def test_a_lead_that_has_not_come_yet_has_nothing() -> None:
    result = play("""
    events:
      - day 2 09:00: Demo Requested
    expect:
      - day 1 09:00: {score: 0, grade: C, stage: none, alerts: none, parts: {demo_request: 0}}
""")
    assert expectations(result) == [[]]


def test_alerts_are_those_since_the_expectation_above_in_any_order_of_the_file() -> None:
    result = play("""
    traits: {title: CTO}
    events:
      - day 1 09:00: Demo Requested
      - day 2 09:00: Unsubscribed
    expect:
      - day 3 09:00: {alerts: none}
      - day 2 10:00: {alerts: [left qualified]}
      - day 1 10:00: {alerts: entered qualified}
""")
    assert [finding.expectation.when for finding in result.findings] == ["day 1 10:00", "day 2 10:00", "day 3 09:00"]
    assert expectations(result) == [[], [], []]


def test_two_grades_and_the_names_of_fit_lines_are_known() -> None:
    model = load(
        CARD.replace(
            "grades: {A: 60, B: 30, C: 0}", "grades: {fit: {A: 10, B: -99}, engagement: {1: 30, 2: -99}}"
        ).replace("points: 20}", "points: 20, name: chief}")
    )
    text = (
        PASSING.partition("\n  - name")[0]
        + """
  - name: It
    traits: {title: CTO}
    events:
      - day 1 09:00: Demo Requested
    expect:
      - +0s: {grade: A1, parts: {chief: 20}}
"""
    )
    (result,) = run_cases(parse_cases(text, model).value, Rules(model))
    with pytest.raises(YamlFileError, match=r"no grade `A`; write `A2`"):
        parse_cases(text.replace("A1", "A"), model)

    assert expectations(result) == [[]]


def test_a_failed_case_names_each_difference() -> None:
    result = play("""
    events:
      - day 1 09:00: Demo Requested
    expect:
      - +0s: {score: 41, grade: A, stage: qualified, alerts: qualified, fit: above 0, parts: {title: 20}}
""")
    assert expectations(result) == [[
        "score: 41, is 40", "fit: above 0, is 0", "grade: A, is B", "stage: qualified, is none",
        "alerts: entered qualified, is none", "title: 20, is 0",
    ]]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "holds", "fails"),
    [
        ("70", [70.0, 70.4, 69.6], [70.6, 69.4]),
        ("39.1", [39.08, 39.14], [39.2, 39.0]),
        ("at least 70", [70.0, 99.0], [69.9]),
        ("above 70", [70.1], [70.0]),
        ("at most -5", [-5.0, -6.0], [-4.9]),
        ("below 5", [4.9], [5.0]),
        ("1 to 2.5", [1.0, 2.5], [0.9, 2.6]),
    ],
)
def test_an_expected_number_holds_as_the_page_says(wanted: str, holds: list[float], fails: list[float]) -> None:
    text = f"leadglow: 1\ncases: [{{name: It, expect: [{{day 1: {{score: {wanted}}}}}]}}]"
    (case,) = parse_cases(text, MODEL).value
    found = case.expect[0].numbers["score"]
    assert [value for value in holds if not found.holds(value)] == []
    assert [value for value in fails if found.holds(value)] == []


# The command ---------------------------------------------------------------------------------------------------


def test_the_command_runs_the_cases_beside_the_file(tmp_path: Path) -> None:
    card, cases, other = tmp_path / "card.yaml", tmp_path / "card.tests.yaml", tmp_path / "other.yaml"
    card.write_text(CARD)
    missing = CliRunner().invoke(build(), ["scorecards", "test", str(card)])
    cases.write_text(PASSING)
    passed = CliRunner().invoke(build(), ["scorecards", "test", str(card)])
    other.write_text(FAILING)
    failed = CliRunner().invoke(build(), ["scorecards", "test", str(card), "--cases", str(other)])
    cases.write_text(BROKEN[1][0])
    broken = CliRunner().invoke(build(), ["scorecards", "test", str(card)])

    swapped = CliRunner().invoke(build(), ["scorecards", "test", str(cases)])

    assert (swapped.exit_code, "name the scorecard file" in swapped.stderr) == (Exit.USAGE, True)
    assert (missing.exit_code, "docs/cases.md" in missing.stderr) == (Exit.CHECK_FAILED, True)
    assert (passed.exit_code, passed.stdout.splitlines()[-1]) == (0, "3 cases: 3 passed")
    assert failed.exit_code == broken.exit_code == Exit.CHECK_FAILED
    assert re.search(r"! title +0 +expected 20", failed.stdout)
    assert "warning: no signal counts the event `Demo requested`" in broken.stderr


def test_the_command_prints_the_schema_of_cases() -> None:
    shown = CliRunner().invoke(build(), ["scorecards", "schema", "--cases"])
    assert json.loads(shown.stdout) == cases_schema()
