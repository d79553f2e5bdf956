"""What the screen of a demo says about a changed scorecard file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rich.console import Console

from app.demo.card_file import CardFile
from app.demo.screen import View, render
from app.demo.servers import SCORECARD
from app.demo.watch import Seen
from streams.scorefile import load_file
from streams.scoring.rules import Rules

HELD = ("leadglow_scorecards_held_total", "")


def in_use(file: Path, held: int) -> dict[tuple[str, str], float]:
    """The metrics of a worker that uses this file, and held so many back."""
    return {("leadglow_scorecards_info", Rules(load_file(file)).version): 1.0, HELD: float(held)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "card.yaml"
    path.write_text(SCORECARD.read_text())
    return path


def change(file: Path, text: str) -> None:
    file.write_text(text)
    os.utime(file, ns=(1, 1 + len(text)))


async def test_a_file_that_is_held_back_is_shown_until_it_is_in_use(file: Path) -> None:
    card_file, used = CardFile(file, 50), in_use(file, 3)
    assert not await card_file.explain(used)
    change(file, SCORECARD.read_text() + "\n")
    assert not await card_file.explain(used)
    change(file, SCORECARD.read_text().replace("half_life: 20s", "half_life: 9d", 1))
    assert not await card_file.explain(used)  # the worker has yet to look at it
    assert "card.yaml is not in use: it would send more than 50 alerts" in await card_file.explain(used | {HELD: 4.0})
    assert not await card_file.explain(in_use(file, 4))
    assert not await card_file.explain(used | {HELD: 4.0})  # another version was published since


async def test_a_file_that_the_worker_saw_first_is_shown(file: Path) -> None:
    card_file, used = CardFile(file, 50), in_use(file, 0)
    assert not await card_file.explain(used)
    change(file, SCORECARD.read_text().replace("half_life: 20s", "half_life: 9d", 1))
    assert "is not in use" in await card_file.explain(used | {HELD: 1.0})


async def test_a_mistake_is_shown_with_its_line(file: Path) -> None:
    card_file, used = CardFile(file, 50), in_use(file, 0)
    change(file, "leadglow: 1\nsignal: {}\n")
    assert f"stays in use: {file}:1:1: " in await card_file.explain(used)


def test_the_screen_has_the_notice(capsys: pytest.CaptureFixture[str]) -> None:
    view = View(("hot",), Seen(), 1.0)
    view.notice = "card.yaml is not in use"
    Console(width=100, height=40).print(render(view, 0, 40))
    assert "card.yaml is not in use" in capsys.readouterr().out
