"""What counts as taken before."""

from __future__ import annotations

import pytest

from streams.shard.position import Position


def test_each_coordinate_counts_once() -> None:
    position = Position()
    assert position.first_time(b"web-events:0:7")
    assert not position.first_time(b"web-events:0:7")
    assert not position.first_time(b"web-events:0:3")
    assert position.first_time(b"web-events:1:3")
    assert Position.read(position.fields()).sources == {"web-events:0": 7, "web-events:1": 3}


@pytest.mark.parametrize(
    "source", [b"", b"garbage", b":::", b"web-events:0:%d" % 2**63, b"w:0:" + b"9" * 5000, b"w:0:-1"]
)
def test_what_is_no_coordinate_is_taken_and_remembered_by_nobody(source: bytes) -> None:
    position = Position()
    assert position.first_time(source)
    assert position.first_time(source)
    assert Position.read(position.fields()).sources == {}
