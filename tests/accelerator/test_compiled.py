"""Compiled code is cached for one version of the accelerator and can be used from a read-only folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import streams
from streams.accelerator import jit
from tests.support.containers import as_unknown_user, bare_environment
from tests.support.system import ROOT

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
    scan, hashing.murmur2, kernel.apply, kernel_memory.forget, kernel_memory.unpack, kernel_reading.read_leads,
    kernel_stored.encode, kernel_stored.room_for, kernel_windows.forget_windows, kernel_windows.load_windows,
    id_index._add, id_index._find, id_index._move, id_index._remove,
]
print(*(function.py_func.__name__ for function in called if not function.signatures))
"""
"""Prints the compiled functions that Python calls and that ``warm_up`` did not compile."""
COUNT = """
import llvmlite.binding
from numba.core import event

llvmlite.binding.get_host_cpu_name = lambda: "skylake"
llvmlite.binding.get_host_cpu_features = dict
from streams.accelerator.warm_up import warm_up

with event.install_recorder("numba:compile") as compiled:
    warm_up()
print(len(compiled.buffer) // 2)
"""
"""Prints how many functions are compiled on another CPU model."""
WHERE = "from streams.accelerator.jit import folder; print(folder)"


def run(code: str, cwd: Path = ROOT, **variables: str) -> str:
    argv = [*as_unknown_user(), sys.executable, "-c", code]
    env = bare_environment(**variables)
    return subprocess.run(argv, cwd=cwd, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@pytest.fixture
def kept() -> Iterator[Path]:
    """A read-only copy of the compiled code, as in a container image."""
    subprocess.run([sys.executable, "-c", CALLED], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        copy = Path(directory)
        shutil.copytree(jit.folder, copy / jit.folder.name)
        folders = [copy, *(path for path in copy.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        yield copy
        for folder in folders:
            folder.chmod(0o755)


def test_only_changes_of_compiled_code_or_of_constants_it_uses_cause_recompilation(tmp_path: Path) -> None:
    copy = tmp_path / "streams"
    shutil.copytree(Path(streams.__path__[0]), copy, ignore=shutil.ignore_patterns("__pycache__"))
    lead = copy / "scoring/lead.py"
    compiled = [copy / Path(*name.split(".")[1:]).with_suffix(".py") for name in jit.COMPILED_AS_IS]
    before = run(WHERE, tmp_path)
    assert Path(before).name.startswith("compiled-")

    for source in copy.rglob("*.py"):
        if "accelerator" not in source.parts and source not in compiled:
            source.write_text(source.read_text() + "\n# changed\n")
    assert run(WHERE, tmp_path) == before

    lead.write_text(lead.read_text() + "\nNEAR_MS += 1\n")
    constant = run(WHERE, tmp_path)
    assert constant != before

    states = {before, constant}
    for source in (copy / "accelerator/kernels/score.py", copy / "scoring/bounds.py", copy / "scoring/buckets.py"):
        source.write_text(source.read_text() + "\n# changed\n")
        states.add(run(WHERE, tmp_path))
    assert len(states) == 5


def test_a_read_only_cache_is_used_even_on_another_cpu(kept: Path) -> None:
    assert run(COUNT, NUMBA_CACHE_DIR=str(kept)) == "0"


def test_a_damaged_file_is_compiled_again(kept: Path) -> None:
    for damaged in kept.rglob("*murmur2*.nbc"):
        damaged.write_bytes(damaged.read_bytes()[:1000])

    assert run(COUNT, NUMBA_CACHE_DIR=str(kept)) == "1"


def test_old_cache_folders_are_removed(tmp_path: Path) -> None:
    for number in range(jit.KEPT_FOLDERS + 2):
        old = tmp_path / f"compiled-{number}"
        (old / "kernels").mkdir(parents=True)
        os.utime(old, (number, number))

    jit._mark_used(tmp_path / "compiled-new")

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "compiled-3",
        "compiled-4",
        "compiled-5",
        "compiled-new",
    ]


def test_warm_up_compiles_every_function_that_python_calls() -> None:
    done = subprocess.run([sys.executable, "-c", CALLED], check=True, capture_output=True)
    assert done.stdout.decode().strip() == ""
