"""Which records a shard skips, and to which leads the others belong."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.environment import Environment
from streams.events.records import KIND_HEADER, SOURCE_HEADER
from streams.implementation import REFERENCE
from streams.metrics import Metrics
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model
from streams.shard.position import Position
from streams.shard.reader import Reader
from streams.shard.scorecards import ShardScorecards
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner, Topics

HEADERS: list[list[tuple[str, Any]]] = [
    [],
    *([(SOURCE_HEADER, b"web-events:%d:%d" % (i % 2, i))] for i in range(6)),
    [(SOURCE_HEADER, b"nonsense")],
    [(SOURCE_HEADER, None)],  # not from Leadglow
    [("trace", b"7")],
    [("trace", b"7"), (SOURCE_HEADER, b"web-events:0:4")],
    [(SOURCE_HEADER, b"web-events+0:0:3"), (KIND_HEADER, b"arrived")],
]
USUAL = [1, 2, 3, 4, 5]


def reader() -> Reader:
    env = Environment(MemoryStore(), Topics(), Partitioner(1), Metrics(), "worker", implementation=REFERENCE)
    rules = Rules(Model((), ()))
    return Reader(0, rules, env, ShardScorecards(0, rules, env.publications))


def skipped(used: Reader) -> float:
    return used._env.metrics.events.labels("skipped")._value.get()  # type: ignore[no-any-return]


def record(chance: Random, kinds: list[int]) -> Any:
    key = chance.choice((b"ana", b"\xff", b"", None))
    value = None if len(kinds) > 5 and not chance.randrange(9) else b"{}"
    return SimpleNamespace(offset=0, key=key, value=value, timestamp=5, headers=HEADERS[chance.choice(kinds)])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1).map(Random))
def test_records_read_together_and_one_by_one_have_the_same_owners(chance: Random) -> None:
    kinds = chance.choice((USUAL, [0], [0, *USUAL], list(range(len(HEADERS)))))
    records = [record(chance, kinds) for _ in range(chance.randint(1, 12))]
    (one, alone), (all_, together) = ((reader(), Position()) for _ in range(2))
    owners = [owner for each in records for owner in one._read_owners([each], alone)]
    assert list(all_._read_owners(records, together)) == owners
    assert (together.sources, skipped(all_)) == (alone.sources, skipped(one))
