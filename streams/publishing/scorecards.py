"""A scorecard file as text, and ready to run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from streams.scorefile import parse
from streams.scoring.rules import Rules
from streams.yamlfile.load import read_text


@dataclass(frozen=True, slots=True)
class Scorecards:
    """A scorecard file as text, and ready to run."""

    text: str
    rules: Rules
    warnings: tuple[str, ...] = ()
    """About the file, one line each."""

    @classmethod
    def read_file(cls, path: Path, lateness_ms: int) -> Self:
        """Read a file.

        Raises:
            YamlFileError: it has mistakes.
        """
        return cls.parse_text(read_text(path), str(path), lateness_ms)

    @classmethod
    def parse_text(cls, text: str, name: str, lateness_ms: int) -> Self:
        """Parse the text of a file; mistakes are reported under ``name``.

        Raises:
            YamlFileError: it has mistakes.
        """
        reading = parse(text, name)
        return cls(text, Rules(reading.value, lateness_ms), reading.warnings)

    @property
    def version(self) -> str:
        """SHA-256 of the canonical form."""
        return self.rules.version
