"""Learn points and a bound from many events with outcomes of a documented model (``tests/support/outcome_model.py``).

``python -m tests.live.calibration --events 2000000`` prints the true weights beside the proposed points, and how near
the proposed bound comes to the capacity.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from typing import Final

from app.backtest.export import ExportFile
from app.backtest.session import Order
from app.calibrate.session import Calibration, calibrate
from app.embedded.child import temporary_folder
from streams.events.times import LAST_MS
from streams.implementation import choose
from streams.scorefile import load
from streams.scoring.rules import Rules
from tests.support.outcome_model import FIT, SIGNALS, card_text, generate_events

EVENTS_PER_LEAD: Final = 20
NEAR: Final = 0.05
"""The bound may miss the capacity by this share."""
TRUE: Final = {name: kind.weight for name, kind in SIGNALS.items()} | {name: fit[2] for name, fit in FIT.items()}
"""The weights of the model by signal and trait."""


def learn(events: int, capacity: int) -> Calibration:
    """Generate the events, and calibrate a card that gives every line the same points."""
    text = card_text()
    with temporary_folder("leadglow-live-") as folder:
        file = Path(folder, "events.jsonl")
        with file.open("wb") as out:
            out.writelines(generate_events(events // EVENTS_PER_LEAD, events))
        order = Order(Rules(load(text)), None, choose("auto"), capacity=capacity)
        source = ExportFile(file, LAST_MS)
        return asyncio.run(calibrate(source, order, text, "main", 0, lambda step, count: None))


def is_right(found: Calibration, capacity: int) -> bool:
    """Whether signs and order of the points are those of the model, and the bound meets the capacity."""
    points = {each.column.name: each.points for each in found.suggestions if each.proven}
    signs = all((points.get(name, 0) > 0) == (true > 0) and (points.get(name, 0) < 0) == (true < 0)
                for name, true in TRUE.items())  # fmt: skip
    order = sorted(points, key=points.__getitem__) == sorted(points, key=TRUE.__getitem__)
    bound = found.bound
    return signs and order and bound is not None and abs(bound.reached / capacity - 1) <= NEAR


def main() -> None:
    """Generate, learn, print and judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.calibration", description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--capacity", type=int, default=100, help="leads a week")
    options = parser.parse_args()
    began = time.monotonic()
    found = learn(options.events, options.capacity)
    for each in sorted(found.suggestions, key=lambda each: TRUE[each.column.name]):
        print(f"{each.column.name:14} weight {TRUE[each.column.name]:5.1f}  points {each.points:6.1f}")
    reached = found.bound.reached if found.bound else 0.0
    print(f"entries a week: {reached:.2f}, wanted {options.capacity}")
    print(f"{options.events:,} events in {time.monotonic() - began:.0f} s")
    raise SystemExit(not is_right(found, options.capacity))


if __name__ == "__main__":
    main()
