"""``leadglow lead activity``: shows what a lead did, from its recent events in Kafka."""

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from app.board.formatting import signed, titled
from app.board.timeline import MISSING, build_activity, describe_event
from app.cli.audit import note_shown, require_audit_log
from app.cli.common import LeadId, console, open_store, run
from app.cli.found_lead import find_lead
from app.cli.output import to_the_second
from app.cli.published import load_rules
from app.settings import Settings
from app.settings_source import load_settings
from app.wiring import make_event_log
from streams.partition_numbers import FORMER, former_numbers

Activity = dict[str, Any]


def activity(lead_id: LeadId, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show what a lead did: its latest events that matched signals.

    Reads the events from Kafka, for two seconds at most; those that were not read are shown by their signals and points
    alone. Prints personal data, such as the fields of forms. Exit status 3 if there is no such lead.
    """
    settings = load_settings()
    require_audit_log(settings)
    found = run(_activity(settings, lead_id))
    note_shown(settings, "see", lead_id=lead_id)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    console().print(render_activity(found))
    if found["log_failure"]:
        console().print(f"[dim]{escape(found['log_failure'])}[/]")


async def _activity(settings: Settings, lead_id: str) -> Activity:
    found_id, state = await find_lead(settings, lead_id)
    rules, log = await load_rules(settings), make_event_log(settings)
    async with open_store(settings) as store:
        former = former_numbers(await store.meta(FORMER))
    try:
        found = await log.read_events(found_id, state, former)
    finally:
        await log.close()
    return build_activity(state, rules, found)


def render_activity(found: Activity) -> Table:
    """The events as a table, newest first."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    table.add_column("at")
    table.add_column("what", overflow="fold")
    table.add_column("points", justify="right")
    for row in found["events"]:
        shown, facts = describe_event(row)
        text = escape(", ".join(map(titled, row["signals"])) + (f" “{shown}”" if shown else ""))
        more = escape(" · ".join(facts) or MISSING.get(row["log"], ""))
        points = {name: 0.0 for signal in row["signals"] for name in signal["points"]}
        for name in points:
            points[name] = sum(signal["points"].get(name, 0.0) for signal in row["signals"])
        each = ", ".join(signed(value) + (f" {name}" if len(points) > 1 else "") for name, value in points.items())
        table.add_row(to_the_second(row["at"]), text + (f"\n[dim]{more}[/]" if more else ""), escape(each))
    return table
