"""Runs the commands of docs/guide-marketing.md in a folder of their own, and writes what they print into the page."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

from typer.testing import CliRunner

from app.cli.root import build

PAGE = Path(__file__).parent / "guide-marketing.md"
SERVED = ("backtest", "publish", "list", "show", "rollback", "top")
"""Commands that need Kafka and Redis; they are run by tests/integration/test_guide.py."""
_BLOCK = re.compile(
    r"```yaml\n# (?P<file>\S+)(?P<how>, continued|, changed)?\n(?P<text>.*?)```|```sh\n(?P<commands>.*?)```", re.S
)
_OUTPUT = re.compile(r"(```sh\n(?:(?!```)[^\n]*\n)*```\n)(\n<!-- output -->\n.*?<!-- end -->\n)?", re.S)
"""A block of commands, and the place for what they print."""


def is_served(line: str) -> bool:
    """Whether a command needs servers."""
    return any(word in SERVED for word in line.split()[1:3])


def commands(text: str) -> Iterator[str]:
    """Every command of the page."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        yield from block.splitlines()


def run_line(line: str) -> str:
    """What a command prints.

    Raises:
        AssertionError: it fails although the page does not say so.
    """
    command, _, remark = line.partition(" #")
    program, *words = command.split()
    if program == "cp":
        shutil.copy(*words)
        return ""
    result = CliRunner().invoke(build(), words, env={"COLUMNS": "130"})
    assert (result.exit_code == 0) == ("fails" not in remark), f"{line}\n{result.output}"
    return "\n".join(text.rstrip() for text in result.output.splitlines())


def _write(file: Path, how: str | None, text: str) -> None:
    """Write a block of the page to its file; a changed line replaces the one with the same beginning."""
    if how == ", changed":
        start = text.partition("," if "," in text else ":")[0]
        lines = file.read_text().splitlines(keepends=True)
        assert sum(line.startswith(start) for line in lines) == 1, start
        text = "".join(text if line.startswith(start) else line for line in lines)
    else:
        text = f"# {file}{how or ''}\n{text}"  # as it is copied, so that lines have the numbers that commands print
    with file.open("a" if how == ", continued" else "w") as target:
        target.write(text)


def run_page(text: str, folder: Path) -> list[str]:
    """Write each file of the page and run each command, in order; what each block of commands prints."""
    outputs = []
    with chdir(folder):
        for block in _BLOCK.finditer(text):
            if block["file"]:
                _write(Path(block["file"]), block["how"], block["text"])
            else:
                lines = [line for line in block["commands"].splitlines() if not is_served(line)]
                outputs.append("\n".join(map(run_line, lines)))
    return outputs


def guide_page() -> str:
    """The page with the output of its commands made anew."""
    settings = [name for name in os.environ if name.startswith("LEADGLOW_")]  # noqa: TID251
    assert not settings, f"unset {settings}"
    text = PAGE.read_text()
    with tempfile.TemporaryDirectory() as folder:
        outputs = iter(run_page(text, Path(folder)))

    def fill(found: re.Match[str]) -> str:
        output = next(outputs)
        return f"{found[1]}\n<!-- output -->\n```text\n{output}\n```\n<!-- end -->\n" if found[2] else found[0]

    return _OUTPUT.sub(fill, text)
