"""What is kept compiled is kept for one state of the sources."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import streams

CALLED = """
from streams.plain_json import scan
from streams.scoring import hashing, kernel, kernel_memory, kernel_reading, kernel_stored, kernel_windows, names
from streams.warm_up import warm_up

warm_up()
called = [
    scan, hashing.murmur2, kernel.apply, kernel_memory.forget, kernel_memory.unpack, kernel_reading.look,
    kernel_stored.encode, kernel_stored.room_for, kernel_windows.forget_windows, kernel_windows.take_in, names._add,
    names._find, names._move, names._place, names._remove,
]
print(*(function.py_func.__name__ for function in called if not function.signatures))
"""
"""What Python calls of the compiled functions that ``warm_up`` did not."""
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


def test_nothing_is_compiled_while_events_wait() -> None:
    done = subprocess.run([sys.executable, "-c", CALLED], check=True, capture_output=True)
    assert done.stdout.decode().strip() == ""
