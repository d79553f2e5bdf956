"""Each template of a scorecard file is one to begin with: without warnings, labelled, tested, and with its source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.root import build
from app.scorecards.cases import parse_cases
from app.scorecards.runner import run_cases
from app.scorecards.templates import NAMES, read_template
from streams.exits import Exit
from streams.scorefile import parse
from streams.scoring.rules import Rules


def new(*args: str) -> Result:
    return CliRunner().invoke(build(), ["scorecards", "new", *args])


@pytest.mark.parametrize("name", NAMES)
def test_a_template_has_no_warnings_and_passes_its_cases(name: str) -> None:
    scorecard, text = read_template(name)
    reading = parse(scorecard)
    cases = parse_cases(text, reading.value)
    results = list(run_cases(cases.value, Rules(reading.value)))

    assert reading.warnings == cases.warnings == ()
    assert [result.case.name for result in results if not result.passed] == []
    assert len(results) >= 5


@pytest.mark.parametrize("name", NAMES)
def test_a_template_names_its_source_and_has_labels_that_people_read(name: str) -> None:
    scorecard, _ = read_template(name)
    head = scorecard.partition("\nleadglow: 1\n")[0]

    assert re.search(r"^# (Source|Fuentes):", head, re.M)
    assert re.search(r"https://\S+", head)
    assert all(card.label for card in parse(scorecard).value.scorecards)


def test_new_prints_a_template() -> None:
    assert new("--template", "services-es").stdout == read_template("services-es")[0]
    assert new().stdout == read_template("general")[0]


def test_new_writes_a_scorecard_that_passes_its_cases_and_replaces_no_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    made = new("--template", "saas-trial", "--output", str(file))
    tested = CliRunner().invoke(build(), ["scorecards", "test", str(file)])
    again = new("--output", str(file))

    assert (made.exit_code, tested.exit_code, again.exit_code) == (0, 0, Exit.REFUSED)
    assert file.read_text() == read_template("saas-trial")[0]
    assert (tmp_path / "mine.tests.yaml").read_text() == read_template("saas-trial")[1]


def test_an_unknown_template_is_refused_with_the_names_of_all() -> None:
    refused = new("--template", "enterprise")
    assert refused.exit_code == Exit.USAGE
    assert all(name in refused.stderr for name in NAMES)
