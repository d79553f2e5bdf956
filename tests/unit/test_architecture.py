"""The rooms of the code: no circle of imports, one door to the accelerator, and modules that fit on a few screens."""

import ast
from graphlib import TopologicalSorter

import pytest

from docs.architecture import PACKAGES, ROOT, imports_of

MODULES = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
MAX_LINES = 300


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_import_each_other_in_no_circle(package: str) -> None:
    assert list(TopologicalSorter(imports_of(package)).static_order())


def test_only_the_chooser_imports_the_accelerator() -> None:
    importers = {room for room, rooms in imports_of("streams").items() if "streams.accelerator" in rooms}
    assert importers == {"streams.implementation"}


def test_every_module_is_described_by_its_first_line() -> None:
    first = {file: (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0] for file in MODULES}
    assert [str(file.relative_to(ROOT)) for file, line in first.items() if not line.endswith(".")] == []


def test_no_module_is_longer_than_three_hundred_lines() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}
