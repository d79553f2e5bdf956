"""Writes tables, and replaces the generated parts of a page that is otherwise written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path


def fill(page: Path, parts: Mapping[str, str]) -> str:
    """The text of a page with what follows each of its markers made anew; ``parts`` is by the name of the marker."""
    text = page.read_text()
    for name, part in parts.items():
        begin, end = f"<!-- {name}: made by make docs -->\n", "<!-- end -->"
        before, found, rest = text.partition(begin)
        assert found, f"{page.name} has no place for {name}"
        text = f"{before}{begin}\n{part}\n{end}{rest.partition(end)[2]}"
    return text


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    heads = list(head)
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
