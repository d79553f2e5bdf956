"""Clocks and figures: processor time, memory and percentiles, the same way for all parts.

A rate counts from the first batch that a process has finished with to the last one made durable, without
the events of that first batch: starting up, joining a group and recovering are in nobody's figures.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

Figures = dict[str, float]

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def figures(events: int, wall_s: float, cpu_s: float) -> Figures:
    """Throughput and processor time (user and system), which all parts report."""
    return {
        "events_per_second": round(events / wall_s),
        "cpu_us_per_event": round(cpu_s / events * 1e6, 2),
        "events": events,
        "seconds": round(wall_s, 3),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of all values do not exceed."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


def cpu_s(pid: int) -> float:
    """User and system time of a process with all its threads (not its children)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def memory_bytes(pid: int, field: str = "VmRSS") -> int:
    """Resident memory of a process; ``VmHWM`` is its peak."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


class Meter:
    """Measures the process that it lives in, and prints one line of JSON at the end."""

    def __init__(self, goal: int) -> None:
        self.done = 0
        self._goal = goal
        self._before = 0
        self._wall_s = self._cpu_s = 0.0

    def add(self, events: int) -> bool:
        """Count a finished batch, which the first time starts the clock; true at the goal."""
        self.done += events
        if not self._before:
            self._before, self._wall_s, self._cpu_s = self.done, time.perf_counter(), self._cpu()
        return self.done >= self._goal

    def report(self, version: str, alerts: int | None = None) -> None:
        """Print the last line of output, which the parent process reads."""
        result: dict[str, object] = dict(
            figures(self.done - self._before, time.perf_counter() - self._wall_s, self._cpu() - self._cpu_s)
        )
        peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        result |= {"alerts": alerts, "rss_peak_bytes": peak_bytes, "version": version}
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()

    @staticmethod
    def _cpu() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime
