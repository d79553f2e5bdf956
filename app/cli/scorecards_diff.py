"""``leadglow scorecards diff``: what a change of the scorecards means, and what it does to the live leads."""

import asyncio
import json
from typing import Annotated, Any

import typer

from app.cli.chosen_scorecards import EITHER, load_chosen
from app.cli.common import REDIS_S, busy, console, open_store, run
from app.cli.published import load_rules
from app.cli.scorecards_report import print_report, print_words
from app.scorecards.change import measure_change
from app.scorecards.report import report_words
from app.settings import Settings
from app.settings_source import load_settings
from streams.scoring.rules import Rules


def diff(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            show_default=False,
            help=f"What to compare; each is {EITHER}. A single one is compared with the scorecards in use.",
        ),
    ],
    leads: Annotated[
        bool,
        typer.Option("--leads/--no-leads", help="Measure the effect on the live leads; this reads them from Redis."),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a changed scorecard file means, and what it would do.

    First in words: signals, points, fit lines and stages that differ. Then its effect on the live leads at this moment:
    who enters and leaves which stage, the distribution of scores, the leads that move most and why, and the alerts
    that would be sent. Nothing is changed or sent, and no event is scored again.
    """
    if len(names) > 2:
        msg = "there are more than two"
        raise typer.BadParameter(msg, param_hint="FILE")
    report = run(_compare(load_settings(), names, leads))
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False))
    elif "scorecards" in report:
        print_report(report, console())
    else:
        print_words(report, console())


async def _compare(settings: Settings, names: list[str], leads: bool) -> dict[str, Any]:
    """Compare two scorecards, or one with those in use."""
    *before, new = [each.rules for each in await load_chosen(settings, names)]
    old = before[0] if before else await load_rules(settings, lambda: _say_unpublished(settings))
    return await _measure(settings, old, new) if leads else report_words(old, new)


def _say_unpublished(settings: Settings) -> None:
    typer.echo(f"Nothing is published yet: compared with {settings.scorecards}.", err=True)


async def _measure(settings: Settings, old: Rules, new: Rules) -> dict[str, Any]:
    """Measure the effect on the live leads."""
    loop = asyncio.get_running_loop()
    async with open_store(settings, None) as store, asyncio.timeout(REDIS_S) as deadline:
        with busy("reading the leads") as status:

            def on_progress(done: int, total: int) -> None:
                deadline.reschedule(loop.time() + REDIS_S)
                status.update(f"reading the leads … {done:,} of {total:,}")

            return await measure_change(store, settings.partitions, old, new, on_progress)
