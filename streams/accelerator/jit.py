"""Compile functions with Numba for any CPU, and cache the compiled code.

Each version of the sources has its own cache folder, in NUMBA_CACHE_DIR or beside the package. Numba itself looks for
changes only in the file of a function, but compiled code contains parts of other files.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from importlib import import_module
from inspect import getfile, isclass, isfunction
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

import llvmlite
import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, UserProvidedCacheLocator
from numba.extending import overload

PACKAGE: Final = "streams.accelerator"
COMPILED_AS_IS: Final = ("aiokafka.partitioner", "streams.scoring.bounds", "streams.scoring.buckets")
"""Modules outside the accelerator whose functions, if compiled code calls them, are compiled as they are."""
KEPT_FOLDERS: Final = 4
"""Number of recently used folders that are kept when a new one is made, for other branches and bounds-checked runs."""
_config: Any = numba.config
if _config.CPU_NAME is None:  # code for a generic CPU runs on every model, at no cost
    _config.CPU_NAME, _config.CPU_FEATURES = "generic", ""


def _outer_constants(source: bytes) -> Iterator[str]:
    """List the constants that a module imports from outside the accelerator; compiled code contains their values."""
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ImportFrom) or not (name := node.module or "").startswith("streams."):
            continue
        if not name.startswith(PACKAGE):
            module = import_module(name)
            yield from (f"{each.name}={getattr(module, each.name)!r}" for each in node.names if each.name.isupper())


def _find_folder() -> Path:
    package = Path(__file__).parent
    paths = [*sorted(package.rglob("*.py")), *(Path(getfile(import_module(name))) for name in COMPILED_AS_IS)]
    sources = [path.read_bytes() for path in paths]
    constants = [constant for source in sources for constant in _outer_constants(source)]
    compiler = [numba.__version__, llvmlite.__version__, sys.version, _config.BOUNDSCHECK, _config.OPT]
    state = blake2b(b"\0".join([*sources, repr([constants, compiler]).encode()]), digest_size=8).hexdigest()
    return Path(_config.CACHE_DIR or package.parent / "__pycache__") / f"compiled-{state}"


def _mark_used(folder: Path) -> None:
    """Create the folder if needed, and remove the least recently used ones beside it."""
    with suppress(OSError):  # read-only
        if not folder.is_dir():
            folder.mkdir(parents=True)
            others = sorted(folder.parent.glob("compiled-*"), key=lambda path: path.stat().st_mtime)
            for old in others[:-KEPT_FOLDERS]:
                rmtree(old, ignore_errors=True)  # a process that uses it compiles what it still needs
        os.utime(folder)


class _Locator(UserProvidedCacheLocator):
    """Uses our folder even if it is read-only; Numba itself would then compile everything again."""

    def ensure_cache_path(self) -> None:
        """Create the folder; ``save_overload`` handles a failure to write."""
        with suppress(OSError):
            Path(self._cache_path).mkdir(parents=True, exist_ok=True)


class _CacheImpl(CompileResultCacheImpl):
    _locator_classes: Any = (_Locator,)


class _Cache(FunctionCache):
    """Compiles again if a file is missing, damaged or inaccessible, in cases in which Numba itself raises."""

    _impl_class = _CacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load cached code; None if there is none."""
        with suppress(Exception):  # unpickling a damaged file may raise anything
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Cache compiled code, if possible."""
        with suppress(Exception):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


folder: Final = _find_folder()
_mark_used(folder)
_config.CACHE_DIR = str(folder)


def compiled(function: Any) -> Any:
    """Compile a function at its first call, and cache the code for the next process."""
    dispatcher = numba.njit(function)
    if not _config.DISABLE_JIT:
        dispatcher._cache = _Cache(function)  # type: ignore[no-untyped-call]
    return dispatcher


def _register(module: Any) -> None:
    """Let compiled code call the functions and methods of a module as if they were compiled."""
    for each in vars(module).values():
        for function in vars(each).values() if isclass(each) else [each]:
            if isfunction(function) and function.__module__ == module.__name__:
                overload(function, strict=False)(lambda *types, compiled=function: compiled)


for name in COMPILED_AS_IS:
    _register(import_module(name))
