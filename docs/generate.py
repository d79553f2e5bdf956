"""Generates the pages and pictures of the documentation that are made from the code: `make docs` writes them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from app.cli.metrics_reference import metrics_page
from app.cli.reference import commands_page
from app.settings import settings_table
from docs.architecture import picture
from streams.scorefile.grammar import json_schema

ROOT = Path(__file__).parents[1]
DESIGN = ROOT / "docs/design.md"
PACKAGES = ("streams", "app")
WHOLE = {
    "app/board/templates": "Jinja templates of the board's pages.",
    "app/board/static/vendor": "Scripts and styles of others, with their licences.",
}
"""Folders that get one line for everything in them."""
COMMENT = re.compile(r"(?://|--|#|/\*|\{#)\s*(.*?)\s*(?:\*/|#\}|:)?$")
FILE_MAP_HEAD = """\
# File map

Made by `make docs` from the first line of each file; a test keeps the two alike.

`streams` is the engine, `app` the programs around it; `streams` never imports `app`.
[design.md](design.md#architecture) shows which room imports which.
"""


def first_line(file: Path) -> str:
    """The first line of a module's docstring, or of the comment that another file begins with; empty without one."""
    text = file.read_text(errors="replace")
    if file.suffix == ".py":
        docstring = ast.get_docstring(ast.parse(text))
        return docstring.splitlines()[0].replace("``", "`") if docstring else ""
    lines = [line for line in text.splitlines()[:2] if not line.startswith("#!")]
    found = COMMENT.match(lines[0]) if lines else None
    return found[1] if found else ""


def files_in(folder: Path) -> list[Path]:
    """The files of one folder, without ``__init__.py``."""
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name != "__init__.py")


def folders_under(folder: Path) -> Iterator[Path]:
    """A folder and those below it that have files."""
    if folder.name == "__pycache__":
        return
    if files_in(folder):
        yield folder
    for below in sorted(each for each in folder.iterdir() if each.is_dir()):
        yield from folders_under(below)


def file_map() -> str:
    """Every file of the engine and of the programs in one line, as Markdown."""
    sections = []
    for folder in (folder for package in PACKAGES for folder in folders_under(ROOT / package)):
        path = folder.relative_to(ROOT).as_posix()
        about = folder / "__init__.py"
        lines = [f"\n## {path}\n"]
        if path in WHOLE:
            lines.append(WHOLE[path])
        else:
            lines += [f"{first_line(about)}\n"] if about.is_file() else []
            for file in files_in(folder):
                said = first_line(file)
                lines.append(f"- [{file.name}](../{path}/{file.name}){said and f': {said}'}")
        sections.append("\n".join(lines))
    return "\n".join([FILE_MAP_HEAD.rstrip(), *sections]) + "\n"


def design_page() -> str:
    """The page about the design, with its pictures drawn anew."""
    page = DESIGN.read_text()
    for package in PACKAGES:
        begin, end = f"<!-- imports of {package}: made by make docs -->\n", "<!-- end -->"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}{picture(package)}{end}{rest.partition(end)[2]}"
    return page


def schema_file() -> str:
    """The JSON Schema of a scorecard file."""
    return json.dumps(json_schema(), indent=2) + "\n"


GENERATED: dict[str, Callable[[], str]] = {
    "docs/commands.md": commands_page,
    "docs/metrics.md": metrics_page,
    "docs/settings.md": settings_table,
    "docs/scorecard.schema.json": schema_file,
    "docs/file-map.md": file_map,
    "docs/design.md": design_page,
}
"""File -> its text."""


if __name__ == "__main__":
    for name, make in GENERATED.items():
        (ROOT / name).write_text(make())
