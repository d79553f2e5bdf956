"""Law 7: state, schedule, outbox and checkpoint change in one step, and of two writers only one succeeds."""

from __future__ import annotations

from collections.abc import Coroutine
from copy import deepcopy
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
    """The result of a coroutine that never suspends."""
    try:
        awaitable.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    msg = "the memory store waited"
    raise AssertionError(msg)


class TwoWriters(RuleBasedStateMachine):
    """Two workers that both assume to own the shard and add their steps to one blob; the store may lose steps."""

    @initialize()
    def start(self) -> None:
        self.store = MemoryStore()
        self.known: list[list[str]] = [[], []]
        """Steps that each worker has counted."""
        self.last: list[Commit | None] = [None, None]
        self.steps = 0
        self.history = [(deepcopy(self.store), list[str]())]
        """Copies of the store after each committed step, with the steps so far."""

    @property
    def taken(self) -> list[str]:
        return self.history[-1][1]

    def commit_of(self, writer: int) -> Commit:
        known = self.known[writer]
        self.steps += 1
        step = f"{writer}-{self.steps}"
        total = len(known) + 1
        return Commit(
            len(known),
            known[-1] if known else "",
            step,
            {"ckpt": b"%d" % total},
            leads={"lead": " ".join([*known, step]).encode()},
            due={"lead": float(total)},
            ranks={"card": {"lead": float(total)}},
            outbox=[Entry(total, b"%d" % total)],
        )

    @rule(writer=writers)
    def commit(self, writer: int) -> None:
        self.last[writer] = commit = self.commit_of(writer)
        current = self.known[writer] == self.taken
        verdict = now(self.store.commit(P, commit))
        assert verdict is (Verdict.OK if current else Verdict.CONFLICT)
        if current:
            self.known[writer] = [*self.taken, commit.step]
            self.history.append((deepcopy(self.store), self.known[writer]))

    @rule(writer=writers)
    def repeat_the_last_commit(self, writer: int) -> None:
        commit = self.last[writer]
        if commit is None or commit.after == (self.taken[-1] if self.taken else ""):
            return
        mine = now(self.store.control(P)).step == commit.step
        assert now(self.store.commit(P, commit)) is (Verdict.DUP if mine else Verdict.CONFLICT)

    @rule(writer=writers)
    def read_again(self, writer: int) -> None:
        (blob,) = now(self.store.load(P, ["lead"]))
        self.known[writer] = (blob or b"").decode().split()

    @rule(lost=st.integers(1, 3))
    def forget_the_last_steps(self, lost: int) -> None:
        del self.history[max(len(self.history) - lost, 1) :]
        self.store = deepcopy(self.history[-1][0])

    @invariant()
    def everything_is_of_the_same_step(self) -> None:
        control, total = now(self.store.control(P)), len(self.taken)
        assert control.version == total
        assert control.step == (self.taken[-1] if total else "")
        assert int(control.fields.get("ckpt", b"0")) == total
        assert now(self.store.load(P, ["lead"])) == ([" ".join(self.taken).encode()] if total else [None])
        assert (now(self.store.next_due(P)) or 0) == total
        assert now(self.store.top(P, "card", 5)) == ([("lead", total)] if total else [])
        assert [entry.seq for entry in now(self.store.outbox(P))] == list(range(1, total + 1))


def test_of_two_writers_of_the_same_step_exactly_one_succeeds() -> None:
    run_state_machine_as_test(TwoWriters, settings=settings(max_examples=60, stateful_step_count=25))
