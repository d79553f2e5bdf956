"""Composes YAML nodes within limits, and stops reading at once where a file exceeds them."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.nodes import Node

MAX_NODES = 40_000
"""Each takes up to 0.1 ms to read. A scorecard file with 1,000 signals has about 10,000, a keys file 8 for each key."""
MAX_DEPTH = 32


class LimitError(Exception):
    """The document is too large or nested too deeply: line, column, message, remedy."""

    def __init__(self, line: int, column: int, deep: bool) -> None:
        message = "values are nested too deeply" if deep else f"there are more than {MAX_NODES} values"
        super().__init__(line, column, message, "shorten the file, and do not use anchors and aliases")


class _Composer(Composer):
    """Counts nodes while they are read."""

    nodes = 0
    level = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose one node and all below it."""
        self.nodes += 1
        self.level += 1
        if self.nodes > MAX_NODES or self.level > MAX_DEPTH:
            mark = self.loader.parser.peek_event().start_mark
            raise LimitError(mark.line + 1, mark.column + 1, self.level > MAX_DEPTH)
        node = super().compose_node(parent, index)
        self.level -= 1
        return node


def compose(text: str) -> Node | None:
    """The root of a document; None if it is empty.

    Raises:
        LimitError: the document exceeds a limit.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Composer
    root: Node | None = yaml.compose(text)
    return root
