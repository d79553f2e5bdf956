"""Every import of another distribution is declared in pyproject.toml, and everything declared is imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"app", "deploy", "docs", "streams", "tests"}
EXTRAS_OF = {"streams/accelerator": {"fast"}, "app/embedded": {"embedded"}, "app/backtest": {"parquet"},
             "app/calibrate": {"calibrate"}, "streams/transport": {"msk"}, "app/otlp.py": {"tracing"},
             "tests": {"test", "fast", "embedded", "parquet", "tracing"},
             "tests/benchmarks": {"bench"}, "tests/fuzz": {"fuzz"}}  # fmt: skip
"""Folder -> the extras that its files may need beside the dependencies."""
BY_OTHERS = {"cramjam", "hiredis"}
"""aiokafka compresses with the one, redis-py reads with the other; nothing imports them here."""
COMMANDS = {"lint", "audit"}
"""Extras of which commands are run and nothing is imported."""
NAMESPACES = {
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.proto": "opentelemetry-proto",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry": "opentelemetry-api",
}
"""Package -> its distribution, where several share a name; the first that fits counts."""
DISTRIBUTIONS = packages_distributions()


def declared(lines: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in lines}


NEEDED = declared(PROJECT["dependencies"])
EXTRAS = {extra: declared(lines) for extra, lines in PROJECT["optional-dependencies"].items()}


@cache
def imported(file: Path) -> frozenset[str]:
    """The distributions that a file imports from."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        for module in modules:
            found |= {canonicalize_name(name) for name in distributions_of(module)}
    return frozenset(found)


def distributions_of(module: str) -> list[str]:
    """The distributions that have a module; none for our own and the standard library's."""
    shared = [name for package, name in NAMESPACES.items() if f"{module}.".startswith(f"{package}.")]
    first = module.partition(".")[0]
    return shared[:1] or ([] if first in sys.stdlib_module_names | OURS else DISTRIBUTIONS.get(first, [first]))


def files_of(*folders: str) -> list[Path]:
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return files + [ROOT / name for name in folders if name.endswith(".py")]


def allowed_in(path: str) -> set[str]:
    extras = {extra for folder, some in EXTRAS_OF.items() if f"{path}/".startswith(f"{folder}/") for extra in some}
    return NEEDED.union(*(EXTRAS.get(extra, set()) for extra in extras))


def test_every_import_is_declared() -> None:
    undeclared = [
        f"{path} imports {name}"
        for file in files_of("app", "streams", "tests")
        for path in [file.relative_to(ROOT).as_posix()]
        for name in sorted({*imported(file)} - allowed_in(path))
    ]
    assert undeclared == []


def test_every_dependency_is_imported() -> None:
    assert NEEDED - {name for file in files_of("app", "streams") for name in imported(file)} == BY_OTHERS & NEEDED


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - COMMANDS))
def test_every_dependency_of_an_extra_is_imported(extra: str) -> None:
    folders = [folder for folder, extras in EXTRAS_OF.items() if extra in extras]
    assert EXTRAS[extra] - {name for file in files_of(*folders) for name in imported(file)} == set()


def test_every_declared_distribution_is_pinned_within_its_bounds() -> None:
    pins: dict[str, list[str]] = {}
    for name, pin in re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(), re.M):
        pins.setdefault(canonicalize_name(name), []).append(pin)
    lines = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    outside = [
        r
        for r in map(Requirement, lines)
        if not any(map(r.specifier.contains, pins.get(canonicalize_name(r.name), [])))
    ]
    assert outside == []
