"""``leadglow lead show``: shows one lead and explains its scores."""

import json
from typing import Annotated

import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from app.cli.audit import note_shown, require_audit_log
from app.cli.common import At, LeadId, console, parse_at, run
from app.cli.found_lead import find_lead
from app.cli.lead_activity import activity
from app.cli.output import to_the_second
from app.cli.published import load_rules
from app.lead_views import View, describe_obstacle, describe_sales, lead_view, round_down
from app.settings import Settings
from app.settings_source import load_settings

lead = typer.Typer(no_args_is_help=True, help="One lead.")
lead.command()(activity)


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.add_typer(lead, name="lead")


@lead.command()
def show(
    lead_id: LeadId,
    at: At = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a lead and explain its scores.

    Prints scores, stages and, for each score, the parts that sum to it. Exit status 3 if there is no such lead.
    """
    at_ms = parse_at(at)
    settings = load_settings()
    require_audit_log(settings)
    view = run(_view(settings, lead_id, at_ms))
    note_shown(settings, "see", lead_id=view["lead_id"])
    if as_json:
        typer.echo(json.dumps(view, ensure_ascii=False))
    else:
        console().print(render_lead(view))


async def _view(settings: Settings, lead_id: str, at_ms: int) -> View:
    found_id, state = await find_lead(settings, lead_id)
    return lead_view(found_id, state, await load_rules(settings), at_ms)


def render_lead(view: View) -> Group:
    """The view as tables."""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="dim")
    head.add_column(overflow="fold")
    head.add_row("lead", f"[bold]{escape(view['lead_id'])}[/]")
    if view["aliases"]:
        head.add_row("also", escape(", ".join(view["aliases"])))
    head.add_row("as of", to_the_second(view["as_of"]))
    head.add_row("seen", f"{to_the_second(view['first_seen_at'])} to {to_the_second(view['last_seen_at'])}")
    if view["forgotten_at"]:
        head.add_row("forgotten", f"{to_the_second(view['forgotten_at'])}, if nothing more is heard of it")
    if view["sales"]["history"]:
        head.add_row("sales", escape(describe_sales(view["sales"])))
    for name, value in view["traits"].items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        head.add_row(escape(name), escape(text))
    return Group(head, *(_card(name, card) for name, card in view["scorecards"].items()))


def _card(name: str, card: View) -> Group:
    labels = card["stage_labels"]
    title = escape(card["label"] if card["label"] == name else f"{card['label']} ({name})")
    title += " [dim](shadow)[/]" if card["shadow"] else ""
    if not card["applies"]:
        return Group(f"\n[bold]{title}:[/] does not apply")
    stage = f", {escape(labels.get(card['stage'], card['stage']))}" if card["stage"] else ""
    grade = f", grade {escape(card['grade'])}" if card["grade"] else ""
    lines = [f"\n[bold]{title}: {card['score']}[/] points{grade}{stage}"]
    categories = {card["category_labels"].get(name, name): points for name, points in card["categories"].items()}
    subscores = {"fit": card["fit"], "engagement": card["engagement"], **categories}
    lines.append("[dim]" + "  ".join(f"{escape(key)} {_points(value)}" for key, value in subscores.items()) + "[/]")
    inside = [
        f"{'●' if inside else '○'} {escape(labels.get(stage, stage))}" for stage, inside in card["stages"].items()
    ]
    if inside:
        lines.append("  ".join(inside))
    for out, obstacles in card["not_entered"].items():
        if obstacles:
            reasons = escape(", ".join(map(describe_obstacle, obstacles)))
            lines.append(f"[dim]not in {escape(labels.get(out, out))}: {reasons}[/]")
    if change := card["next_change"]:
        lines.append(
            f"[dim]will be {change['to']} from {to_the_second(change['at'])} on if no further events arrive[/]"
        )
    return Group("\n".join(lines), _parts(card))


def _parts(card: View) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    table.add_column("why")
    table.add_column("amount", justify="right")
    table.add_column("points", justify="right")
    for part in sorted(card["parts"], key=lambda part: -abs(part["points"])):
        kind = "" if part["kind"] == "signal" else f" [dim]({part['kind']})[/]"
        amount = f"{part['amount']:.2f}" if "amount" in part else ""
        table.add_row(escape(part.get("label", part["name"])) + kind, amount, _points(part["points"]))
    table.add_row("[bold]sum[/]", "", f"[bold]{_points(round_down(card['exact'], 2))}[/]")
    return table


def _points(value: float) -> str:
    return f"{value:.2f}"
