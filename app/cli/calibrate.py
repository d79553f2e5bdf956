"""``leadglow calibrate``: proposes points and bounds from the outcomes of leads. It applies nothing."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from app.backtest.outcomes import LOST, WON
from app.backtest.session import NoEvents, Order
from app.cli.backtest import (
    FROM_HELP,
    INPUT_HELP,
    LOST_HELP,
    OUTCOME_HELP,
    TO_HELP,
    explain_no_events,
    open_export,
    open_topic,
    parse_range,
    progress_bar,
)  # fmt: skip
from app.cli.chosen_scorecards import load_from_file
from app.cli.common import console, run
from app.cli.errors import CommandError
from app.cli.implementation import choose_implementation
from app.cli.scorecards_report import print_words
from app.cli.yaml_edit import replace_file
from app.scorecards.report import report_words
from app.settings_source import load_settings
from streams.clock import now_ms
from streams.exits import Exit
from streams.scorefile import load
from streams.scoring.rules import CardRule, Rules

if TYPE_CHECKING:
    from app.calibrate.session import Calibration
    from app.settings import Settings

_CARD_HELP = "The scorecard to calibrate, if the file has several."
_OUT_HELP = "Where to write the proposed file. By default: beside FILE, as NAME.proposed.yaml."


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(calibrate)


def calibrate(  # noqa: PLR0913, PLR0917 - each is an option
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The scorecard file to improve. It is not changed.")],
    card: Annotated[str | None, typer.Option("--scorecard", metavar="NAME", help=_CARD_HELP)] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help=FROM_HELP)] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help=TO_HELP)] = None,
    input_: Annotated[list[Path] | None, typer.Option("--input", metavar="EVENTS", help=INPUT_HELP)] = None,
    outcome: Annotated[list[str] | None, typer.Option("--outcome", metavar="EVENT", help=OUTCOME_HELP)] = None,
    lost: Annotated[list[str] | None, typer.Option("--lost", metavar="EVENT", help=LOST_HELP)] = None,
    capacity: Annotated[
        int | None,
        typer.Option(
            "--capacity", min=1, metavar="N", help="Leads that sales can take up a week; by default, as many as now."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help=_OUT_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Propose points and the bound of a stage from leads that were won or lost.

    Reads the events that Kafka still has, or an export. Shows for each signal and fit line how much more often leads
    with it were won, and points in proportion to that; then the bound at which as many leads enter the stage each week
    as sales can take up. Writes a proposed file and shows what it changes. Nothing is changed or sent: test the file
    with leadglow backtest, and publish it if it is better.
    """
    if find_spec("sklearn") is None:
        raise CommandError(Exit.REFUSED, "calibrate needs scikit-learn: pip install 'leadglow[calibrate]'.")
    settings = load_settings()
    given = load_from_file(settings, str(file))
    rules, chosen = given.rules, _choose_card(given.rules, card)
    order = Order(
        rules, None, choose_implementation(settings), *parse_range(from_, to), capacity,
        tuple(outcome or WON), tuple(lost or LOST),
    )  # fmt: skip
    found = run(_calibrate(settings, input_ or [], order, given.scorecards.text, chosen.name))
    proposed = out or file.with_suffix(".proposed.yaml")
    replace_file(proposed, found.text)
    _print(found, rules, (str(file), str(proposed)), as_json)


def _choose_card(rules: Rules, name: str | None) -> CardRule:
    """The scorecard with this name, or the only one.

    Raises:
        BadParameter: there is none, or several.
    """
    cards = [card for card in rules.cards if name in {None, card.name}]
    if len(cards) != 1:
        names = ", ".join(card.name for card in rules.cards)
        problem = f"there is no scorecard {name!r}" if name else "the file has several scorecards"
        msg = f"{problem}: name one of {names}."
        raise typer.BadParameter(msg, param_hint="--scorecard")
    return cards[0]


async def _calibrate(settings: Settings, files: list[Path], order: Order, text: str, card: str) -> Calibration:
    """Calibrate by an export, or by the events in Kafka.

    Raises:
        CommandError: they cannot be read, or do not suffice.
    """
    from app.calibrate.proposal import NothingProven
    from app.calibrate.regression import TooFewOutcomes
    from app.calibrate.session import calibrate as learn

    async with open_export(files, order.to_ms) if files else open_topic(settings) as source:
        with progress_bar(source.total) as progress:
            try:
                return await learn(source, order, text, card, 0 if files else now_ms(), progress)
            except NoEvents:
                raise CommandError(Exit.CHECK_FAILED, explain_no_events(source, order)) from None
            except (TooFewOutcomes, NothingProven) as refusal:
                names = f"won by {', '.join(order.won)}; lost by {', '.join(order.lost)}"
                remedy = f"nothing is proposed. Outcomes: {names}. Others: --outcome and --lost."
                raise CommandError(Exit.CHECK_FAILED, f"{refusal}; {remedy}") from None


def _print(found: Calibration, rules: Rules, files: tuple[str, str], as_json: bool) -> None:
    from app.calibrate.report import describe, summary_lines, table_rows

    result = describe(found, files)
    words = report_words(rules, Rules(load(found.text)))
    if as_json:
        typer.echo(json.dumps(result | {"change": words}, ensure_ascii=False))
        return
    out = console()
    for line in summary_lines(result):
        out.print(escape(line), soft_wrap=True)
    head, *rows = table_rows(result)
    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(escape, row))
    out.print()
    out.print(table)
    out.print()
    print_words(words, out)
    out.print(f"\nproposed file written to {escape(files[1])}; test it: leadglow backtest {escape(files[1])}")
