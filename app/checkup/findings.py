"""Findings of `doctor`: what is right, what may become a problem, what is wrong, each with its remedy. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding."""

    level: Level
    area: str
    text: str
    """One sentence; with the remedy, unless all is right."""


class Findings:
    """Collects the findings of one area."""

    def __init__(self, area: str) -> None:
        self._area = area
        self.found: list[Finding] = []

    def ok(self, text: str) -> None:
        """Add something that is right."""
        self.found.append(Finding(Level.OK, self._area, text))

    def warn(self, text: str) -> None:
        """Add something that may become a problem."""
        self.found.append(Finding(Level.WARNING, self._area, text))

    def fault(self, text: str) -> None:
        """Add something that is wrong."""
        self.found.append(Finding(Level.FAULT, self._area, text))


def has_faults(findings: Iterable[Finding]) -> bool:
    """Whether anything is wrong."""
    return any(each.level is Level.FAULT for each in findings)
