"""What is kept compiled is kept for one state of the sources."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import streams

CALLED = """
from streams.accelerator.kernels.events import scan
from streams.accelerator import hashing
from streams.accelerator.kernels import apply as kernel
from streams.accelerator.kernels import memory as kernel_memory
from streams.accelerator.kernels import score as kernel_reading
from streams.accelerator.kernels import stored as kernel_stored
from streams.accelerator.kernels import windows as kernel_windows
from streams.accelerator import id_index
from streams.accelerator.warm_up import warm_up

warm_up()
called = [
    scan, hashing.murmur2, kernel.apply, kernel_memory.forget, kernel_memory.unpack, kernel_reading.look,
    kernel_stored.encode, kernel_stored.room_for, kernel_windows.forget_windows, kernel_windows.take_in, id_index._add,
    id_index._find, id_index._move, id_index._place, id_index._remove,
]
print(*(function.py_func.__name__ for function in called if not function.signatures))
"""
"""What Python calls of the compiled functions that ``warm_up`` did not."""
WHERE = "import numba, streams.accelerator.jit; print(numba.config.CACHE_DIR)"


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
