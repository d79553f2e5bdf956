"""``leadglow tokens``: makes a token for the board, and checks the access file."""

import secrets
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from app.board.access_file import ACCESS_FORMAT, AccessFile
from app.board.masking import EDITOR, FULL, SALES, VIEWER
from app.cli.file_commands import EntryFile, check_file, print_secret
from app.private_files import load_private

tokens = typer.Typer(no_args_is_help=True, help="Tokens for the board.")
_ACCESS_FILE: EntryFile[AccessFile] = EntryFile(
    title="access file",
    entry="token",
    list_key="tokens",
    start=lambda: f'leadglow_access: 1\nsecret: "{secrets.token_hex(32)}"\n\ntokens:\n',
    load_file=ACCESS_FORMAT.load_file,
    load_text=ACCESS_FORMAT.load_text,
    names=lambda access: {token.name for token in access.tokens},
    entries=lambda access: access.tokens,
    rest=lambda access: (access.proxy, access.secret),
)


_ROLES = (
    f"Role: {VIEWER}, {FULL} (also sees traits and addresses), {SALES} (also gives verdicts about leads) or {EDITOR} "
    "(also publishes scorecards)."
)


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(tokens, name="tokens")


@tokens.command()
def new(
    name: Annotated[str, typer.Argument(help="Who will use it.", metavar="NAME")],
    role: Annotated[str, typer.Option(help=_ROLES, metavar="ROLE")] = VIEWER,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Add the token to this access file, which is created if missing."),
    ] = None,
) -> None:
    """Make a token for the board.

    Prints the token only once, alone on stdout, and adds its entry to an access file or prints the entry to paste on
    stderr: the file contains only the SHA-256.
    """
    token = f"lgb_{secrets.token_urlsafe(32)}"
    fields = {"name": name, "sha256": sha256(token.encode()).hexdigest(), "role": role}
    placed = _ACCESS_FILE.place_entry(file, name, _ACCESS_FILE.make_entry(fields))
    print_secret("token (keep it now: it is not shown again)", token, placed)


@tokens.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="The access file.")]) -> None:
    """Check an access file.

    Prints all mistakes with line, column and remedy, and no secrets. Exit status 1 if there are any, or if the board
    would refuse the file because others can read it.
    """
    found = check_file(partial(load_private, ACCESS_FORMAT.load_file), file)
    typer.echo(_summary(file, found))


def _summary(file: Path, found: AccessFile) -> str:
    lines = [f"{file}: no mistakes", *(f"token  {token.name}: {token.role}" for token in found.tokens)]
    if found.proxy is not None:
        where = ", ".join(map(str, found.proxy.trusted))
        lines.append(f"proxy  {where}: {', '.join(f'{group} {role}' for group, role in found.proxy.roles.items())}")
    if not found.secret:
        lines.append("no `secret`: hidden ids and cursors are valid only for one board, until it is restarted")
    return "\n".join(lines)
