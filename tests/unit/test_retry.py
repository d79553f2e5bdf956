"""Which errors of the Redis client are worth a retry."""

from typing import Any

import pytest
from redis.exceptions import BusyLoadingError, ConnectionError, ResponseError

from streams.store.retry import UNREACHABLE, remedy


def error_of(use: str) -> AttributeError:
    nothing: Any = None
    with pytest.raises(AttributeError) as raised:
        getattr(nothing, use)
    return raised.value


@pytest.mark.parametrize("use", ["writelines", "drain"])
def test_a_connection_that_was_closed_while_it_was_written_to_is_one_that_is_away(use: str) -> None:
    assert remedy(error_of(use)) == UNREACHABLE


def test_what_repeating_cannot_help_is_not_repeated() -> None:
    assert remedy(error_of("anything_else")) is None
    assert remedy(ResponseError("WRONGTYPE Operation against a key")) is None


def test_what_passes_is_repeated() -> None:
    assert remedy(ConnectionError("Connection refused")) == UNREACHABLE
    assert "reads its data" in str(remedy(BusyLoadingError("LOADING Redis is loading the dataset in memory")))
