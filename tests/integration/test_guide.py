"""The commands of the guide that need servers; `make docs` and its test run all others."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from docs.guide_page import PAGE, commands, is_served, run_page
from tests.support.servers import Running
from tests.support.system import System


def test_the_card_of_the_guide_is_published_changed_and_rolled_back(
    kafka: Running, redis_url: str, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = PAGE.read_text()
    run_page(text, tmp_path)
    monkeypatch.chdir(tmp_path)
    system = System(kafka, redis_url, unique)
    assert system.run("topics", "create").exit_code == 0
    served = [shlex.split(line.partition(" #")[0].replace("NUMBER", "1")) for line in commands(text) if is_served(line)]
    results = [system.run(*words[1:], stdin="y\n") for words in served]

    refused = [result.output for result in results if result.exit_code != 0]
    assert [output.endswith("has no events.\n") for output in refused] == [True], refused  # the backtest
    assert system.run("scorecards", "show").stdout == Path("card.yaml").read_text()
