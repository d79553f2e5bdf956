"""Reads and validates scorecard files; reports all mistakes at once, with line and column."""

from __future__ import annotations

from pathlib import Path

from streams.scorefile.checks import check
from streams.scorefile.grammar import FILE, json_schema
from streams.scorefile.models import model_of
from streams.scorefile.other_files import find_other_file
from streams.scoring.scorecard import Model
from streams.yamlfile.load import Format, Reading, YamlFileError, read_text
from streams.yamlfile.tree import Mistake

__all__ = ["Mistake", "YamlFileError", "json_schema", "load", "load_file", "parse", "read_file"]
_FORMAT = Format(FILE, model_of, check)


def load(text: str, name: str = "scorecard.yaml") -> Model:
    """Read the text of a scorecard file.

    Raises:
        YamlFileError: the text has mistakes; the error lists all of them.
    """
    return parse(text, name).value


def parse(text: str, name: str = "scorecard.yaml") -> Reading[Model]:
    """Parse the text of a scorecard file, with its warnings.

    Raises:
        YamlFileError: it has mistakes; a file of another kind has one that names it.
    """
    try:
        return _FORMAT.parse_text(text, name)
    except YamlFileError:
        other = find_other_file(text, name)
        if other is None:
            raise
    raise YamlFileError(name, [other])


def load_file(path: Path | str) -> Model:
    """Read a scorecard file from disk.

    Raises:
        YamlFileError: the file cannot be read, or has mistakes.
    """
    return read_file(path).value


def read_file(path: Path | str) -> Reading[Model]:
    """Read a scorecard file from disk, with its warnings.

    Raises:
        YamlFileError: it cannot be read, or has mistakes.
    """
    return parse(read_text(path), str(path))
