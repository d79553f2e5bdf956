"""What is kept compiled is kept for one state of the sources."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import streams

WHERE = "import numba, streams.scoring.compiled; print(numba.config.CACHE_DIR)"


def kept_in(folder: Path) -> Path:
    return Path(
        subprocess.run([sys.executable, "-c", WHERE], cwd=folder, check=True, capture_output=True).stdout.decode()
    )


def test_a_change_in_any_file_has_everything_compiled_anew(tmp_path: Path) -> None:
    copy = tmp_path / "streams"
    shutil.copytree(Path(streams.__path__[0]), copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = kept_in(tmp_path)
    assert before.name.startswith("compiled-")
    assert kept_in(tmp_path) == before
    with (copy / "calls.py").open("a") as calls:
        calls.write("# changed")
    assert kept_in(tmp_path) != before
