"""``leadglow leads``: the ranking, and an export of all leads."""

import asyncio
import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from app import lead_lookup
from app.cli.audit import note_shown, noted, require_audit_log
from app.cli.common import REDIS_S, At, console, open_store, parse_at, run
from app.cli.errors import CommandError
from app.cli.freshness import find_warning
from app.cli.published import load_rules
from app.lead_views import View, lead_view, points_of, rank, row_view
from app.settings import Settings
from app.settings_source import load_settings
from streams.clock import now_ms
from streams.exits import Exit
from streams.scoring.rules import CardRule, Rules

leads = typer.Typer(no_args_is_help=True, help="All leads.")
MAX_REASONS = 3


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(leads, name="leads")


@leads.command()
def top(
    scorecard: Annotated[
        str | None, typer.Option(metavar="NAME", help="The scorecard; by default the first in the file.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="Number of leads.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the leads with the highest scores and the reasons.

    Scores are those of this moment, the highest first.
    """
    settings = load_settings()
    require_audit_log(settings)
    rows = run(_top(settings, scorecard, limit), "reading the leads")
    note_shown(settings, "list", leads=len(rows))
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    elif not rows:
        typer.echo("there are no leads yet")
    else:
        console().print(_table(rows))


@leads.command()
def export(at: At = None) -> None:
    """Print every lead as a line of JSON.

    Each line has the form of `lead show --json`. A warning on stderr says if events wait that are not scored yet, as
    during a rebuild.
    """
    at_ms = parse_at(at)
    settings = load_settings()
    with noted(settings, "export"):
        run(_export(settings, at_ms))


def find_card(rules: Rules, name: str | None) -> CardRule:
    """A scorecard by name; by default the first one.

    Raises:
        CommandError: there is none with this name.
    """
    for card in rules.cards:
        if name in (None, card.name):
            return card
    names = ", ".join(card.name for card in rules.cards)
    raise CommandError(Exit.USAGE, f"there is no scorecard {name!r}; there are: {names}")


async def _top(settings: Settings, scorecard: str | None, limit: int) -> list[View]:
    async with open_store(settings) as store:
        rules = await load_rules(settings)
        card = find_card(rules, scorecard)
        found = await lead_lookup.load_top(store, settings.partitions, card.name, limit)
    now = now_ms()
    found.sort(key=lambda row: (-rank(row[1], card, now), row[0]))
    return [row_view(lead_id, lead, card, rules, now) for lead_id, lead in found]


async def _export(settings: Settings, at_ms: int) -> None:
    """Stream all leads; the deadline applies to each response of Redis, not to the whole export."""
    loop = asyncio.get_running_loop()
    async with open_store(settings, None) as store, asyncio.timeout(REDIS_S) as deadline:
        rules = await load_rules(settings)
        deadline.reschedule(loop.time() + REDIS_S)
        if warning := await find_warning(settings, store):
            typer.echo(f"leadglow: {warning}", err=True)
        deadline.reschedule(loop.time() + REDIS_S)
        async for lead_id, lead in lead_lookup.scan_leads(store, settings.partitions):
            typer.echo(json.dumps(lead_view(lead_id, lead, rules, at_ms), ensure_ascii=False))
            deadline.reschedule(loop.time() + REDIS_S)


def _table(rows: list[View]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    table.add_column("", justify="right", style="dim")
    table.add_column("lead", overflow="fold")
    table.add_column("score", justify="right", style="bold")
    table.add_column("grade")
    table.add_column("stage")
    table.add_column("why", overflow="fold")
    for place, row in enumerate(rows, 1):
        table.add_row(
            str(place), escape(row["lead_id"]), str(row["score"]), row["grade"], escape(row["stage"] or ""),
            escape(_top_reasons(row)),
        )  # fmt: skip
    return table


def _top_reasons(row: View) -> str:
    """The signals and fit lines with the most points after caps."""
    reasons = [part for part in row["parts"] if part["kind"] in {"signal", "fit"}]
    parts = sorted(reasons, key=lambda part: -abs(points_of(part)))[:MAX_REASONS]
    return ", ".join(f"{part.get('label', part['name'])} {points_of(part):+.1f}" for part in parts)
