"""``leadglow scorecards``: checks a scorecard file, and prints the JSON Schema for editors."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from app.cli import authoring, publish
from app.cli.file_commands import check_file
from app.cli.scorecards_diff import diff
from app.scorecards.cases_grammar import cases_schema
from app.scorecards.text import describe_condition
from streams.counts import count_of
from streams.scorefile import json_schema, read_file
from streams.scoring.scorecard import Model, Scorecard
from streams.yamlfile.load import Reading

scorecards = typer.Typer(no_args_is_help=True, help="Scorecard files.")


def register(root: typer.Typer) -> None:
    """Add the commands."""
    scorecards.command("diff")(diff)
    authoring.register(scorecards)
    publish.register(scorecards)
    root.add_typer(scorecards, name="scorecards")


@scorecards.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="The scorecard file.")]) -> None:
    """Check a scorecard file.

    Prints all mistakes with line, column and remedy. Exit status 1 if there are any. Prints warnings, too, of what is
    allowed but surprising, such as a condition that can never hold; they do not change the exit status.
    """
    reading = check_file(read_file, file)
    _show_warnings(reading.warnings)
    typer.echo(_summary(file, reading))


@scorecards.command()
def schema(
    cases: Annotated[bool, typer.Option("--cases", help="The schema of a file with cases, for `test`.")] = False,
) -> None:
    """Print the JSON Schema for editors.

    Save it and begin the file with: # yaml-language-server: $schema=scorecard.schema.json
    """
    typer.echo(json.dumps(cases_schema() if cases else json_schema(), indent=2))


def _show_warnings(warnings: Iterable[str]) -> None:
    for line in warnings:
        typer.echo(line, err=True)


def _summary(file: Path, reading: Reading[Model]) -> str:
    model, count = reading.value, len(reading.warnings)
    lines = [
        f"{file}: no mistakes" + (f", {count_of(count, 'warning')}" if count else ""),
        f"version     {model.version}",
        f"signals     {len(model.signals)}: {', '.join(signal.name for signal in model.signals)}",
    ]
    return "\n".join(lines + [_line(card) for card in model.scorecards])


def _line(card: Scorecard) -> str:
    stages = ", ".join(
        f"{s.name} at {s.enter:g} (left below {s.leave:g}{', handed off' if s.handoff else ''})" for s in card.stages
    )
    label = f" ({card.label})" if card.label else ""
    label += ", shadow" if card.shadow else ""
    if applies := describe_condition(card.applies_to):
        label += f", if {applies}"
    size = f"{len(card.points)} signals, {len(card.fit)} fit lines"
    return f"scorecard   {card.name}{label}: {size}; stages: {stages or 'none'}"
