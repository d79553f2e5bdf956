"""``leadglow tokens``: let somebody see the board, and check the file that says who may."""

import json
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from app.board import access_file
from app.board.access_file import AccessFile
from app.board.masking import ROLES, VIEWER
from app.cli.common import Fault
from app.cli.yaml_edit import with_entry, write
from streams.exits import Exit
from streams.scorefile import ScorefileError

tokens = typer.Typer(no_args_is_help=True, help="Who may see the board.")


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(tokens, name="tokens")


@tokens.command()
def new(
    name: Annotated[str, typer.Argument(help="Who it is for.", metavar="NAME")],
    role: Annotated[
        str, typer.Option(help=f"What they see: {' or '.join(ROLES)} (traits and addresses, too).", metavar="ROLE")
    ] = VIEWER,
    file: Annotated[Path | None, typer.Option(help="The access file to add it to; made if it is not there.")] = None,
) -> None:
    """Make a token for the board.

    Prints the token this once, and adds its line to an access file or prints it to be pasted there: the file holds only
    the SHA-256.
    """
    token = f"lgb_{secrets.token_urlsafe(32)}"
    fields = {"name": name, "sha256": sha256(token.encode()).hexdigest(), "role": role}
    entry = "- {" + ", ".join(f"{field}: {json.dumps(value)}" for field, value in fields.items()) + "}"
    try:
        access_file.read(f"{_start()}  {entry}\n")
    except ScorefileError as error:
        raise typer.BadParameter("; ".join(f"{m.message}: {m.remedy}" for m in error.mistakes)) from None
    done = f"below `tokens:` in the access file:\n  {entry}" if file is None else _put(file, name, entry)
    typer.echo(f"token (keep it now: it is not shown again):\n{token}\n\n{done}")


@tokens.command()
def check(file: Annotated[Path, typer.Argument(help="The access file.")]) -> None:
    """Check an access file.

    Prints every mistake at once, with line, column and remedy, and never a secret. Exit status 1 if there is any.
    """
    try:
        found = access_file.load(file)
    except ScorefileError as error:
        typer.echo(str(error), err=True)
        count = len(error.mistakes)
        typer.echo(f"{count} mistake{'s' if count > 1 else ''}", err=True)
        raise typer.Exit(Exit.CHECK_FAILED) from None
    typer.echo(_summary(file, found))


def _start() -> str:
    return f'leadglow_access: 1\nsecret: "{secrets.token_hex(32)}"\n\ntokens:\n'


def _put(file: Path, name: str, entry: str) -> str:
    """Add an entry to an access file, and tell what was done.

    Raises:
        Fault: the file cannot take it, and is as it was.
    """
    if not file.exists():
        write(file, f"{_start()}  {entry}\n", mode=0o600)
        return f"{file} made, with this token"
    try:
        before = access_file.load(file)
        if name in {token.name for token in before.tokens}:
            raise Fault(Exit.REFUSED, f"{file} has the name {name!r} already: choose another one.")
        text = with_entry(file.read_text("utf-8-sig"), "tokens", entry)
    except ScorefileError as error:
        raise Fault(Exit.REFUSED, f"{error}\nCorrect the access file first.") from None
    if not _adds(text, before):
        raise Fault(Exit.REFUSED, f"{file} is not laid out to be added to: make a token without --file, and paste it.")
    write(file, text)
    return f"added to {file}"


def _adds(text: str, before: AccessFile) -> bool:
    """Whether a text says all that was said before, and has one token more."""
    try:
        after = access_file.read(text)
    except ScorefileError:
        return False
    same = (after.proxy, after.secret, after.tokens[:-1]) == (before.proxy, before.secret, before.tokens)
    return same and len(after.tokens) == len(before.tokens) + 1


def _summary(file: Path, found: AccessFile) -> str:
    lines = [f"{file}: no mistakes", *(f"token  {token.name}: {token.role}" for token in found.tokens)]
    if found.proxy is not None:
        where = ", ".join(map(str, found.proxy.trusted))
        lines.append(f"proxy  {where}: {', '.join(f'{group} {role}' for group, role in found.proxy.roles.items())}")
    if not found.secret:
        lines.append("no `secret`: hidden ids and cursors are good until the board starts again, and at it alone")
    return "\n".join(lines)
