"""Replaces the generated parts of a page that is otherwise written by hand."""

from __future__ import annotations

from collections.abc import Mapping
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
