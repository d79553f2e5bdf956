"""Compiled hashes equal those of the libraries, and names are found by their bytes."""

from __future__ import annotations

import aiokafka.partitioner
import numpy as np
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.accelerator.hashing import murmur2, xxh3
from streams.accelerator.id_index import NOWHERE, NameIndex
from streams.accelerator.pointers import Text


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=240), st.binary(max_size=9), st.integers(0, 2**64 - 1))
def test_xxh3(data: bytes, before: bytes, seed: int) -> None:
    text = Text(before + data)
    hashed = xxh3(text.address, len(before), len(data), np.uint64(seed))
    assert int(hashed) == xxhash.xxh3_64_intdigest(data, seed=seed)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_murmur2(data: bytes) -> None:
    assert int(murmur2(data)) == aiokafka.partitioner.murmur2(data) & 0xFFFFFFFF


def found(names: NameIndex, wanted: list[bytes]) -> list[int]:
    sizes = np.array([len(name) for name in wanted], np.int64)
    numbers: list[int] = names.find(Text(b"".join(wanted)), sizes.cumsum() - sizes, sizes).tolist()
    return numbers


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.binary(min_size=1, max_size=250), st.integers(0, 40)), min_size=1, max_size=200
    )
)
def test_names_are_found_until_they_are_removed(steps: list[tuple[bool, bytes, int]]) -> None:
    names, known = NameIndex(), dict[bytes, int]()
    for adds, name, number in steps:
        taken = next((n for n, i in known.items() if i == number), None)
        if adds and name not in known and taken is None:
            names.add([name], [number])
            known[name] = number
        elif taken is not None and not adds:
            names.remove(number)
            del known[taken]
    wanted = sorted({name for _, name, _ in steps})
    assert found(names, wanted) == [known.get(name, NOWHERE) if len(name) <= 240 else NOWHERE for name in wanted]


def test_an_index_grows() -> None:
    names = NameIndex()
    many = [b"somebody-%d" % i for i in range(20_000)]
    for first in range(0, len(many), 500):
        names.add(many[first : first + 500], range(first, first + 500))
    for i in range(0, len(many), 2):
        names.remove(i)
    for i in range(0, len(many), 4):
        names.add([many[i] + b"!"], [i])
    expected = [NOWHERE if i % 2 == 0 else i for i in range(len(many))]
    assert found(names, many) == expected
    assert found(names, [many[i] + b"!" for i in range(0, len(many), 4)]) == list(range(0, len(many), 4))
