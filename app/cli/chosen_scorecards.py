"""Loads the scorecards that a command names: those of a file, or a published version."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.cli.errors import CommandError
from app.cli.file_commands import check_file
from app.cli.published import open_scorecards, require_topic
from app.settings import Settings
from streams.exits import Exit
from streams.publishing.catalog import IN_USE, Catalog, NotFound, Published
from streams.publishing.scorecards import Scorecards
from streams.scoring.rules import Rules

EITHER: Final = "a scorecard file, or a published version: its number, its first characters, or `published`"
"""For help texts."""
_VERSION: Final = re.compile(rf"{IN_USE}|[0-9]{{1,5}}|[0-9a-f]{{4,64}}")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Scorecards, and where they are from."""

    name: str
    """The path of the file, or ``version 3 (32995013a3b8)``."""
    scorecards: Scorecards
    file: Path | None
    """None for a published version."""

    @property
    def rules(self) -> Rules:
        """The scorecards, ready to run."""
        return self.scorecards.rules


def is_version(name: str) -> bool:
    """Whether a name means a published version: it looks like one, and no file is called so."""
    return _VERSION.fullmatch(name) is not None and not Path(name).is_file()


async def load_chosen(settings: Settings, names: Sequence[str]) -> list[Chosen]:
    """The scorecards of each name. Kafka is only asked if one is a published version.

    Raises:
        typer.Exit: a file has mistakes; all are printed.
        CommandError: a version cannot be found or read.
    """
    files = {name: load_from_file(settings, name) for name in names if not is_version(name)}
    if len(files) == len(set(names)):
        return [files[name] for name in names]
    await require_topic(settings)
    async with open_scorecards(settings) as topic:
        return [files.get(name) or _load_version(topic.catalog, name) for name in names]


def load_from_file(settings: Settings, name: str) -> Chosen:
    """The scorecards of a file.

    Raises:
        typer.Exit: it has mistakes; all are printed.
    """
    file = Path(name)
    return Chosen(name, check_file(lambda path: Scorecards.read_file(path, settings.lateness_ms), file), file)


def _load_version(catalog: Catalog, name: str) -> Chosen:
    found = _find(catalog, name)
    return Chosen(f"version {found.title}", catalog.scorecards(found.place), None)


def find_published(settings: Settings, catalog: Catalog, name: str) -> Published:
    """The publication that a command names: by its number, by the beginning of its version, or by a file with its text.

    Raises:
        typer.Exit: the file has mistakes; all are printed.
        CommandError: there is none.
    """
    if is_version(name) or not Path(name).exists():
        return _find(catalog, name)
    version = load_from_file(settings, name).scorecards.version
    if not catalog.has_version(version):
        message = f"{name} was never published: see `leadglow scorecards list`, or publish it."
        raise CommandError(Exit.CHECK_FAILED, message)
    return catalog.find(version)


def _find(catalog: Catalog, name: str) -> Published:
    try:
        return catalog.find(name)
    except NotFound as error:
        raise CommandError(Exit.CHECK_FAILED, f"{error}; see `leadglow scorecards list`.") from None
