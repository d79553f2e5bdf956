"""``leadglow keys``: make a key for the collector, and check the file that holds them."""

import json
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from app.cli.common import Fault
from app.cli.yaml_edit import with_entry, write
from app.collector.keyring import Key, KeyRing, KeysError, load, read
from app.collector.webhooks import SERVICES
from streams.exits import Exit

keys = typer.Typer(no_args_is_help=True, help="Keys of the collector.")
_START = "leadglow_keys: 1\n\nkeys:\n"


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(keys, name="keys")


@keys.command()
def new(
    name: Annotated[str, typer.Argument(help="What events and metrics call it.", metavar="NAME")],
    server: Annotated[bool, typer.Option("--server", help="A secret for servers, not a public write key.")] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="The origin of pages that may use the key; again for more; `any` for apps and servers.",
        ),
    ] = None,
    rate: Annotated[str, typer.Option(metavar="RATE", help="The most calls, such as 200/s or 5000/m.")] = "",
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The keys file to add it to; made if it is not there.")
    ] = None,
) -> None:
    """Make a key.

    Prints the key, and adds its line to a keys file or prints it to be pasted there. A server's secret is shown this
    once: the file holds only its SHA-256.
    """
    shown = f"lgs_{secrets.token_urlsafe(32)}" if server else f"wk_{secrets.token_urlsafe(16)}"
    fields: dict[str, object] = {"name": name}
    fields |= {"server": True, "sha256": sha256(shown.encode()).hexdigest()} if server else {"write_key": shown}
    fields |= {"origins": origin} if origin else {}
    fields |= {"rate": rate} if rate else {}
    entry = "- {" + ", ".join(f"{field}: {json.dumps(value)}" for field, value in fields.items()) + "}"
    try:
        read(f"{_START}  {entry}\n")
    except KeysError as error:
        raise typer.BadParameter("; ".join(f"{m.message}: {m.remedy}" for m in error.mistakes)) from None
    done = f"below `keys:` in the keys file:\n  {entry}" if file is None else _put(file, name, entry)
    what = "secret (keep it now: it is not shown again)" if server else "write key (public: it may stand in a page)"
    typer.echo(f"{what}:\n{shown}\n\n{done}")


def _put(file: Path, name: str, entry: str) -> str:
    """Add an entry to a keys file, and tell what was done.

    Raises:
        Fault: the file cannot take it, and is as it was.
    """
    if not file.exists():
        write(file, f"{_START}  {entry}\n")
        return f"{file} made, with this key"
    try:
        before = load(file)
    except KeysError as error:
        raise Fault(Exit.REFUSED, f"{error}\nCorrect the keys file first.") from None
    if name in {*(key.name for key in before.keys), *before.webhooks}:
        raise Fault(Exit.REFUSED, f"{file} has the name {name!r} already: choose another one.")
    text = with_entry(file.read_text("utf-8-sig"), "keys", entry)
    if not _adds(text, before):
        raise Fault(Exit.REFUSED, f"{file} is not laid out to be added to: make a key without --file, and paste it.")
    write(file, text)
    return f"added to {file}"


def _adds(text: str, before: KeyRing) -> bool:
    """Whether a text says all that was said before, and has one key more."""
    try:
        after = read(text)
    except KeysError:
        return False
    same = (after.webhooks, after.link_secret) == (before.webhooks, before.link_secret)
    return same and len(after.keys) > len(before.keys) and after.keys[:-1] == before.keys


@keys.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="The keys file.")]) -> None:
    """Check a keys file.

    Prints every mistake at once, with line, column and remedy, and never a secret. Exit status 1 if there is any.
    """
    try:
        ring = load(file, SERVICES)
    except KeysError as error:
        typer.echo(str(error), err=True)
        count = len(error.mistakes)
        typer.echo(f"{count} mistake{'s' if count > 1 else ''}", err=True)
        raise typer.Exit(Exit.CHECK_FAILED) from None
    typer.echo(_summary(file, ring))


def _summary(file: Path, ring: KeyRing) -> str:
    lines = [f"{file}: no mistakes", *(_line(key) for key in ring.keys)]
    lines += [f"webhook     {hook.name}: {hook.service}, at /webhooks/{hook.name}" for hook in ring.webhooks.values()]
    return "\n".join([*lines, f"links       {'signed' if ring.link_secret else 'no secret: none can be made'}"])


def _line(key: Key) -> str:
    rate = f"{key.rate.calls:g} calls in {key.rate.period_s:g} s" if key.rate is not None else "no limit"
    if not key.public:
        return f"server key  {key.name}: {rate}"
    pages = "any sender" if key.any_origin else f"{len(key.origins)} origin{'s' if len(key.origins) > 1 else ''}"
    return f"write key   {key.name}: {pages}; {rate}"
