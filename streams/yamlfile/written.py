"""Writes a part of a YAML file on one line, for messages."""

from __future__ import annotations

import re

from streams.yamlfile.source import spell
from streams.yamlfile.tree import Node

_MAX_CHARS = 100


def write(node: Node) -> str:
    """A value as YAML on one line; `…` for nothing, and for what is too long for a message."""
    text = _write(node)
    return text if len(text) <= _MAX_CHARS else "…"


def _write(node: Node) -> str:
    if isinstance(node.value, dict):
        return f"{{{', '.join(f'{_write(key)}: {_write(value)}' for key, value in node.value.items())}}}"
    if isinstance(node.value, list):
        return f"[{', '.join(map(_write, node.value))}]"
    return "…" if node.value is None else spell(node.value)


def fill_remedy(remedy: str, key: Node, mapping: Node) -> str:
    """A remedy with the values of a key, and of the scalars beside it, in the place of names such as `$half_life`."""
    entries = mapping.value if "$" in remedy and isinstance(mapping.value, dict) else {}
    written = {
        str(each.value): write(value)
        for each, value in entries.items()
        if each is key or not isinstance(value.value, list | dict)
    }
    return re.sub(r"\$(\w+)", lambda found: written.get(found[1], "…"), remedy) if entries else remedy
