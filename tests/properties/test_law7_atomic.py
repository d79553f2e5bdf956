"""Law 7: state, schedule, outbox and checkpoint move in one step, and of two writers one is right."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from streams.store.base import Commit, Entry, Verdict
from streams.store.memory import MemoryStore

P = 0
T = TypeVar("T")
writers = st.integers(0, 1)


def now(awaitable: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        awaitable.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    msg = "the memory store waited"
    raise AssertionError(msg)


class TwoWriters(RuleBasedStateMachine):
    """Two workers that both believe to own the shard; each adds 1 to a lead's blob per step."""

    @initialize()
    def start(self) -> None:
        self.store = MemoryStore()
        self.known = [(0, 0), (0, 0)]
        self.last: list[Commit | None] = [None, None]
        self.steps = 0
        self.taken = 0

    def commit_of(self, writer: int) -> Commit:
        version, total = self.known[writer]
        self.steps += 1
        return Commit(
            version,
            f"{writer}-{self.steps}",
            {"ckpt": b"%d" % (total + 1)},
            leads={"lead": b"%d" % (total + 1)},
            due={"lead": float(total + 1)},
            ranks={"card": {"lead": float(total + 1)}},
            outbox=[Entry(total + 1, b"%d" % (total + 1))],
        )

    @rule(writer=writers)
    def commit(self, writer: int) -> None:
        self.last[writer] = commit = self.commit_of(writer)
        current = self.known[writer][0] == self.taken
        verdict = now(self.store.commit(P, commit))
        assert verdict is (Verdict.OK if current else Verdict.CONFLICT)
        if current:
            self.taken += 1
            self.known[writer] = (self.taken, self.taken)

    @rule(writer=writers)
    def repeat_the_last_commit(self, writer: int) -> None:
        commit = self.last[writer]
        if commit is None:
            return
        mine = now(self.store.control(P)).step == commit.step
        assert now(self.store.commit(P, commit)) is (Verdict.DUP if mine else Verdict.CONFLICT)

    @rule(writer=writers)
    def read_again(self, writer: int) -> None:
        control = now(self.store.control(P))
        (blob,) = now(self.store.load(P, ["lead"]))
        self.known[writer] = (control.version, int(blob or b"0"))

    @invariant()
    def everything_is_of_the_same_step(self) -> None:
        control = now(self.store.control(P))
        assert control.version == self.taken
        total = int(control.fields.get("ckpt", b"0"))
        assert total == self.taken
        assert now(self.store.load(P, ["lead"])) == ([b"%d" % total] if total else [None])
        assert (now(self.store.next_due(P)) or 0) == total
        assert now(self.store.top(P, "card", 5)) == ([("lead", total)] if total else [])
        assert [entry.seq for entry in now(self.store.outbox(P))] == list(range(1, total + 1))


def test_of_two_writers_with_one_version_exactly_one_is_right() -> None:
    run_state_machine_as_test(TwoWriters, settings=settings(max_examples=60, stateful_step_count=25))
