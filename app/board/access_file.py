"""Reads access files: who may see the board, and with which role."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from app.board.masking import ROLES
from streams.yamlfile.containers import list_of, named, struct_of
from streams.yamlfile.kinds import NAME, TEXT, VERSION, Field, Kind, Struct, matching, placed, private, report_repeated
from streams.yamlfile.load import Format
from streams.yamlfile.tree import Node, Report

MIN_SECRET_CHARS: Final = 32
EVERYBODY: Final = "everybody"
"""The group of everybody who passed the proxy."""
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its role."""

    name: str
    digest: str = field(repr=False)
    """SHA-256 of the token, in hex."""
    role: str


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that authenticates viewers; only it may set these headers."""

    user_header: str
    groups_header: str
    trusted: tuple[Network, ...]
    roles: dict[str, str]
    """Group -> role."""


@dataclass(frozen=True, slots=True)
class AccessFile:
    """The contents of an access file."""

    tokens: tuple[Token, ...] = ()
    proxy: Proxy | None = None
    secret: str = field(default="", repr=False)


def _read_role(node: Node, report: Report) -> str | None:
    if node.value in ROLES:
        return str(node.value)
    report.add(node, f"{node} is not a role", f"write {' or '.join(f'`{role}`' for role in ROLES)}")
    return None


def _read_network(node: Node, report: Report) -> Network | None:
    try:
        return ip_network(str(node.value))
    except ValueError:
        report.add(node, f"{node} is not a network", "write one such as `10.0.0.0/8`, or an address")
        return None


_ROLE = Kind(_read_role, {}, "viewer")
_HEADER = private("the name of a header", "one such as `X-Forwarded-User`", matching(r"[A-Za-z0-9-]{1,100}"))
_SHA256 = private(
    "the SHA-256 of a token: 64 of 0-9, a-f",
    "what `leadglow tokens new NAME` prints, never the token itself",
    matching(r"[0-9a-f]{64}"),
)
_SECRET = private(
    f"a secret of {MIN_SECRET_CHARS} to 1000 characters",
    "a random one, for example what `openssl rand -hex 32` prints, in quotes",
    matching(rf"[\s\S]{{{MIN_SECRET_CHARS},1000}}"),
)
_TOKEN = struct_of(
    "a token",
    {
        "name": Field(placed(NAME), "the name of its user", required=True),
        "sha256": Field(_SHA256, "the hash of the token", required=True),
        "role": Field(_ROLE, "the role; `viewer` if left out"),
    },
    "{name: ana, sha256: …, role: viewer}",
)
_PROXY = struct_of(
    "a proxy",
    {
        "user_header": Field(_HEADER, "the header with the user", required=True),
        "groups_header": Field(_HEADER, "the header with the groups"),
        "trusted": Field(
            list_of(Kind(_read_network, {}, "10.0.0.0/8")), "the networks that it sends from", required=True
        ),
        "roles": Field(named(TEXT, _ROLE, at_least=1), "group: role; `everybody` is everybody's group", required=True),
    },
    "{user_header: X-Forwarded-User, trusted: [10.0.0.0/8], roles: {everybody: viewer}}",
)
_FILE = struct_of(
    "an access file",
    {
        "leadglow_access": Field(VERSION, "the version of this format", required=True),
        "secret": Field(_SECRET, "hides ids from viewers; the same for all boards behind one address"),
        "tokens": Field(list_of(_TOKEN), "people and programs with a token"),
        "proxy": Field(_PROXY, "a proxy that authenticates viewers"),
    },
    "leadglow_access: 1",
)


def _check(file: Struct, report: Report) -> None:
    names = (token.get("name") for token in file.get("tokens", ()))
    report_repeated(names, lambda _: "the name", "give each its own", report)


def _access_of(file: Struct) -> AccessFile:
    tokens = (Token(t.get("name").value, t.get("sha256"), t.get("role", ROLES[0])) for t in file.get("tokens", ()))
    return AccessFile(tuple(tokens), _proxy_of(file.get("proxy")), file.get("secret", ""))


def _proxy_of(struct: Struct | None) -> Proxy | None:
    if struct is None:
        return None
    roles = {group: item.value for group, item in struct.get("roles").items()}
    return Proxy(struct.get("user_header"), struct.get("groups_header", ""), struct.get("trusted"), roles)


ACCESS_FORMAT: Final = Format(_FILE, _access_of, _check, discreet=True)
"""Access files."""
