"""``leadglow scorecards test``: runs the cases of a scorecard file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.cli.errors import CommandError
from app.cli.file_commands import check_file
from app.scorecards.case_report import describe_results
from app.scorecards.cases import cases_file, read_cases
from app.scorecards.runner import run_cases
from app.settings_source import load_settings
from streams.exits import Exit
from streams.scorefile import read_file
from streams.scoring.rules import Rules


def register(scorecards: typer.Typer) -> None:
    """Add the commands."""
    scorecards.command("test")(run_tests)


def run_tests(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The scorecard file.")],
    cases: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The file with cases; by default NAME.tests.yaml beside the scorecard NAME.yaml."
        ),
    ] = None,
) -> None:
    """Test a scorecard file with cases: what leads do, and what their score must be then.

    Needs neither Kafka nor Redis. All cases run; where one fails, the differences and the parts of the score are
    shown. Exit status 1 if a case fails or a file has mistakes.
    """
    model = check_file(read_file, file).value
    path = cases or cases_file(file)
    if not path.exists():
        message = f"{path} does not exist: write cases in it, or name another file with --cases. See docs/cases.md."
        raise CommandError(Exit.CHECK_FAILED, message)
    reading = check_file(partial(read_cases, model=model), path)
    for line in reading.warnings:
        typer.echo(line, err=True)
    rules = Rules(model, load_settings().lateness_ms)
    results = list(run_cases(reading.value, rules))
    typer.echo(describe_results(str(path), results, rules))
    if not all(result.passed for result in results):
        raise typer.Exit(Exit.CHECK_FAILED)
