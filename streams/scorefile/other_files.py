"""Recognizes a file that is no scorecard file, to name it in one message."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

from streams.yamlfile.tree import Mistake

_KEYS: Final = re.compile(r"""^[{ ]{,4}["']?([a-z_]+)["']?[ \t]*:""", re.M)
_OTHERS: Final = {
    "cases": "has cases, which test a scorecard file",
    "keys": "is a keys file, for the collector",
    "tokens": "is an access file, for the board",
    "costs": "is a file of costs, for the board",
    "routes": "is a file of routes, for `leadglow notify`",
}
"""A key at the first level -> the file that has it."""
_TITLES: Final = {".md": "a page of text in Markdown", ".html": "a web page", ".csv": "a table", ".jsonl": "events"}
_YAML: Final = ("", ".yaml", ".yml", ".txt", ".json")
_CASES: Final = ".tests.yaml"
_REMEDY: Final = "name a file that begins with `leadglow: 1` and has `signals:` and `scorecards:`"


def find_other_file(text: str, name: str) -> Mistake | None:
    """The one mistake of a file of another kind; None for what may be meant as a scorecard file."""
    ending = PurePath(name).suffix.casefold()
    if ending not in _YAML:
        title = _TITLES.get(ending, f"a `{ending}` file")
        return Mistake(1, 1, f"this file is {title}, and no scorecard file", _REMEDY)
    keys = set(_KEYS.findall(text))
    other = next((about for key, about in _OTHERS.items() if key in keys), None)
    if other is None or keys & {"signals", "scorecards"}:
        return None
    card = f"{name.removesuffix(_CASES)}.yaml"
    return Mistake(1, 1, f"this file {other}", f"name the file `{card}`" if name.endswith(_CASES) else _REMEDY)
