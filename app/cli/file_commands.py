"""Commands on files: check one, and make an entry (a key, a token) and add it to one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import typer

from app.cli.errors import CommandError
from app.cli.yaml_edit import add_entry, replace_file
from streams.counts import count_of
from streams.exits import Exit
from streams.yamlfile.load import YamlFileError

T = TypeVar("T")


def check_file(load: Callable[[Path], T], file: Path) -> T:
    """Load a file.

    Raises:
        typer.Exit: it has mistakes; all are printed.
    """
    try:
        return load(file)
    except YamlFileError as error:
        typer.echo("\n".join([str(error), *error.warnings]), err=True)
        typer.echo(count_of(len(error.mistakes), "mistake"), err=True)
        raise typer.Exit(Exit.CHECK_FAILED) from None


def print_secret(kind: str, secret: str, placed: str) -> None:
    """Print a secret alone on stdout, so that scripts can take it, and on stderr what it is and where it was added."""
    typer.echo(f"{kind}:", err=True)
    typer.echo(secret)
    typer.echo(f"\n{placed}", err=True)


@dataclass(frozen=True, slots=True)
class EntryFile(Generic[T]):
    """A kind of file with a list of secrets that a command adds entries to."""

    title: str
    """Of the file: ``keys file``."""
    entry: str
    """Of one entry: ``key``."""
    list_key: str
    start: Callable[[], str]
    """Makes the text of a new file, up to its first entry."""
    load_file: Callable[[Path], T]
    load_text: Callable[[str], T]
    names: Callable[[T], set[str]]
    """Names that are taken."""
    entries: Callable[[T], tuple[Any, ...]]
    rest: Callable[[T], Any]
    """Everything but the entries."""

    def make_entry(self, fields: Mapping[str, object]) -> str:
        """The line of an entry.

        Raises:
            typer.BadParameter: the file would not accept it.
        """
        line = "- {" + ", ".join(f"{name}: {json.dumps(value)}" for name, value in fields.items()) + "}"
        try:
            self.load_text(f"{self.start()}  {line}\n")
        except YamlFileError as error:
            raise typer.BadParameter("; ".join(f"{m.message}: {m.remedy}" for m in error.mistakes)) from None
        return line

    def place_entry(self, file: Path | None, name: str, line: str) -> str:
        """Add an entry to a file, or tell where to paste it; returns a sentence about it.

        Raises:
            CommandError: the entry cannot be added; the file is unchanged.
        """
        if file is None:
            return f"below `{self.list_key}:` in the {self.title}:\n  {line}"
        if not file.exists():
            replace_file(file, f"{self.start()}  {line}\n", private=True)
            return f"made {file} with this {self.entry}"
        try:
            before = self.load_file(file)
        except YamlFileError as error:
            raise CommandError(Exit.REFUSED, f"{error}\nCorrect the {self.title} first.") from None
        if name in self.names(before):
            raise CommandError(Exit.REFUSED, f"{file} has the name {name!r} already: choose another one.")
        text = add_entry(file.read_text("utf-8-sig"), self.list_key, line)
        if not self._has_one_more_entry(text, before):
            message = f"{file} has a layout that cannot be added to: make a {self.entry} without --file, and paste it."
            raise CommandError(Exit.REFUSED, message)
        replace_file(file, text)
        return f"added to {file}"

    def _has_one_more_entry(self, text: str, before: T) -> bool:
        """Whether a text has everything that the file had, and one entry more at the end."""
        try:
            after = self.load_text(text)
        except YamlFileError:
            return False
        entries = self.entries(after)
        same = self.rest(after) == self.rest(before) and entries[:-1] == self.entries(before)
        return same and len(entries) == len(self.entries(before)) + 1
