"""``leadglow accounts``: the companies with the highest scores."""

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from app import lead_lookup
from app.account_views import View, account_row, rank
from app.cli.common import console, open_store, run
from app.cli.errors import CommandError
from app.cli.published import load_rules
from app.settings import Settings
from app.settings_source import load_settings
from streams.exits import Exit
from streams.scoring.account_rules import AccountRule
from streams.scoring.rules import Rules

NO_ACCOUNTS = (
    "no scorecard has accounts: add `accounts: {key: email domain}` to one, and publish it with "
    "`leadglow scorecards publish`"
)
Scorecard = Annotated[
    str | None, typer.Option("--scorecard", metavar="NAME", help="The scorecard; by default the first with accounts.")
]


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(accounts)


def accounts(
    scorecard: Scorecard = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="Number of accounts.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the accounts with the highest scores: companies, by the scores of their leads.

    `accounts` in a scorecard says what makes leads one account.
    """
    settings = load_settings()
    rows = run(_top(settings, scorecard, limit))
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    elif not rows:
        typer.echo("there are no accounts yet")
    else:
        console().print(_table(rows))


def find_rule(rules: Rules, scorecard: str | None) -> AccountRule:
    """The accounts of a scorecard; by default the first that has any.

    Raises:
        CommandError: it has none, or no scorecard has.
    """
    found = rules.accounts.get(scorecard) if scorecard else next(iter(rules.accounts.values()), None)
    if found is None and rules.accounts:
        names = ", ".join(rules.accounts)
        raise CommandError(Exit.USAGE, f"the scorecard {scorecard!r} has no accounts; these have: {names}")
    if found is None:
        raise CommandError(Exit.USAGE, NO_ACCOUNTS)
    return found


async def _top(settings: Settings, scorecard: str | None, limit: int) -> list[View]:
    async with open_store(settings) as store:
        rule = find_rule(await load_rules(settings), scorecard)
        found = await lead_lookup.load_top_accounts(store, settings.partitions, rule.ranking, limit)
    found.sort(key=lambda account: (-rank(account, rule), account.id))
    return [account_row(account, rule) for account in found]


def _table(rows: list[View]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    table.add_column("", justify="right", style="dim")
    table.add_column("account", overflow="fold")
    table.add_column("score", justify="right", style="bold")
    table.add_column("stage")
    table.add_column("leads", justify="right")
    table.add_column("first of them", overflow="fold")
    for place, row in enumerate(rows, 1):
        leads = ", ".join(f"{each['lead_id']} {each['score']}" for each in row["top_leads"])
        table.add_row(
            str(place), escape(row["account"]), str(row["score"]), escape(row["stage"] or ""), str(row["leads"]),
            escape(leads),
        )  # fmt: skip
    return table
