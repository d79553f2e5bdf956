"""Opens an export: one file, or several as one; JSON lines, compressed by gzip or not, or Parquet."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import IO

from app.backtest.export import BadExport, ExportFile
from app.backtest.parquet import is_parquet, write_json_lines


@contextmanager
def open_files(given: Sequence[Path], to_ms: int) -> Iterator[ExportFile]:
    """The events of these files, and of those that match a pattern such as ``events-*.jsonl``.

    Raises:
        BadExport: a file cannot be read as an export.
        OSError: a file cannot be read.
    """
    files = [file for each in given for file in _match(each)]
    if len(files) == 1 and not (_is_compressed(files[0]) or is_parquet(files[0])):
        yield ExportFile(files[0], to_ms)
        return
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as joined:
        begins: list[tuple[int, str]] = []
        for file in files:
            begins.append((joined.tell(), str(file)))
            _append(file, joined)
        joined.flush()
        yield ExportFile(Path(joined.name), to_ms, begins)


def _match(path: Path) -> list[Path]:
    return [path] if path.exists() else sorted(map(Path, glob(str(path)))) or [path]


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
