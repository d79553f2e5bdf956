"""Draws which room of the code imports which, from the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("app", "streams")
Imports = Mapping[str, frozenset[str]]
"""Room -> the rooms that it imports."""


def room_of(module: str) -> str:
    """The room of a module: its first two names, such as ``streams.shard``."""
    return ".".join(module.split(".")[:2])


def rooms_of(package: str) -> list[str]:
    """The packages and modules directly in a package."""
    entries = sorted((ROOT / package).iterdir())
    return [
        f"{package}.{entry.stem}"
        for entry in entries
        if (entry / "__init__.py").is_file() or (entry.suffix == ".py" and entry.stem != "__init__")
    ]


def imported_modules(file: Path) -> Iterator[str]:
    """Everything of ours that a file imports, by its full name."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in PACKAGES)


def imports_of(package: str) -> Imports:
    """The rooms of a package and what each imports; all rooms of another package count as that package."""
    found = {}
    for room in rooms_of(package):
        place = ROOT.joinpath(*room.split("."))
        files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
        modules = {module for file in files for module in imported_modules(file)}
        rooms = {room_of(module) if module.startswith(f"{package}.") else module.split(".")[0] for module in modules}
        found[room] = frozenset(rooms - {room, package})
    return found


def picture(package: str) -> str:
    """The rooms as a Mermaid flowchart, without single modules that import no other room."""
    own = {room: rooms - set(PACKAGES) for room, rooms in imports_of(package).items()}
    shown = {room for room, rooms in own.items() if rooms or ROOT.joinpath(*room.split(".")).is_dir()}
    lines = ["```mermaid", "flowchart TD"]
    for room in sorted(shown):
        lines.append(f"    {_name(room)}")
        lines += [f"    {_name(room)} --> {_name(target)}" for target in sorted(own[room] & shown)]
    return "\n".join([*lines, "```", ""])


def _name(room: str) -> str:
    return room.partition(".")[2]
