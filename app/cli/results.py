"""``leadglow results``: what became of the leads that were handed over to sales."""

import json
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from app.board.bounded_store import BoundedStore
from app.board.costs import COSTS_FORMAT, Cost
from app.board.formatting import NONE, money, number, percent, span
from app.board.parameters import DEFAULT_DAYS
from app.board.results_desk import MAX_DAYS, Results
from app.cli.common import console, open_store, run
from app.cli.errors import CommandError
from app.cli.leads import find_card
from app.cli.published import load_rules
from app.http.refusals import Refusal
from app.settings import Settings
from app.settings_source import load_settings
from streams.counts import count_of
from streams.exits import Exit
from streams.yamlfile.load import YamlFileError

View = dict[str, Any]


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(results)


def results(
    scorecard: Annotated[
        str | None, typer.Option(metavar="NAME", help="The scorecard; by default the first in the file.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, metavar="N", help="Number of days back.")] = DEFAULT_DAYS,
    touch: Annotated[
        Literal["first", "last"], typer.Option(help="The touch whose channel counts.", show_choices=True)
    ] = "first",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as the API of the board.")] = False,
) -> None:
    """Show what sales made of the leads that were handed over: acceptance, time to contact, deals, channels.

    Costs are those of the file that LEADGLOW_BOARD_COSTS names. Several currencies are not added.
    """
    found = run(_load(load_settings(), scorecard, touch, days))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    out = console()
    for line in summarize(found):
        out.print(escape(line), soft_wrap=True)
    for table in (_periods(found), _reasons(found), _channels(found)):
        if table.row_count:
            out.print()
            out.print(table)


async def _load(settings: Settings, scorecard: str | None, touch: str, days: int) -> View:
    costs = _load_costs(settings)
    async with open_store(settings) as store:
        rules = await load_rules(settings)
        desk = Results(BoundedStore(store, settings.partitions), lambda: costs)
        try:
            return await desk.load(find_card(rules, scorecard), rules, touch, days)
        except Refusal as refusal:
            raise CommandError(Exit.TROUBLE, refusal.message) from None


def _load_costs(settings: Settings) -> tuple[Cost, ...]:
    if settings.board_costs is None:
        return ()
    try:
        return COSTS_FORMAT.load_file(settings.board_costs)
    except YamlFileError as error:
        raise CommandError(Exit.REFUSED, f"{error}") from None


def summarize(found: View) -> list[str]:
    """The figures of all leads, one a line."""
    total, contact = found["total"], found["contact"]
    decided = total["accepted"] + total["rejected"]
    revenue = ", ".join(f"{money(each['amount'])} {each['currency']}".rstrip() for each in total["revenue"])
    lines = [
        f"{found['scorecard']}, {found['since'][:10]} to {found['until'][:10]}",
        f"handed over: {count_of(total['leads'], 'lead')}, {count_of(total['handovers'], 'time')}; "
        f"{total['open']} not decided yet",
        f"accepted: {total['accepted']} of {decided} decided ({_share(total['acceptance'])})",
        f"time to contact: {span(contact['median_hours'])} (median), {_share(contact['within_24_h'])} within 24 h",
        f"won: {total['won']} ({_share(total['won_share'])} of the leads), lost: {total['lost']}, "
        f"opportunities: {total['opportunities']}; revenue: {revenue or 'none'}",
    ]
    if found["without_alert"]:
        lines.append(f"decided without an alert before: {count_of(found['without_alert'], 'lead')}")
    return lines + (["older handovers may be missing"] if found["truncated"] else [])


def _share(part: float | None) -> str:
    return NONE if part is None else percent(part)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right")
    return table


def _periods(found: View) -> Table:
    target = found["target"]
    table = _table(f"{target['period']} from" if target else "week from", "leads", "of target" if target else "")
    for row in found["periods"]:
        share = "" if row["of_target"] is None else f"{percent(row['of_target'])} of {target['leads']}"
        table.add_row(row["from"][:10] + ("" if row["is_over"] else " so far"), number(row["leads"]), share)
    return table


def _reasons(found: View) -> Table:
    table = _table("rejected because", "leads", "share")
    for row in found["reasons"]:
        table.add_row(escape(row["reason"] or "no reason given"), number(row["rejected"]), percent(row["share"]))
    return table


def _channels(found: View) -> Table:
    currency = f" ({found['currency']})" if found["currency"] else ""
    table = _table(
        f"channel ({found['touch']} touch)", "seen", "handed over", "of seen", "acceptance", "won", "of handed over",
        f"cost{currency}", "cost per won",
    )  # fmt: skip
    for row in found["channels"]:
        name = " / ".join(filter(None, (row["source"], row["medium"], row["campaign"]))) or "direct or unknown"
        table.add_row(
            escape(name), number(row["seen"]), number(row["leads"]), _share(row["qualified_share"]),
            _share(row["acceptance"]), number(row["won"]), _share(row["won_share"]), money(row["cost"]),
            money(row["cost_per_won"]),
        )  # fmt: skip
    return table
