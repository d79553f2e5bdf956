"""Loads a YAML file: reads the text, applies the grammar, makes further checks and builds the value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from streams.yamlfile.kinds import Kind, Struct
from streams.yamlfile.parser import MAX_CHARS, parse
from streams.yamlfile.tree import Mistake, Report

T = TypeVar("T")


class YamlFileError(Exception):
    """A file has mistakes. The message has one line for each: ``name:line:column: message; remedy``."""

    def __init__(self, name: str, mistakes: list[Mistake], warnings: tuple[str, ...] = ()) -> None:
        self.name = name
        self.mistakes = mistakes
        self.warnings = warnings
        """As lines, of what is allowed but surprising."""
        super().__init__("\n".join(f"{name}:{m.line}:{m.column}: {m.message}; {m.remedy}" for m in self.mistakes))


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """The value of a file without mistakes, and its warnings, one line each."""

    value: T
    warnings: tuple[str, ...]


def _lines(name: str, warnings: list[Mistake]) -> tuple[str, ...]:
    return tuple(f"{name}:{w.line}:{w.column}: warning: {w.message}; {w.remedy}" for w in sorted(set(warnings)))


def _check_nothing(file: Struct, report: Report) -> None:
    """The check of a format that needs no further checks."""


@dataclass(frozen=True, slots=True)
class Format(Generic[T]):
    """A file format: scorecards, keys, access or costs."""

    grammar: Kind
    """Reads the whole file as a Struct."""
    build: Callable[[Struct], T]
    """Builds the value of a file without mistakes."""
    check: Callable[[Struct, Report], None] = _check_nothing
    """Reports mistakes that the grammar cannot find."""

    discreet: bool = False
    """Whether it has secrets: messages about its syntax do not repeat its text."""

    def load_file(self, path: Path | str) -> T:
        """Read a file from disk.

        Raises:
            YamlFileError: the file cannot be read or has mistakes; the error lists all of them.
        """
        return self.read_file(path).value

    def load_text(self, text: str, name: str = "text") -> T:
        """Parse the text of a file. Messages use ``name`` as the file name."""
        return self.parse_text(text, name).value

    def read_file(self, path: Path | str) -> Reading[T]:
        """Read a file from disk, as ``load_file`` does, with its warnings."""
        return self.parse_text(read_text(path), str(path))

    def parse_text(self, text: str, name: str) -> Reading[T]:
        """Parse the text of a file, as ``load_text`` does, with its warnings."""
        report = Report(discreet=self.discreet)
        root = parse(text, report)
        file: Struct | None = self.grammar.read(root, report) if root is not None else None
        if file is not None:
            self.check(file, report)
        warnings = _lines(name, report.warnings)
        if file is None or report.mistakes:
            raise YamlFileError(name, report.summary(), warnings)
        return Reading(self.build(file), warnings)


def read_text(path: Path | str) -> str:
    """Read the text of a file.

    Raises:
        YamlFileError: it cannot be read, is not UTF-8 or is too large.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_CHARS + 1)
        text = "" if len(data) > MAX_CHARS else data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlFileError(str(path), [_not_utf8(error)]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        mistake = Mistake(1, 1, f"the file cannot be read: {reason}", "check its path and permissions")
        raise YamlFileError(str(path), [mistake]) from None
    if len(data) > MAX_CHARS:
        mistake = Mistake(1, 1, "the file is too large", f"keep it below {MAX_CHARS} bytes")
        raise YamlFileError(str(path), [mistake])
    return text


def _not_utf8(error: UnicodeDecodeError) -> Mistake:
    before: bytes = error.object[: error.start]
    column = len(before) - before.rfind(b"\n")
    return Mistake(before.count(b"\n") + 1, column, "the file is not UTF-8", "save it as UTF-8")
