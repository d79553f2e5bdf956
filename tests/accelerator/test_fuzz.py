"""Run the seeds of the fuzzers, and each fuzzer for a few seconds; ``make fuzz`` takes ten minutes."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.fuzz import blobs, scanner


@pytest.mark.parametrize("seed", scanner.SEEDS)
def test_seeds_of_the_record_fuzzer(seed: bytes) -> None:
    scanner.check(seed)


@pytest.mark.parametrize("seed", blobs.SEEDS)
def test_seeds_of_the_blob_fuzzer(seed: bytes) -> None:
    blobs.check(seed)


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this system")
@pytest.mark.parametrize("target", ["scanner", "blobs"])
def test_a_few_seconds_of_fuzzing_find_nothing(target: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz.accelerator", target, "--seconds", "5"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:].decode(errors="replace")
