"""Fuzzes the record scanner and the reader of stored leads: ``python -m tests.fuzz.accelerator scanner --seconds 600``.

Compiled code is not instrumented: coverage of the reference guides, and guard pages find what compiled code does wrong.
What fails is kept in ``build/fuzz``, and fails again with ``--input FILE``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType

import atheris

import streams.accelerator
from app.embedded.child import temporary_folder

KEPT = Path("build/fuzz")
COMPILED = [module.name for module in walk_packages(streams.accelerator.__path__, "streams.accelerator.")]
"""What cannot be instrumented."""


def main() -> None:
    """Fuzz for so long, or check one input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=("scanner", "blobs"))
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--input", type=Path, help="check this one alone")
    asked = parser.parse_args()
    assert "streams.scoring.stored" not in sys.modules, "the reference was imported before it could be instrumented"
    with atheris.instrument_imports(include=["streams"], exclude=COMPILED):
        guards = importlib.import_module("tests.accelerator.guards")
        with guards.guard_pages():
            target = importlib.import_module(f"tests.fuzz.{asked.target}")
    with guards.guard_pages():
        importlib.import_module("streams.accelerator.warm_up").warm_up()  # not while the fuzzer measures
        if asked.input:
            target.check(asked.input.read_bytes())
        else:
            _fuzz(target, asked.seconds)


def _fuzz(target: ModuleType, seconds: int) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    with temporary_folder("leadglow-fuzz-") as folder:
        atheris.Setup([sys.argv[0], *_options(folder, target.SEEDS, target.WORDS, seconds)], target.check)
        atheris.Fuzz()


def _options(folder: Path, seeds: list[bytes], words: list[bytes], seconds: int) -> list[str]:
    """The options of libFuzzer."""
    corpus, dictionary = folder / "corpus", folder / "words"
    corpus.mkdir()
    for i, seed in enumerate(seeds):
        (corpus / str(i)).write_bytes(seed)
    lines = ("".join(f"\\x{byte:02x}" for byte in word) for word in words)
    dictionary.write_text("".join(f'"{line}"\n' for line in lines))
    return [
        str(corpus), f"-dict={dictionary}", f"-max_total_time={seconds}", f"-artifact_prefix={KEPT}/",
        "-max_len=4096", "-print_final_stats=1", "-rss_limit_mb=4096", "-timeout=30",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
