"""The demo's processes, without starting any."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.demo.servers import BOARD_PORT, SCORECARD, servers
from app.demo.stack import Stack, move_board
from app.settings import Settings
from streams.transport.topics import Topics


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The settings of every process that is started."""
    found: list[dict[str, str]] = []
    monkeypatch.setattr("app.demo.stack.Server", lambda argv, port, own, env: found.append(env))
    return found


def ended_board(directory: Path, said: str) -> Stack:
    """A demo whose board ended with these words."""
    log = directory / "board.log"
    log.write_text(said)
    board: Any = SimpleNamespace(process=SimpleNamespace(poll=lambda: 78), log_path=log)
    nothing: Any = None
    return Stack(Settings(board_port=BOARD_PORT), Topics(), nothing, {}, {"board": board})


def test_a_board_starts_on_another_port_if_its_own_is_in_use(tmp_path: Path, started: list[dict[str, str]]) -> None:
    stack = ended_board(tmp_path, "cannot listen (address in use): name another port in LEADGLOW_BOARD_PORT")

    move_board(stack, tmp_path)

    [env] = started
    assert env["LEADGLOW_BOARD_PORT"] != str(BOARD_PORT)
    assert stack.board.endswith(f":{env['LEADGLOW_BOARD_PORT']}")


def test_a_board_that_ended_for_another_reason_is_not_started_again(
    tmp_path: Path, started: list[dict[str, str]]
) -> None:
    move_board(ended_board(tmp_path, "Traceback"), tmp_path)

    assert started == []


async def test_a_demo_scores_with_the_file_that_it_is_given() -> None:
    given = Path(__file__).parents[2] / "scorecards.yaml"
    async with servers(Settings(), "kafka.example:9092", "redis://redis.example", given) as settings:
        assert settings.scorecards == given
    async with servers(Settings(), "kafka.example:9092", "redis://redis.example") as settings:
        assert settings.scorecards == SCORECARD
