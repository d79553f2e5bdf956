"""Which addresses messages may go to: no private ones, unless the routes file allows their network.

A name is resolved once for each connection. All its addresses are checked, and the connection goes to one of these; so
a name cannot point elsewhere between check and connection.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

Network = IPv4Network | IPv6Network
Lookup = Callable[[str, int], Awaitable[list[tuple[Any, ...]]]]
"""As ``loop.getaddrinfo`` for TCP."""


class ForbiddenAddress(OSError):
    """The address of a destination is private, and the routes file does not allow it."""


async def look_up(host: str, port: int) -> list[tuple[Any, ...]]:
    """All addresses of a name, by the resolver of the system."""
    return list(await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))


def is_allowed(text: str, networks: Sequence[Network]) -> bool:
    """Whether messages may go to an address."""
    try:
        address = _unwrapped(ip_address(text.partition("%")[0]))
    except ValueError:
        return False
    if any(address in network for network in networks):
        return True
    return address.is_global and not address.is_multicast and not address.is_reserved


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside an IPv6 one: mapped, of 6to4, of Teredo, or of NAT64."""
    if not isinstance(address, IPv6Address):
        return address
    if address.packed[:12] == bytes.fromhex("0064ff9b") + bytes(8):
        return IPv4Address(address.packed[12:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


async def resolve_allowed(
    host: str, port: int, networks: Sequence[Network], lookup: Lookup = look_up
) -> list[tuple[Any, ...]]:
    """The addresses of a name, as ``getaddrinfo`` returns them.

    Raises:
        ForbiddenAddress: at least one of them is not allowed.
        OSError: it cannot be resolved.
    """
    found = await lookup(host, port)
    if not found or not all(is_allowed(row[4][0], networks) for row in found):
        msg = "an address of the destination is private: list its network in `allow_networks` if it is meant"
        raise ForbiddenAddress(msg)
    return found


class AllowedResolver(AbstractResolver):
    """Resolves names for aiohttp, which connects only to the addresses that it gets."""

    def __init__(self, networks: Sequence[Network], lookup: Lookup = look_up) -> None:
        """Allow public addresses and ``networks``."""
        self._networks = networks
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """All addresses of a name.

        Raises:
            ForbiddenAddress: at least one of them is not allowed.
        """
        rows = await resolve_allowed(host, port, self._networks, self._lookup)
        return [
            ResolveResult(
                hostname=host,
                host=row[4][0],
                port=port,
                family=row[0],
                proto=row[2],
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for row in rows
        ]

    async def close(self) -> None:
        """Nothing is kept."""


def socket_maker(networks: Sequence[Network]) -> Callable[[Any], socket.socket]:
    """Makes the sockets of aiohttp, also for URLs with an address in place of a name, which it does not resolve."""

    def make(row: Any) -> socket.socket:
        family, kind, proto, _, sockaddr = row
        if not is_allowed(str(sockaddr[0]), networks):
            msg = "the address is private: list its network in `allow_networks` if it is meant"
            raise ForbiddenAddress(msg)
        return socket.socket(family=family, type=kind, proto=proto)

    return make
