"""Times on the command line."""

import typer

from app.instants import moment_of
from streams.clock import now_ms

AT_HELP = (
    "Now or later: 2026-12-24T18:00:00Z, 2026-12-24, or +7d (s, m, h, d, w). "
    "Shows what will be if nothing else arrives."
)


def parse_time(text: str | None) -> int:
    """Milliseconds since the epoch; now without a text."""
    now = now_ms()
    if text is None:
        return now
    try:
        return moment_of(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--at") from None
