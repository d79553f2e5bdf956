"""``leadglow scorecards new`` and ``test``: begin a scorecard file from a template, and run its cases."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.cli.chosen_scorecards import EITHER, Chosen, load_chosen
from app.cli.common import run
from app.cli.errors import CommandError
from app.cli.file_commands import check_file
from app.cli.yaml_edit import replace_file
from app.scorecards import templates
from app.scorecards.case_report import describe_results
from app.scorecards.cases import CASES_ENDING, cases_file, read_cases
from app.scorecards.runner import run_cases
from app.settings_source import load_settings
from streams.exits import Exit


def register(scorecards: typer.Typer) -> None:
    """Add the commands."""
    scorecards.command("new")(new)
    scorecards.command("test")(run_tests)


def run_tests(
    name: Annotated[str, typer.Argument(metavar="FILE", help=f"What to test: {EITHER}.")],
    cases: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The file with cases; by default NAME.tests.yaml beside the scorecard NAME.yaml."
        ),
    ] = None,
) -> None:
    """Test a scorecard file with cases: what leads do, and what their score must be then.

    Needs neither Kafka nor Redis, unless it is given a published version. All cases run; where one fails, the
    differences and the parts of the score are shown. Exit status 1 if a case fails or a file has mistakes.
    """
    if name.endswith(CASES_ENDING):
        raise CommandError(Exit.USAGE, f"{name} has cases: name the scorecard file that they test.")
    (chosen,) = run(load_chosen(load_settings(), [name]))
    path = cases or _cases_beside(chosen)
    reading = check_file(partial(read_cases, model=chosen.rules.model), path)
    for line in reading.warnings:
        typer.echo(line, err=True)
    results = list(run_cases(reading.value, chosen.rules))
    typer.echo(describe_results(str(path), results, chosen.rules))
    if not all(result.passed for result in results):
        raise typer.Exit(Exit.CHECK_FAILED)


def _cases_beside(chosen: Chosen) -> Path:
    """The file with the cases of a scorecard file.

    Raises:
        CommandError: there is none.
    """
    if chosen.file is None:
        message = f"{chosen.name} has no file with cases beside it: name one with --cases."
        raise CommandError(Exit.USAGE, message)
    path = cases_file(chosen.file)
    if not path.exists():
        message = f"{path} does not exist: write cases in it, or name another file with --cases. See docs/cases.md."
        raise CommandError(Exit.CHECK_FAILED, message)
    return path


def _known_template(name: str) -> str:
    if name not in templates.NAMES:
        msg = f"there is no template {name!r}; there are: {', '.join(templates.NAMES)}"
        raise typer.BadParameter(msg)
    return name


def new(
    template: Annotated[
        str,
        typer.Option(metavar="NAME", callback=_known_template, help=f"One of {', '.join(templates.NAMES)}."),
    ] = templates.NAMES[0],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the scorecard to this file, and its cases beside it."),
    ] = None,
) -> None:
    """Begin a new scorecard file from a template, with cases that test it.

    Each template is a published practice and names its source. Without --output, the scorecard is printed.
    """
    scorecard, cases = templates.read_template(template)
    if output is None:
        typer.echo(scorecard, nl=False)
        return
    beside = cases_file(output)
    for path in (output, beside):
        if path.exists():
            raise CommandError(Exit.REFUSED, f"{path} exists already: choose another name.")
    replace_file(output, scorecard)
    replace_file(beside, cases)
    typer.echo(f"{output} and {beside} made: edit them, then run leadglow scorecards test {output}")
