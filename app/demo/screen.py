"""Shows a running demo in the terminal: counts, the hottest leads and alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nsmallest
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.demo.alerts_panel import draw_alerts, person
from app.demo.card_file import CardFile
from app.demo.feed import Feed
from app.demo.generator import Traffic
from app.demo.guest import GUEST, command
from app.demo.salespeople import LIVE_HOUR_MS, SalesPeople
from app.demo.stack import Stack
from app.demo.watch import Seen, watching
from app.lead_views import points_of, rank
from streams.clock import monotonic_s, now_ms
from streams.counts import count_of
from streams.scorefile import load_file
from streams.scoring.explanation import Explanation, Part, explain
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules
from streams.scoring.stages import current_stage
from streams.scoring.stored import decode
from streams.tasks import end_tasks
from streams.transport.topics import Partitioner

REFRESH_S = 0.5
PLAIN_S = 2.0
"""The interval between two lines of output if there is no terminal."""
MAX_ROWS = 12
NOTICE_LINES = 3
"""The height of a notice about the scorecard file, at most, in a terminal of 100 columns."""
RATE_S = 5.0
"""The period over which events per second are measured."""
STAGE_COLOURS = ("white", "yellow", "bright_red", "magenta")


@dataclass(frozen=True, slots=True)
class Row:
    """One of the hottest leads."""

    lead_id: str
    traits: dict[str, Any]
    stage: str | None
    why: Explanation
    rank: float = 0.0


@dataclass(slots=True)
class View:
    """All values on the screen."""

    stages: tuple[str, ...]
    seen: Seen
    rate: float
    invitation: str = ""
    """The command with which users send their own events."""
    board: str = ""
    """The URL of the board."""
    env_file: Path | None = None
    """What sets the settings of this demo in a shell."""
    card_file: CardFile | None = None
    notice: str = ""
    """Why the scorecard file on disk is not in use."""
    sent: int = 0
    taken: int = 0
    per_second: float = 0.0
    duplicates: int = 0
    rows: list[Row] = field(default_factory=list)
    passed: list[tuple[float, int]] = field(default_factory=list)

    def note(self, at_s: float, taken: int, duplicates: int) -> None:
        """Update the counts and the rate from the worker's metrics."""
        self.taken, self.duplicates = taken, duplicates
        self.passed = [(s, n) for s, n in self.passed if s > at_s - RATE_S] + [(at_s, taken)]
        (first_s, first), (last_s, last) = self.passed[0], self.passed[-1]
        self.per_second = (last - first) / (last_s - first_s) if last_s > first_s else 0.0


async def show(stack: Stack, rate: float, leads: int, seed: int, console: Console) -> None:
    """Send traffic and show the results, until cancelled."""
    rules = Rules(load_file(stack.settings.scorecards))
    sales = SalesPeople(seed, LIVE_HOUR_MS)
    feed = Feed(stack, Traffic(seed, leads), rate, sales)
    async with watching(stack) as seen:
        seen.on_alert = sales.take_alert
        stages = tuple(rule.stage.name for rule in rules.cards[0].stages)
        invitation = command(stack.collector.removeprefix("http://"))
        card_file = CardFile(stack.settings.scorecards, stack.settings.most_model_alerts)
        view = View(stages, seen, rate, invitation, stack.board, stack.env_file, card_file)
        sending = asyncio.create_task(feed.run())
        try:
            await _follow(stack, rules, feed, view, console, sending)
        finally:
            await end_tasks(sending)
            console.print(f"stopped: {goodbye(view)}")


async def _follow(
    stack: Stack, rules: Rules, feed: Feed, view: View, console: Console, sending: asyncio.Task[None]
) -> None:
    """Update the view and draw it until the traffic ends."""
    if not console.is_terminal:
        text = f"Board: {view.board}\nTo use leadglow's commands on this demo, run first: . {view.env_file}\n"
        text += f"To become a lead yourself, run:\n{view.invitation}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        while not sending.done():
            await _update_view(stack, rules, feed, view)
            if view.notice:
                console.print(view.notice, markup=False, highlight=False, soft_wrap=True)
            console.print(goodbye(view))
            await asyncio.sleep(PLAIN_S)
    else:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while not sending.done():
                await _update_view(stack, rules, feed, view)
                live.update(render(view, now_ms(), console.height), refresh=True)
                await asyncio.sleep(REFRESH_S)
    await sending


async def _update_view(stack: Stack, rules: Rules, feed: Feed, view: View) -> None:
    """Read the counts of the worker, and the hottest leads from Redis."""
    metrics = await stack.metrics()
    view.sent = feed.sent
    taken = int(metrics.get(("leadglow_records_total", "intake"), 0))
    view.note(monotonic_s(), taken, int(metrics.get(("leadglow_events_total", "duplicates"), 0)))
    view.notice = await view.card_file.explain(metrics) if view.card_file else ""
    view.rows = await hottest(stack, rules, now_ms())


async def hottest(stack: Stack, rules: Rules, at_ms: int, most: int = MAX_ROWS) -> list[Row]:
    """The leads with the highest scores at ``at_ms``, and the user's own lead."""
    card, home = rules.cards[0], Partitioner(stack.settings.partitions)
    tops = [await stack.store.top(p, card.name, most) for p in range(stack.settings.partitions)]
    best = nsmallest(most, (pair for top in tops for pair in top), key=lambda pair: (-pair[1], pair[0]))
    rows = []
    for lead_id in dict.fromkeys([*(lead_id for lead_id, _ in best), GUEST]):
        blob = (await stack.store.load(home(lead_id), [lead_id]))[0]
        lead = decode(blob) if blob else None
        if isinstance(lead, Lead):
            rows.append(_row(lead_id, lead, card, rules, at_ms))
    return sorted(rows, key=lambda row: -row.rank)


def _row(lead_id: str, lead: Lead, card: CardRule, rules: Rules, at_ms: int) -> Row:
    why = explain(card, lead, max(at_ms, lead.clock), rules)
    return Row(lead_id, lead.trait_values(), current_stage(card, lead), why, rank(lead, card, at_ms))


# Drawing --------------------------------------------------------------------------------------------------


def render(view: View, at_ms: int, height: int) -> RenderableType:
    """Draw the whole screen, for a terminal of ``height`` lines."""
    notice = [Text(f" {view.notice}", "bold yellow")] if view.notice else []
    room = max(height - 19 - NOTICE_LINES * len(notice), 6)
    hot = min(room * 3 // 5, MAX_ROWS)
    return Group(
        _headline(view),
        *notice,
        _invitation(view),
        Panel(_counts(view), title="Events", title_align="left", border_style="dim"),
        Panel(_hottest(view, hot), title="Hottest leads and their reasons", title_align="left", border_style="dim"),
        draw_alerts(view.seen, room - hot),
    )


def goodbye(view: View) -> str:
    """A summary on one line."""
    by_stage = ", ".join(f"{count} {name}" for name, count in _by_stage(view))
    rejected, alerts = view.seen.reasons.total(), view.seen.alerts
    return (
        f"{count_of(view.taken, 'event')} ({view.per_second:.0f}/s), {rejected} rejected, "
        f"{count_of(view.duplicates, 'duplicate')}; leads: {by_stage}; {count_of(alerts, 'alert')}, "
        f"event to handoff {_latency(view.seen)}"
    )


def _headline(view: View) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(" Leadglow demo ", "bold black on yellow")
    text.append("  board: ")
    text.append(view.board, "bold cyan")
    text.append("  Press Ctrl-C to stop\n")
    text.append(
        " Simulated visitors and salespeople. Half-lives are 20 s to 1 min, so that you can watch leads cool.\n", "dim"
    )
    text.append(" For leadglow's commands on this demo, run in another terminal first: ", "dim")
    text.append(f". {view.env_file}", "cyan")
    return text


def _invitation(view: View) -> Text:
    """The user's command, without a frame, so that it can be copied."""
    text = Text(" To become a lead yourself, paste this into another terminal:\n", no_wrap=True, overflow="ignore")
    text.append(view.invitation, "cyan")
    return text


def _counts(view: View) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    waiting = max(view.sent - view.taken, 0)
    reasons = ", ".join(f"{name} {n}" for name, n in view.seen.reasons.most_common(3))
    grid.add_row("traffic", f"[bold]{view.per_second:.0f}[/] events/s, {view.taken:,} so far, {waiting} waiting")
    grid.add_row("handoff", f"[bold]{_latency(view.seen)}[/] from event to alert")
    bad = f"{view.seen.reasons.total()} rejected" + (f" ({reasons})" if reasons else "")
    grid.add_row("not scored", f"{bad}; {view.duplicates} duplicates")
    stages = Text("  ".join(f"{count} {name}" for name, count in _by_stage(view)))
    grid.add_row("leads", stages)
    return grid


def _by_stage(view: View) -> list[tuple[str, int]]:
    found = list(view.seen.stages.values())
    return [*((name, found.count(name)) for name in view.stages), ("in no stage", found.count(""))]


def _latency(seen: Seen) -> str:
    half, most = seen.latency_ms(0.5), seen.latency_ms(0.99)
    return "-" if half is None else f"p50 {half} ms, p99 {most} ms"


def _hottest(view: View, most: int) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(justify="right", width=3)
    table.add_column(width=5)
    table.add_column(width=9, no_wrap=True)
    table.add_column(ratio=2, no_wrap=True, overflow="ellipsis")
    table.add_column(ratio=3, no_wrap=True, overflow="ellipsis", style="dim")
    rows = shown(view.rows, most)
    for row in rows:
        colour = _colour(view, row.stage)
        bar = "█" * round(row.why.exact / 20)
        mine = "bold cyan" if row.lead_id == GUEST else ""
        who, why = Text(person(row.lead_id, row.traits), mine), reasons(row.why.parts)
        table.add_row(Text(str(row.why.score), "bold"), Text(bar, colour), Text(row.stage or "", colour), who, why)
    for _ in range(most - len(rows)):
        table.add_row()
    return table


def shown(rows: list[Row], most: int) -> list[Row]:
    """The hottest leads, and always the user's own lead."""
    mine = [row for row in rows[most:] if row.lead_id == GUEST]
    return rows[: most - len(mine)] + mine


def _colour(view: View, stage: str | None) -> str:
    place = view.stages.index(stage) + 1 if stage in view.stages else 0
    return STAGE_COLOURS[min(place, len(STAGE_COLOURS) - 1)]


def reasons(parts: Iterable[Part], most: int = 4) -> str:
    """The largest parts of a score, after caps."""
    found = [(part.label or part.name, points_of(part.row())) for part in parts if part.kind in ("signal", "fit")]
    largest = sorted(((name, points) for name, points in found if round(points)), key=lambda pair: -abs(pair[1]))
    return "  ".join(f"{name} {points:+.0f}" for name, points in largest[:most])
