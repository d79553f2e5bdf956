"""Adds an entry to a list in a user's YAML file, keeping its layout and comments."""

import re
from pathlib import Path
from shutil import copymode

from app.cli.errors import CommandError
from app.private_files import write_private
from streams.exits import Exit


def add_entry(text: str, head: str, entry: str) -> str:
    """Return a file's text with an entry after the last one below ``head:``, where that is a line of its own."""
    lines = text.split("\n")
    at = next((number for number, line in enumerate(lines) if re.fullmatch(rf"{head}:\s*(#.*)?", line)), None)
    if at is None:
        return f"{text.rstrip()}\n\n{head}:\n  {entry}\n"
    last, indent = at, "  "
    for number, line in enumerate(lines[at + 1 :], at + 1):
        bare = line.lstrip()
        if not bare or bare.startswith("#"):
            continue
        if not line.startswith((" ", "-")):
            break
        if last == at:
            indent = line[: len(line) - len(bare)]
        last = number
    return "\n".join([*lines[: last + 1], indent + entry, *lines[last + 1 :]])


def replace_file(file: Path, text: str, private: bool = False) -> None:
    """Replace a file at once, as a process may read it at any moment; only the owner can read a new ``private`` one.

    Raises:
        CommandError: it cannot be written.
    """
    target = file.resolve()
    part = target.with_name(f".{target.name}.part")
    try:
        exists = target.exists()
        if private or exists:
            write_private(part, text)
        else:
            part.write_text(text, "utf-8")
        if exists:
            copymode(target, part)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CommandError(Exit.REFUSED, f"{file} cannot be written: {error.strerror}.") from None
