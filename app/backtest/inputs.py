"""Opens an export: one file, or several as one; JSON lines, compressed by gzip or not, or Parquet."""

from __future__ import annotations

import gzip
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from glob import glob
from pathlib import Path
from typing import IO, Final, NamedTuple

from app.backtest.export import HEAD_BYTES, BadExport, ExportFile
from app.backtest.parquet import is_parquet, write_json_lines

STDIN: Final = Path("-")


@contextmanager
def open_files(given: Sequence[Path], to_ms: int) -> Iterator[ExportFile]:
    """The events of files, as ``join_files`` reads them.

    Raises:
        BadExport: a file cannot be read as an export.
        OSError: a file cannot be read.
    """
    with join_files(given) as joined:
        yield ExportFile(joined.path, to_ms, joined.begins)


class Joined(NamedTuple):
    """Files as one file of JSON lines."""

    path: Path
    begins: list[tuple[int, str]]
    """Where each file begins, and its name."""

    @property
    def title(self) -> str:
        """The name of the first file, and how many others there are."""
        others = f" and {len(self.begins) - 1} more" if len(self.begins) > 1 else ""
        return self.begins[0][1] + others


@contextmanager
def join_files(given: Sequence[Path]) -> Iterator[Joined]:
    """The lines of these files, of those that match a pattern such as ``events-*.jsonl``, and of the input for ``-``.

    Raises:
        BadExport: a file is damaged, or of another kind.
        OSError: a file cannot be read.
    """
    with ExitStack() as stack:
        files = [file for each in given for file in _match(each, stack)]
        (first, name), *others = files
        if not (others or _is_compressed(first) or is_parquet(first)):
            yield Joined(first, [(0, name)])
            return
        joined = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".jsonl"))
        begins: list[tuple[int, str]] = []
        for file, name in files:
            begins.append((joined.tell(), name))
            _append(file, joined)
        joined.flush()
        yield Joined(Path(joined.name), begins)


def _match(path: Path, stack: ExitStack) -> list[tuple[Path, str]]:
    """The files that are meant, each with its name."""
    if path == STDIN:
        copy = stack.enter_context(tempfile.NamedTemporaryFile())  # noqa: SIM115 - the stack closes it
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        return [(Path(copy.name), "the standard input")]
    files = [path] if path.exists() else sorted(map(Path, glob(str(path)))) or [path]
    return [(file, str(file)) for file in files]


def read_head(path: Path, begin: int) -> bytes:
    """The first bytes of a part of a file, by which its kind is known."""
    with path.open("rb") as file:
        file.seek(begin)
        return file.read(HEAD_BYTES)


def _is_compressed(file: Path) -> bool:
    with file.open("rb") as lines:
        return lines.read(2) == b"\x1f\x8b"


def _append(file: Path, target: IO[bytes]) -> None:
    """Write the events of a file to the end of another one, which ends with a line break then."""
    if is_parquet(file):
        write_json_lines(file, target)
        return
    try:
        with gzip.open(file) if _is_compressed(file) else file.open("rb") as lines:
            shutil.copyfileobj(lines, target)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadExport(file, "is damaged", str(error)) from None
    target.write(b"\n")
