"""Rate limits by key and address: token buckets, in bounded memory. Pure: the time is an argument."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

MAX_ADDRESSES: Final = 50_000
"""Addresses with a bucket, over all keys; those not seen for longest are forgotten."""

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of calls per period. The bucket holds the calls of one period, and fills evenly."""

    calls: float
    period_s: float

    def __str__(self) -> str:
        return f"{self.calls:g} calls in {self.period_s:g} s"

    def share(self, part: float) -> Rate:
        """A fraction of it, at least one call per period."""
        return Rate(max(self.calls * part, 1.0), self.period_s)


class _Bucket:
    __slots__ = ("at_s", "tokens")

    def __init__(self, tokens: float, at_s: float) -> None:
        self.tokens = tokens
        self.at_s = at_s

    def refill(self, rate: Rate, now_s: float) -> int:
        """Add the tokens since the last call; return the whole seconds until one is available, 0 if one is.

        A clock that goes back adds nothing.
        """
        if now_s > self.at_s:
            filled = self.tokens + (now_s - self.at_s) * rate.calls / rate.period_s
            self.tokens = filled if filled < rate.calls else rate.calls
            self.at_s = now_s
        if self.tokens >= 1.0 - _ROUNDING:
            return 0
        return max(math.ceil((1.0 - self.tokens) * rate.period_s / rate.calls), 1)

    def spend(self, calls: int, rate: Rate) -> None:
        """Remove tokens, down to a debt of one period."""
        left = self.tokens - calls
        self.tokens = left if left > -rate.calls else -rate.calls


class Buckets:
    """The buckets of every key, and of every key and address.

    A request of any size is accepted while one token is left, and may leave a debt of at most one period's calls: a
    batch larger than the bucket is accepted, and the requests after it wait.
    """

    def __init__(self, most_addresses: int = MAX_ADDRESSES) -> None:
        """All buckets start full."""
        self._most = most_addresses
        self._keys: dict[str, _Bucket] = {}
        self._addresses: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def take_tokens(
        self, name: str, remote: str, rates: tuple[Rate | None, Rate | None], calls: int, now_s: float
    ) -> tuple[int, int]:
        """Take ``calls`` tokens from the bucket of a key and of an address, or from neither.

        ``rates`` are those of the key and of one address using it, None for no limit. Returns the whole seconds to wait
        for each of both; no token was taken unless both are 0.
        """
        rate, address_rate = rates
        of_key = of_address = None
        wait_s = address_wait_s = 0
        if rate is not None:
            of_key = self._of_key(name, rate, now_s)
            wait_s = of_key.refill(rate, now_s)
        if address_rate is not None:
            of_address = self._of_address((name, network_of(remote)), address_rate, now_s)
            address_wait_s = of_address.refill(address_rate, now_s)
        if not (wait_s or address_wait_s):
            if of_key is not None and rate is not None:
                of_key.spend(calls, rate)
            if of_address is not None and address_rate is not None:
                of_address.spend(calls, address_rate)
        return wait_s, address_wait_s

    def inherit(self, old: Buckets, names: Collection[str]) -> None:
        """Take over the old buckets of these keys."""
        self._keys = {name: bucket for name, bucket in old._keys.items() if name in names}
        rows = ((at, bucket) for at, bucket in old._addresses.items() if at[0] in names)
        self._addresses = OrderedDict(rows)

    def __len__(self) -> int:
        return len(self._keys) + len(self._addresses)

    def _of_key(self, name: str, rate: Rate, now_s: float) -> _Bucket:
        bucket = self._keys.get(name)
        if bucket is None:
            bucket = self._keys[name] = _Bucket(rate.calls, now_s)
        return bucket

    def _of_address(self, at: tuple[str, str], rate: Rate, now_s: float) -> _Bucket:
        bucket = self._addresses.get(at)
        if bucket is None:
            while len(self._addresses) >= self._most:
                self._addresses.popitem(last=False)
            bucket = self._addresses[at] = _Bucket(rate.calls, now_s)
        else:
            self._addresses.move_to_end(at)
        return bucket


def without_port(hop: str) -> str:
    """The address in ``8.8.4.4:5001`` or ``[::1]:80``, which some proxies write to X-Forwarded-For."""
    if hop.startswith("["):
        address, closing, _ = hop[1:].partition("]")
        return address if closing else hop
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


@lru_cache(maxsize=10_000)
def network_of(remote: str) -> str:
    """The addresses that share a bucket: one IPv4 address, or an IPv6 /64, which one customer controls."""
    try:
        address = ip_address(remote.partition("%")[0])
    except ValueError:
        return remote[:64]
    if not isinstance(address, IPv6Address):
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else f"{IPv6Address(int(address) >> 64 << 64)}/64"
