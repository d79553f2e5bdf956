"""``leadglow keys``: makes a key for the collector, and checks the keys file."""

import secrets
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from app.cli.file_commands import EntryFile, check_file, print_secret
from app.collector.keyring import Key, Keyring, load_keys, parse_keys
from app.collector.webhooks import SERVICES
from app.private_files import load_private
from streams.counts import count_of

keys = typer.Typer(no_args_is_help=True, help="Keys of the collector.")
_KEYS_FILE: EntryFile[Keyring] = EntryFile(
    title="keys file",
    entry="key",
    list_key="keys",
    start=lambda: "leadglow_keys: 1\n\nkeys:\n",
    load_file=load_keys,
    load_text=parse_keys,
    names=lambda ring: {*(key.name for key in ring.keys), *ring.webhooks},
    entries=lambda ring: ring.keys,
    rest=lambda ring: (ring.webhooks, ring.link_secret),
)


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(keys, name="keys")


@keys.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the key in events and metrics.", metavar="NAME")],
    server: Annotated[
        bool, typer.Option("--server", help="Make a secret for servers instead of a public write key.")
    ] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Origin of pages that may use the key (repeatable), or `any` for apps and servers.",
        ),
    ] = None,
    rate: Annotated[str, typer.Option(metavar="RATE", help="Limit of calls, such as 200/s or 5000/m.")] = "",
    new_ids: Annotated[
        str, typer.Option(metavar="N/day", help="How many ids of leads its events may name on a day.")
    ] = "",
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Add the key to this keys file, which is created if missing.")
    ] = None,
) -> None:
    """Make a key.

    Prints the key alone on stdout, and adds its entry to a keys file or prints the entry to paste on stderr. A secret
    of a server is printed only once: the file contains only its SHA-256.
    """
    shown = f"lgs_{secrets.token_urlsafe(32)}" if server else f"wk_{secrets.token_urlsafe(16)}"
    fields: dict[str, object] = {"name": name}
    fields |= {"server": True, "sha256": sha256(shown.encode()).hexdigest()} if server else {"write_key": shown}
    fields |= {"origins": origin} if origin else {}
    fields |= {"rate": rate} if rate else {}
    fields |= {"new_ids": new_ids} if new_ids else {}
    line = _KEYS_FILE.make_entry(fields)
    placed = _KEYS_FILE.place_entry(file, name, line)
    kind = "secret (keep it now: it is not shown again)" if server else "write key (public: it may be part of a page)"
    print_secret(kind, shown, placed)


@keys.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="The keys file.")]) -> None:
    """Check a keys file.

    Prints all mistakes with line, column and remedy, and no secrets. Exit status 1 if there are any, or if the
    collector would refuse the file because others can read it.
    """
    ring = check_file(partial(load_private, partial(load_keys, services=SERVICES)), file)
    typer.echo(_summary(file, ring))


def _summary(file: Path, ring: Keyring) -> str:
    lines = [f"{file}: no mistakes", *(_line(key) for key in ring.keys)]
    lines += [f"webhook     {hook.name}: {hook.service}, at /webhooks/{hook.name}" for hook in ring.webhooks.values()]
    return "\n".join([*lines, f"links       {'signed' if ring.link_secret else 'no secret, so none can be made'}"])


def _line(key: Key) -> str:
    rate = f"{key.rate}" if key.rate is not None else "no limit of calls"
    rate += f", {key.address_rate} from one address" if key.address_rate is not None else ""
    if key.new_ids is not None:
        most, of_address = key.new_ids
        rate += f"; {count_of(most, 'new id')} a day"
        rate += f", {of_address:,} from one address" if of_address < most else ""
    if not key.public:
        return f"server key  {key.name}: {rate}"
    pages = "any sender" if key.any_origin else count_of(len(key.origins), "origin")
    return f"write key   {key.name}: {pages}; {rate}"
