"""``make setup`` makes the environment anew, or leaves a working one as it was."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"
PYTHON = """#!/bin/sh
# A Python that makes an environment in which every program ends with $STATUS.
case "$*" in *venv*)
    rm -rf .venv && mkdir -p .venv/bin
    for name in python uv; do printf '#!/bin/sh\\nexit %s\\n' "$STATUS" >.venv/bin/$name; chmod +x .venv/bin/$name; done
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone whose environment works, and is older than pyproject.toml."""
    shutil.copy(MAKEFILE, tmp_path)
    for name in (".venv/.installed", ".venv/works", "constraints.txt", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    os.utime(tmp_path / ".venv/.installed", (0, 0))
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def set_up(folder: Path, status: int) -> "subprocess.CompletedProcess[str]":
    argv = ["make", "setup", "PYTHON=./python"]
    env = {"PATH": os.defpath, "STATUS": str(status)}
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_without_a_network_a_working_environment_stays(folder: Path) -> None:
    for _ in range(2):
        done = set_up(folder, 1)

        assert done.returncode != 0
        assert ".venv is as it was before" in done.stderr
        assert (folder / ".venv/works").exists()
        assert not (folder / ".venv.old").exists()


def test_a_changed_list_of_packages_makes_the_environment_anew(folder: Path) -> None:
    assert set_up(folder, 0).returncode == 0
    assert not (folder / ".venv/works").exists()
    assert not (folder / ".venv.old").exists()
    assert set_up(folder, 1).returncode == 0  # there is nothing to do


def test_a_first_installation_that_fails_is_tried_again(folder: Path) -> None:
    shutil.rmtree(folder / ".venv")

    assert set_up(folder, 1).returncode != 0
    assert set_up(folder, 0).returncode == 0


def test_an_environment_is_back_after_an_installation_that_was_killed(folder: Path) -> None:
    (folder / ".venv").rename(folder / ".venv.old")
    (folder / ".venv").mkdir()

    assert set_up(folder, 1).returncode != 0
    assert (folder / ".venv/works").exists()
