"""``leadglow account show``: shows one company and its leads."""

import json
from typing import Annotated

import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from app import lead_lookup
from app.account_views import View, account_view, describe_stage
from app.cli.accounts import Scorecard, find_rule
from app.cli.common import console, open_store, run
from app.cli.errors import CommandError
from app.cli.output import to_the_second
from app.cli.published import load_rules
from app.settings import Settings
from app.settings_source import load_settings
from streams.exits import Exit
from streams.scoring.account_rules import key_value_of

account = typer.Typer(no_args_is_help=True, help="One account.")


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.add_typer(account, name="account")


@account.command()
def show(
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="The value of the key, such as acme.example; an address also.")
    ],
    scorecard: Scorecard = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show an account with its leads, the highest score first.

    Exit status 3 if there is no such account.
    """
    settings = load_settings()
    view = run(_view(settings, key, scorecard))
    if as_json:
        typer.echo(json.dumps(view, ensure_ascii=False))
    else:
        console().print(render_account(view))


async def _view(settings: Settings, key: str, scorecard: str | None) -> View:
    async with open_store(settings) as store:
        rule = find_rule(await load_rules(settings), scorecard)
        value = key_value_of(rule, key)
        found = await lead_lookup.find_account(store, settings.partitions, rule.name, value) if value else None
    if found is None:
        raise CommandError(Exit.UNKNOWN_LEAD, f"there is no account {key!r} by the scorecard {rule.name!r}")
    return account_view(found, rule)


def render_account(view: View) -> Group:
    """The view as tables."""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="dim")
    head.add_column(overflow="fold")
    head.add_row("account", f"[bold]{escape(view['account'])}[/]")
    head.add_row(escape(view["scorecard"]), f"[bold]{view['score']}[/] points: {escape(view['explanation'])}")
    for stage in view["stages"]:
        since = f", since {to_the_second(stage['since'])}" if stage["since"] else ""
        says = describe_stage(stage, view["score"])
        mark = "●" if stage["inside"] else "○"
        why = f"in it{since}; {says}" if stage["inside"] else f"not in it: {says}"
        head.add_row("stage", f"{mark} {escape(stage['label'])} [dim]({why})[/]")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    table.add_column("lead", overflow="fold")
    table.add_column("score", justify="right", style="bold")
    for person in view["people"]:
        table.add_row(escape(person["lead_id"]), str(person["score"]))
    left_out = view["leads"] - len(view["people"])
    more = f"[dim]and {left_out} more[/]" if left_out else ""
    return Group(head, "", table, more)
