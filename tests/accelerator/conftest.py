"""Every test of compiled code runs with guard pages."""

from collections.abc import Iterator

import pytest

from tests.accelerator.guards import guard_pages


@pytest.fixture(autouse=True, scope="session")
def _guard_pages() -> Iterator[None]:
    with guard_pages():
        yield
