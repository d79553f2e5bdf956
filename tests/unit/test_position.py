"""What counts as taken before."""

from __future__ import annotations

import pytest

from streams.shard.position import Position


def test_each_coordinate_counts_once() -> None:
    position = Position()
    assert position.is_first_time(b"web-events:0:7")
    assert not position.is_first_time(b"web-events:0:7")
    assert not position.is_first_time(b"web-events:0:3")
    assert position.is_first_time(b"web-events:1:3")
    assert Position.from_fields(position.to_fields()).sources == {"web-events:0": 7, "web-events:1": 3}


@pytest.mark.parametrize(
    "source", [b"", b"garbage", b":::", b"web-events:0:%d" % 2**63, b"w:0:" + b"9" * 5000, b"w:0:-1"]
)
def test_an_invalid_coordinate_is_accepted_and_not_remembered(source: bytes) -> None:
    position = Position()
    assert position.is_first_time(source)
    assert position.is_first_time(source)
    assert Position.from_fields(position.to_fields()).sources == {}
