"""Break a running system in ten ways, and see for each that the right alert fires and clears.

``python -m tests.live.rehearsal`` starts everything, breaks it and prints the seconds. Windows and periods of the
rules are shortened to seconds; conditions are those of operation.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from app.embedded.child import temporary_folder
from tests.live.operated import CARD, Operated, start_operated
from tests.support.prometheus import Prometheus
from tests.support.waiting import wait_for

WAIT_S: Final = 90.0
"""No alert may take longer to fire or clear."""
WORKERS: Final = ("worker1", "worker2")


@dataclass(frozen=True)
class Break:
    """One way to break the system, and the alert that must fire."""

    name: str
    alert: str
    begin: Callable[[Operated], object]
    end: Callable[[Operated], object] | None
    """None if the next phase ends it, too."""
    labels: dict[str, str] = field(default_factory=dict)

    def fires(self, prometheus: Prometheus) -> bool:
        """Whether its alert fires."""
        wanted = {"alertname": self.alert, **self.labels}.items()
        return any(wanted <= dict(labels).items() for labels in prometheus.alerts())


def _kill_worker(made: Operated) -> None:
    made.kill("worker2")


def _start_workers(made: Operated) -> None:
    for name in WORKERS:
        if made.processes[name].process.poll() is not None:
            made.start(name)
    made.wait_ready(*WORKERS)


def _set_policy(policy: str) -> Callable[[Operated], object]:
    return lambda made: made.set_policy(policy)


def _set_slow(seconds: float) -> Callable[[Operated], None]:
    def change(made: Operated) -> None:
        made.slow_s = seconds

    return change


def _write_card(text: str) -> Callable[[Operated], object]:
    return lambda made: made.scorecards.write_text(text)


def _freeze_workers(made: Operated) -> None:
    """Freeze them while nothing waits, so that scores are not late."""
    made.wait_scored()
    made.signal(signal.SIGSTOP, *WORKERS)


def _kill_redis(made: Operated) -> None:
    made.store.process.kill()
    made.store.process.wait()


PHASES: Final = (
    (
        Break("Redis evicts", "LeadglowRedisEvicts", _set_policy("allkeys-lru"), _set_policy("noeviction")),
        Break(
            "a flood of poison",
            "LeadglowEventsRejected",
            lambda made: made.send_poison(3000),
            lambda made: made.hold_traffic(),  # for the next phase
            {"reason": "not_json"},
        ),
        Break(
            "a bad scorecard",
            "LeadglowFileRefused",
            _write_card(CARD.replace("points:", "pionts:")),
            _write_card(CARD),
            {"file": "scorecards"},
        ),
        Break("a slow webhook", "LeadglowDeliveriesLate", _set_slow(3), _set_slow(0), {"route": "crm"}),
        Break("a worker is killed", "LeadglowProcessDown", _kill_worker, _start_workers, {"job": "leadglow-worker"}),
    ),
    (
        Break(
            "timers are stuck",
            "LeadglowTimersLate",
            _freeze_workers,
            None,
        ),
    ),
    (
        Break("all workers are gone", "LeadglowNoWorker", lambda made: made.kill(*WORKERS), _start_workers),
        Break("a backlog", "LeadglowScoresLate", lambda made: made.go_on(), None),
    ),
    (
        Break(
            "Redis is away",
            "LeadglowNotReady",
            _kill_redis,
            lambda made: made.restart_store(),
            {"job": "leadglow-board"},
        ),
        Break(
            "the broker is away",
            "LeadglowNotReady",
            lambda made: made.kafka.process.send_signal(signal.SIGSTOP),
            lambda made: made.kafka.process.send_signal(signal.SIGCONT),
            {"job": "leadglow-collector"},
        ),
    ),
)


@dataclass
class Rehearsal:
    """One run. ``say`` gets a line for each step."""

    made: Operated
    prometheus: Prometheus
    say: Callable[[str], object] = str
    _broken: list[Break] = field(default_factory=list)

    def run(self) -> None:
        """Break everything, one phase after another."""
        self.wait_quiet()
        for phase in PHASES:
            began = time.monotonic()
            for each in phase:
                each.begin(self.made)
            for each in phase:
                self._wait(lambda each=each: each.fires(self.prometheus), f"{each.alert} fires")  # type: ignore[misc]
                self.say(f"{each.name}: {each.alert} fires after {time.monotonic() - began:.1f} s")
            self._broken += phase
            ends = [each.end for each in phase if each.end is not None]
            for end in ends:
                end(self.made)
            if ends:
                self.wait_quiet()
                self.say(f"clear after {time.monotonic() - began:.1f} s: {', '.join(b.name for b in self._broken)}")
                self._broken.clear()

    def wait_quiet(self) -> None:
        """Return when no alert fires."""
        self._wait(lambda: not self.prometheus.alerts(), "no alert fires")

    def _wait(self, holds: Callable[[], bool], what: str) -> None:
        wait_for(holds, what, WAIT_S, lambda: "\n".join(map(str, self.prometheus.alerts())))


def main() -> None:
    """Run it on servers of its own."""
    began = time.monotonic()
    with temporary_folder("leadglow-rehearsal-") as folder, start_operated(folder) as (made, prometheus):
        print(f"started after {time.monotonic() - began:.1f} s")
        Rehearsal(made, prometheus, print).run()
    print(f"done after {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
