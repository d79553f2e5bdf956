"""A bound is lowered on a live system, put back, and everything is scored again, by the commands of an operator."""

from pathlib import Path

from tests.live.publication import Figures, Run
from tests.support.servers import Running
from tests.support.system import System


def test_a_lowered_bound_is_confirmed_undone_and_rebuilt(
    kafka: Running, redis_url: str, unique: str, tmp_path: Path
) -> None:
    file = tmp_path / "scorecards.yaml"
    system = System(kafka, redis_url, unique, scorecards=str(file), most_model_alerts="3")
    figures = Run(system, file, Figures(leads=500, workers=2)).run()
    assert figures.are_right, "\n".join(": ".join(row) for row in figures.rows())
