"""What the tests of the SDKs share, started once, on first use."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.clock import now_ms
from tests.support.board_system import Board, start_board
from tests.support.collector_system import Stack, start_stack
from tests.support.node import Chromium, Visitor, bundle, install_sdks
from tests.support.servers import Running
from tests.support.system import ROOT

ACCOUNTS = """\
    accounts:
      key: company
      stages: [{name: target, enter: 120, leave: 80, label: Target account, handoff: true}]
"""


@pytest.fixture(scope="package")
def stack(kafka: Running, redis_server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running Leadglow with its collector."""
    with start_stack(kafka, redis_server.address, tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="package")
def board(kafka: Running, redis_server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A running Leadglow with accounts, and its board, open to this machine."""
    card = tmp_path_factory.mktemp("board") / "scorecards.yaml"
    card.write_text(
        (ROOT / "scorecards.yaml").read_text().replace("    fit_max: 40\n", f"    fit_max: 40\n{ACCOUNTS}", 1)
    )
    with start_board(kafka, redis_server.address, f"board{now_ms()}", scorecards=str(card)) as running:
        yield running


@pytest.fixture(scope="package")
def sdks() -> Path:
    """The folder with the installed SDKs and our programs that use them."""
    return install_sdks()


@pytest.fixture(scope="package")
def chromium(sdks: Path) -> Iterator[Chromium]:
    """A browser; each test is a visitor of its own."""
    browser = Chromium(sdks)
    yield browser
    browser.stop()


@pytest.fixture
def visitor(chromium: Chromium) -> Iterator[Visitor]:
    """Somebody new."""
    somebody = chromium.visitor()
    yield somebody
    somebody.close()


@pytest.fixture(scope="package")
def bundled(sdks: Path) -> Callable[[str], str]:
    """One of the SDKs for browsers as a script element, by name."""
    return lambda name: "<script>" + bundle(sdks, f"{name}.js").replace("</script", r"<\/script") + "</script>"
