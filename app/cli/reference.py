"""The page about every command, for docs/commands.md."""

from collections.abc import Iterator
from typing import Any

import typer

from app.cli.root import build
from streams.exits import Exit

WIDTH = 100
_HEAD = """\
# Commands

Made by `make docs`; a test keeps the two alike.

Every command takes its settings from the environment; see [settings.md](settings.md). A mistake is told in
one sentence on stderr that says what to do; results go to stdout.
"""


def commands_page() -> str:
    """Every command with its help, and the exit statuses, as Markdown."""
    statuses = [f"| {status} | {status.meaning} |" for status in Exit]
    table = "\n".join(["## Exit statuses", "", "| Status | Meaning |", "| --- | --- |", *statuses, ""])
    helps = (f"## {name}\n\n```text\n{text}\n```\n" for name, text in _helps())
    return "\n".join([_HEAD, table, *helps])


def _helps() -> Iterator[tuple[str, str]]:
    root: Any = typer.main.get_command(build())
    yield from _under(
        root, root.context_class(root, info_name="leadglow", max_content_width=WIDTH, terminal_width=WIDTH)
    )


def _under(command: Any, context: Any) -> Iterator[tuple[str, str]]:
    """The commands at and below one, in the order of ``--help``; a mere group is told by its members."""
    if not hasattr(command, "commands"):
        yield context.command_path, command.get_help(context)
        return
    for name in command.list_commands(context):
        member = command.commands[name]
        yield from _under(member, member.context_class(member, info_name=name, parent=context))
