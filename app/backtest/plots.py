"""Draws the plots of the report as SVG, in the colours of the board. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 480
HEIGHT: Final = 200
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 12, 34
"""Room around the plot for the scales."""
MAX_LABELS: Final = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; ``title`` is shown when the pointer rests on it."""

    label: str
    value: float | None
    title: str
    low: float | None = None
    """The ends of a line through the top of the bar, which shows how uncertain it is."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across the plot at a value of the scale."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from 0 up to a round number to the height of the plot."""

    top: float
    format: Callable[[float], str]

    def y(self, value: float) -> float:
        """The vertical place of a value."""
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(max(value / self.top, 0.0), 1.0)), 1)


def draw_bars(
    bars: Sequence[Bar], title: str, form: Callable[[float], str], marks: Sequence[Mark] = (), top: float | None = None
) -> str:
    """A bar chart with a scale, labels, and horizontal marks; ``title`` describes it for people who cannot see it."""
    most = max([bar.high or bar.value or 0.0 for bar in bars] + [mark.value for mark in marks], default=0.0)
    scale = Scale(round_up(most) if top is None else top, form)
    room = (WIDTH - LEFT - RIGHT) / max(len(bars), 1)
    parts = [_scale_lines(scale)]
    every = -(-len(bars) // MAX_LABELS)
    for i, bar in enumerate(bars):
        x = LEFT + i * room
        parts.append(_bar(bar, x, room, scale))
        if i % every == 0:
            parts.append(_text(x + room / 2, HEIGHT - BOTTOM + 16, bar.label, "middle"))
    parts += [_mark(mark, scale) for mark in marks]
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
    return f"{head}{''.join(parts)}</svg>"


def round_up(value: float) -> float:
    """The next larger number of the form 1, 2, 2.5 or 5 times a power of ten; 1 for 0."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= value * (1 - 1e-9))


def _bar(bar: Bar, x: float, room: float, scale: Scale) -> str:
    if bar.value is None:
        return ""
    y, width = scale.y(bar.value), max(room * 0.72, 1.0)
    left = x + (room - width) / 2
    shape = f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="{scale.y(0) - y:.1f}"/>'
    if bar.low is not None and bar.high is not None:
        middle = f"{x + room / 2:.1f}"
        shape += f'<line class="range" x1="{middle}" x2="{middle}" y1="{scale.y(bar.low)}" y2="{scale.y(bar.high)}"/>'
    return f"<g><title>{escape(bar.title)}</title>{shape}</g>"


def _scale_lines(scale: Scale) -> str:
    parts = []
    for i in range(5):
        value = scale.top * i / 4
        y = scale.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        if i % 2 == 0:
            parts.append(_text(LEFT - 6, y + 4, scale.format(value), "end"))
    return "".join(parts)


def _mark(mark: Mark, scale: Scale) -> str:
    y = scale.y(mark.value)
    line = f'<line class="mark" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
    return line + _text(WIDTH - RIGHT, y - 4, mark.label, "end", "label")


def _text(x: float, y: float, text: str, anchor: str, kind: str = "scale") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
