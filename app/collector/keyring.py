"""The keys in force: they admit requests or refuse them. Pure, except for reading the keys file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from secrets import randbits
from types import MappingProxyType
from typing import Any, Final

from app.collector.inbound import Refusal
from app.collector.keys_file import ANY, FILE, ServiceFields, check_keys
from app.collector.new_ids import NewIds
from app.collector.origins import Origin, parse_origin
from app.collector.rates import Buckets, Rate
from streams.yamlfile.kinds import Struct
from streams.yamlfile.load import Format

PUBLIC_RATE: Final = Rate(1000.0, 1.0)
"""The rate of a public key without `rate`."""
PUBLIC_NEW_IDS: Final = 100_000
"""How many ids a public key without `new_ids` may name on a day."""
ADDRESS_SHARE: Final = 0.1
"""Share of one address in the bounds of a key of web pages: of its rate without `address_rate`, of its new ids."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public write key, or a server key."""

    name: str
    public: bool
    origins: tuple[Origin, ...] = ()
    """The pages that may use a public key; empty for a key with any origin, and for a server key."""
    any_origin: bool = False
    rate: Rate | None = None
    """For all senders together."""
    address_rate: Rate | None = None
    """For one address."""
    write_key: str = field(default="", repr=False)
    """Empty for a server key."""
    digest: str = field(default="", repr=False)
    """The SHA-256 of a server key's secret, in hex."""
    new_ids: tuple[int, int] | None = None
    """How many ids its events may name on a day, and those of one address; None for any number."""

    def allows(self, origin: Origin | None) -> bool:
        """Whether a page of this origin may use the key."""
        return self.any_origin or (origin is not None and any(each.covers(origin) for each in self.origins))


@dataclass(frozen=True, slots=True)
class Webhook:
    """The webhook of a mail service."""

    name: str
    service: str
    options: Mapping[str, str] = field(repr=False)
    """The service's own fields, which include secrets."""


class Keyring:
    """All keys, and the usage of each."""

    def __init__(self, keys: Iterable[Key], webhooks: Iterable[Webhook] = (), link_secret: bytes = b"") -> None:
        """Names, write keys and hashes are unique."""
        self.keys = tuple(keys)
        self.webhooks: Mapping[str, Webhook] = MappingProxyType({hook.name: hook for hook in webhooks})
        self.link_secret = link_secret
        """Signs the targets of links; empty if the file has none."""
        self._public = {key.write_key: key for key in self.keys if key.public}
        self._servers = [(key.digest.encode(), key) for key in self.keys if not key.public]
        self._any_origin = any(key.any_origin for key in self.keys)
        self._buckets = Buckets()
        self._new_ids = NewIds(randbits(64))
        self._new_traits = NewIds(randbits(64))

    def admit(
        self, write_key: str, origin: str, remote: str, calls: int, now_s: float, *, in_query: bool = False
    ) -> Key:
        """Admit a request and count its calls.

        Args:
            write_key: the key that the sender gave, empty if none.
            origin: the header ``Origin``, empty if missing.
            remote: the sender's address.
            calls: the number of calls in the request.
            now_s: a monotonic clock, in seconds.
            in_query: whether the key was in the URL.

        Raises:
            Refusal: 401 ``unknown_key``, 403 ``origin_not_allowed`` or ``secret_in_url``, 429 ``too_many_events``.
        """
        key = self._key_of(write_key)
        if in_query:
            self.check_public(write_key)
        if key.public and not key.any_origin and not key.allows(parse_origin(origin)):
            raise Refusal(403, "origin_not_allowed", _not_allowed(key, origin))
        waits_s = self._buckets.take_tokens(key.name, remote, (key.rate, key.address_rate), calls, now_s)
        if any(waits_s):
            raise _too_many(key, *waits_s)
        return key

    def admit_ids(self, key: Key, remote: str, ids: Sequence[str], now_ms: int) -> int:
        """How many of the ids in a call are the first of their kind today; negative if the key may name no more."""
        return 0 if key.new_ids is None else self._new_ids.admit(key.name, key.new_ids, remote, ids, now_ms)

    def admit_traits(self, key: Key, remote: str, traits: Sequence[str], now_ms: int) -> int:
        """The same for the traits in a call, of which the key may name as many sets as ids."""
        return 0 if key.new_ids is None else self._new_traits.admit(key.name, key.new_ids, remote, traits, now_ms)

    def check_public(self, write_key: str) -> str:
        """Return a key from a URL, unless it is a server key, which must not be in a URL.

        Raises:
            Refusal: 403 ``secret_in_url``.
        """
        if write_key not in self._public and self._server_key_of(write_key) is not None:
            raise Refusal(403, "secret_in_url", _IN_URL)
        return write_key

    def allows_origin(self, origin: str) -> bool:
        """Whether any public key allows this origin; for preflights, which have no key."""
        if self._any_origin:
            return True
        parsed = parse_origin(origin)
        return any(key.allows(parsed) for key in self._public.values())

    def inherit_usage(self, old: Keyring) -> None:
        """Take over the usage of each key from the keyring before this one."""
        names = {key.name for key in self.keys}
        self._buckets.inherit(old._buckets, names)
        self._new_ids.inherit(old._new_ids, names)
        self._new_traits.inherit(old._new_traits, names)

    def _key_of(self, shown: str) -> Key:
        if not shown:
            raise Refusal(401, "unknown_key", _NO_KEY)
        public = self._public.get(shown)
        if public is not None:
            return public
        server = self._server_key_of(shown)
        if server is None:
            raise Refusal(401, "unknown_key", _UNKNOWN)
        return server

    def _server_key_of(self, shown: str) -> Key | None:
        digest = sha256(shown.encode("utf-8", "surrogatepass")).hexdigest().encode()
        found = [key for known, key in self._servers if compare_digest(known, digest)]
        return found[0] if found else None


_NO_KEY = "the request has no write key: send it as the user name of basic authentication, or as `writeKey`"
_UNKNOWN = "the write key is unknown: compare it with the collector's keys file"
_IN_URL = (
    "a server key must not be in a URL, because logs and histories keep URLs: send it as the user name of basic "
    "authentication, and replace this one"
)


def _too_many(key: Key, wait_s: int, address_wait_s: int) -> Refusal:
    if wait_s >= address_wait_s:
        message = f"the key `{key.name}` sends more than its rate allows ({key.rate}): send again in {wait_s} s"
    else:
        message = (
            f"this address sends more than the address_rate of the key `{key.name}` allows ({key.address_rate}): "
            f"send again in {address_wait_s} s"
        )
    return Refusal(429, "too_many_events", message, retry_after_s=max(wait_s, address_wait_s))


def _not_allowed(key: Key, origin: str) -> str:
    if not origin:
        return (
            f"the key `{key.name}` is for web pages, and the request has no Origin: use a server key, or a key with "
            "`origins: any`"
        )
    return f"the key `{key.name}` does not allow pages of {origin[:200]!r}: add it to the key's `origins`"


# The file --------------------------------------------------------------------------------------------------------


def load_keys(path: Path | str, services: Mapping[str, ServiceFields] = MappingProxyType({})) -> Keyring:
    """Read a keys file.

    ``services`` are the known mail services, which check their fields; without any, the fields of webhooks are not
    checked.

    Raises:
        YamlFileError: the file has at least one mistake; the error lists all of them.
    """
    return _keys_format(services).load_file(path)


def parse_keys(
    text: str, name: str = "keys.yaml", services: Mapping[str, ServiceFields] = MappingProxyType({})
) -> Keyring:
    """Read the text of a keys file, as ``load_keys`` does."""
    return _keys_format(services).load_text(text, name)


def _keys_format(services: Mapping[str, ServiceFields]) -> Format[Keyring]:
    return Format(FILE, _build_keyring, lambda file, report: check_keys(file, services, report), discreet=True)


def _build_keyring(file: Struct) -> Keyring:
    links = file.get("links")
    hooks = [
        Webhook(hook.get("name").value, hook.get("service").value, MappingProxyType(hook.get("options")))
        for hook in file.get("webhooks", ())
    ]
    secret: str = links.get("secret") if links is not None else ""
    return Keyring([_build_key(key) for key in file.get("keys", ())], hooks, secret.encode())


def _build_key(struct: Struct) -> Key:
    name, rate, address_rate = struct.get("name").value, struct.get("rate"), struct.get("address_rate")
    given = struct.get("new_ids")
    if struct.get("server"):
        new_ids = (given, given) if given else None
        return Key(name, False, (), False, rate, address_rate, "", struct.get("sha256").value, new_ids)
    origins: tuple[Any, ...] = struct.get("origins")
    rate, most, write_key = rate or PUBLIC_RATE, given or PUBLIC_NEW_IDS, struct.get("write_key").value
    if ANY in origins:  # a server sends for many visitors
        return Key(name, True, (), True, rate, address_rate, write_key, new_ids=(most, most))
    new_ids = (most, max(round(most * ADDRESS_SHARE), 1))
    return Key(name, True, origins, False, rate, address_rate or rate.share(ADDRESS_SHARE), write_key, new_ids=new_ids)
