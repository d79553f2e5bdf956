"""Reads a scorecard file and validates it: every mistake at once, with line and column."""

from __future__ import annotations

from pathlib import Path

from streams.scorefile.checks import check
from streams.scorefile.grammar import FILE, json_schema
from streams.scorefile.models import model_of
from streams.scoring.scorecard import Model
from streams.yamlfile.tree import MAX_CHARS, Mistake, Report, parse

__all__ = ["Mistake", "ScorefileError", "json_schema", "load", "load_file", "read_text"]


class ScorefileError(Exception):
    """The scorecard file has mistakes; as text, one line each: ``name:line:column: message; remedy``."""

    def __init__(self, name: str, mistakes: list[Mistake]) -> None:
        self.name = name
        self.mistakes = mistakes
        super().__init__("\n".join(f"{name}:{m.line}:{m.column}: {m.message}; {m.remedy}" for m in self.mistakes))


def load(text: str, name: str = "scorecard.yaml") -> Model:
    """Read a scorecard file.

    Raises:
        ScorefileError: the file has at least one mistake; it carries all of them.
    """
    report = Report()
    root = parse(text, report)
    file = FILE.read(root, report) if root is not None else None
    if file is not None:
        check(file, report)
    if file is None or report.mistakes:
        raise ScorefileError(name, report.summary())
    return model_of(file)


def load_file(path: Path | str) -> Model:
    """Read a scorecard file from disk; a file that cannot be read is a ScorefileError, too."""
    return load(read_text(path), str(path))


def read_text(path: Path | str) -> str:
    """The text of a file.

    Raises:
        ScorefileError: it cannot be read, is no UTF-8, or too large.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_CHARS + 1)
        text = "" if len(data) > MAX_CHARS else data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ScorefileError(str(path), [_not_utf8(error)]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        mistake = Mistake(1, 1, f"the file cannot be read: {reason}", "check its path and permissions")
        raise ScorefileError(str(path), [mistake]) from None
    if len(data) > MAX_CHARS:
        mistake = Mistake(1, 1, "the file is too large", f"keep it below {MAX_CHARS} bytes")
        raise ScorefileError(str(path), [mistake])
    return text


def _not_utf8(error: UnicodeDecodeError) -> Mistake:
    before: bytes = error.object[: error.start]
    column = len(before) - before.rfind(b"\n")
    return Mistake(before.count(b"\n") + 1, column, "the file is not UTF-8", "save it as UTF-8")
