"""``leadglow scorecards diff``: what a change of the scorecards means, and what it does to the live leads."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app.cli.common import REDIS_S, console, open_store, run
from app.cli.file_commands import check_file
from app.cli.published import load_file_rules, load_published_rules
from app.cli.scorecards_report import print_report, print_words
from app.scorecards.change import measure_change
from app.scorecards.report import report_words
from app.settings import Settings
from app.settings_source import load_settings
from streams.scorefile import load_file
from streams.scoring.rules import Rules


def diff(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            show_default=False,
            help="The old and the new scorecard file. A single file is compared with the scorecards in use.",
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
    if len(files) > 2:
        msg = "there are more than two files"
        raise typer.BadParameter(msg, param_hint="FILE")
    *before, new = (Rules(check_file(load_file, file)) for file in files)
    old = before[0] if before else None
    if not leads and old is not None:
        report = report_words(old, new)
    else:
        report = run(_measure(load_settings(), old, new, leads))
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False))
    elif "scorecards" in report:
        print_report(report, console())
    else:
        print_words(report, console())


async def _load_used(settings: Settings) -> Rules:
    """The published scorecards; the file of the settings while nothing is published, which is said."""
    published = await load_published_rules(settings)
    if published is None:
        typer.echo(f"Nothing is published yet: compared with {settings.scorecards}.", err=True)
    return published or load_file_rules(settings)


async def _measure(settings: Settings, old: Rules | None, new: Rules, leads: bool) -> dict[str, Any]:
    """Compare with the scorecards in use, or with old ones, and measure the effect."""
    loop = asyncio.get_running_loop()
    async with open_store(settings, None) as store, asyncio.timeout(REDIS_S) as deadline:
        old = old or await _load_used(settings)
        if not leads:
            return report_words(old, new)
        with Console(stderr=True).status("reading the leads …") as status:

            def on_progress(done: int, total: int) -> None:
                deadline.reschedule(loop.time() + REDIS_S)
                status.update(f"reading the leads … {done:,} of {total:,}")

            return await measure_change(store, settings.partitions, old, new, on_progress)
