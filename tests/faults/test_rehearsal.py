"""A whole system under Prometheus: no panel of the dashboards is empty, and each way to break it has its alert."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.live.dashboards import find_empty, find_zeros, show_everything
from tests.live.operated import Operated, start_operated
from tests.live.rehearsal import PHASES, Rehearsal
from tests.support.prometheus import Prometheus
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("java", "mvn", "prometheus"))),
    reason="needs a broker to break (Java and Maven), and Debian's package prometheus",
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Operated, Prometheus]]:
    """The system, for all tests of this file."""
    with start_operated(tmp_path_factory.mktemp("operated")) as running:
        yield running


def test_no_panel_of_the_dashboards_is_empty(live: tuple[Operated, Prometheus]) -> None:
    made, prometheus = live
    hot = 'sum(leadglow_notify_alerts_total{outcome="delivered"}) >= 2'
    wait_for(lambda: prometheus.query(hot), "delivered")
    show_everything(made)

    wait_for(lambda: not find_empty(prometheus), "full", 60, lambda: "\n".join(map(str, find_empty(prometheus))))
    wait_for(lambda: not find_zeros(prometheus), "above 0", 60, lambda: "\n".join(find_zeros(prometheus)))


def test_each_of_ten_breaks_has_an_alert_that_fires_and_clears(live: tuple[Operated, Prometheus]) -> None:
    assert sum(map(len, PHASES)) == 10
    Rehearsal(*live).run()
