"""Bound how many ids and traits of leads the events of a public key may name on a day, in bounded memory. Pure.

Each new id makes a lead, which costs memory in Redis for weeks, and any trait may name another company for its lead. A
public key is visible to anybody, so without a bound a stranger could make as many leads and companies as its rate
allows calls: 86 million a day.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Any, Final

from xxhash import xxh3_128_intdigest

from app.collector.inbound import Call
from app.collector.rates import network_of
from streams.events.calls import traits_of
from streams.events.identities import identities, previous_identity, record_key
from streams.events.rejects import Refused
from streams.units import DAY_MS

MAX_ADDRESSES: Final = 50_000
"""Addresses of a key whose new ids are counted; those not seen for longest are forgotten."""
BITS: Final = 24
PROBES: Final = 16
"""Bits of a Bloom filter for each id, and how many of them an id sets: a full filter takes one new id in 100,000 for a
known one (Bloom, CACM 1970), so a key gets hardly more ids than its bound."""
MIN_BYTES: Final = 65_536
"""In a small filter, two ids set the same bits too often."""
REFUSED: Final = -1
REFUSED_ADDRESS: Final = -2
"""The key may name more, but not from this address."""
_SAME_DAY: Final = (0, 1)
"""How far the day may be ahead of the clock, which may step back over midnight."""
_HALF: Final = 2**64 - 1
_JOINING: Final = ("identify", "alias")


class KnownIds:
    """A set of ids in three bytes each, which may take a new id for a known one."""

    def __init__(self, most: int, seed: int) -> None:
        """Room for ``most`` ids; senders do not know ``seed``, so they cannot choose ids that look known."""
        self.most = most
        self._bits = bytearray(max(most * BITS // 8, MIN_BYTES))
        self._seed = seed

    def __contains__(self, one: str) -> bool:
        bits = self._bits
        return all(bits[at >> 3] & 1 << (at & 7) for at in self._places(one))

    def add(self, one: str) -> None:
        """Add an id."""
        for at in self._places(one):
            self._bits[at >> 3] |= 1 << (at & 7)

    def _places(self, one: str) -> list[int]:
        digest, size = xxh3_128_intdigest(one.encode(errors="replace"), self._seed), len(self._bits) * 8
        first, step = digest >> 64, digest & _HALF | 1
        return [(first + i * step) % size for i in range(PROBES)]


class _Day:
    """The ids of one key on one day."""

    def __init__(self, day: int, most: int, seed: int) -> None:
        self.day, self._seed = day, seed
        self._known = [KnownIds(most, seed)]
        self.count = 0
        self.by_address: OrderedDict[str, int] = OrderedDict()

    def __contains__(self, one: str) -> bool:
        return any(one in known for known in self._known)

    def make_room(self, most: int) -> None:
        """Have room for ``most`` ids: an overfull filter takes every id for a known one."""
        if most > self._known[-1].most:
            self._known.append(KnownIds(most, self._seed))

    def add(self, one: str) -> None:
        """Add an id."""
        self._known[-1].add(one)


class NewIds:
    """How many ids each key has named since midnight (UTC), in this process."""

    def __init__(self, seed: int) -> None:
        """Start with none."""
        self._seed = seed
        self._days: dict[str, _Day] = {}

    def admit(self, name: str, bounds: tuple[int, int], remote: str, ids: Sequence[str], now_ms: int) -> int:
        """How many of these ids are new today and known from now on; REFUSED or REFUSED_ADDRESS if that is too many.

        ``bounds`` are those of the key and of one address that uses it.
        """
        most, most_of_address = bounds
        today = self._today(name, most, now_ms)
        new = [each for each in ids if each not in today]
        if not new:
            return 0
        address = network_of(remote)
        of_address = today.by_address.pop(address, 0) + len(new)
        of_key = today.count + len(new)
        within = of_key <= most and of_address <= most_of_address
        today.by_address[address] = of_address if within else of_address - len(new)
        if len(today.by_address) > MAX_ADDRESSES:
            today.by_address.popitem(last=False)
        if not within:
            return REFUSED if of_key > most else REFUSED_ADDRESS
        today.count = of_key
        for each in new:
            today.add(each)
        return len(new)

    def inherit(self, old: NewIds, names: Collection[str]) -> None:
        """Take over what these keys have named."""
        self._seed, self._days = old._seed, {name: day for name, day in old._days.items() if name in names}

    def _today(self, name: str, most: int, now_ms: int) -> _Day:
        day, today = now_ms // DAY_MS, self._days.get(name)
        if today is None or today.day - day not in _SAME_DAY:
            today = self._days[name] = _Day(day, most, self._seed)
        today.make_room(most)
        return today


def ids_of(call: Call) -> list[str]:
    """The ids under which a call can make a lead; none if it names none, which intake rejects."""
    if call.get("type") not in _JOINING:
        owner = record_key(call).decode()
        return [owner] if owner else []
    return _joined_ids(call)


def traits_in(call: Call) -> list[str]:
    """The traits in a call as one text, as which scorecards would see them; none if it has none."""
    traits = traits_of(call)
    return [] if traits is None else [json.dumps(traits, sort_keys=True)]


def _joined_ids(call: dict[str, Any]) -> list[str]:
    try:
        known = [each.id for each in identities(call)]
    except Refused:
        return []
    previous = previous_identity(call)
    return list(dict.fromkeys([*known, *([previous.id] if previous is not None else [])]))
