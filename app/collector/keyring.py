"""Who may send: the keys file, and the ring of keys that lets requests in or not. Pure but for reading the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from app.collector.inbound import Refusal
from app.collector.keys_file import ANY, FILE, ServiceFields, check_keys
from app.collector.origins import Origin, parse_origin
from app.collector.rates import Buckets, Rate
from streams.yamlfile.kinds import Struct
from streams.yamlfile.load import Format

PUBLIC_RATE: Final = Rate(1000.0, 1.0)
"""Of a public key that names none."""
ADDRESS_SHARE: Final = 0.1
"""What one address may use of the rate of a key that is for web pages, unless the file says."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: a public write key, or a server's secret."""

    name: str
    public: bool
    origins: tuple[Origin, ...] = ()
    """The pages that a public key is for; of a key for any of them, and of a server key, none."""
    any_origin: bool = False
    rate: Rate | None = None
    """Of all its senders together."""
    address_rate: Rate | None = None
    """Of one address."""
    write_key: str = field(default="", repr=False)
    """Empty for a server key."""
    digest: str = field(default="", repr=False)
    """Of a server key: the SHA-256 of its secret, in hex."""

    def allows(self, origin: Origin | None) -> bool:
        """Whether a page of this origin may use it."""
        return self.any_origin or (origin is not None and any(each.covers(origin) for each in self.origins))


@dataclass(frozen=True, slots=True)
class Webhook:
    """A way in for one mail service."""

    name: str
    service: str
    options: Mapping[str, str] = field(repr=False)
    """What the service needs, by its own names: secrets and public keys among it."""


class Keyring:
    """Every key, and how much each of them has sent."""

    def __init__(self, keys: Iterable[Key], webhooks: Iterable[Webhook] = (), link_secret: bytes = b"") -> None:
        """Names, write keys and hashes are each used once."""
        self.keys = tuple(keys)
        self.webhooks: Mapping[str, Webhook] = MappingProxyType({hook.name: hook for hook in webhooks})
        self.link_secret = link_secret
        """Signs the targets of links; empty where the file has none."""
        self._public = {key.write_key: key for key in self.keys if key.public}
        self._servers = [(key.digest.encode(), key) for key in self.keys if not key.public]
        self._any_origin = any(key.any_origin for key in self.keys)
        self._buckets = Buckets()

    def admit(
        self, write_key: str, origin: str, remote: str, calls: int, now_s: float, *, in_query: bool = False
    ) -> Key:
        """Let a request in, and count its calls.

        Args:
            write_key: what the sender showed, empty if nothing.
            origin: the header ``Origin``, empty if missing.
            remote: the sender's address.
            calls: how many calls the request has.
            now_s: any clock that never goes back, in seconds.
            in_query: whether the key stood in the address of the request.

        Raises:
            Refusal: 401 ``unknown_key``, 403 ``origin_not_allowed`` or ``secret_in_url``, 429 ``too_many_events``.
        """
        key = self._key_of(write_key)
        if in_query:
            self.check_public(write_key)
        if key.public and not key.any_origin and not key.allows(parse_origin(origin)):
            raise Refusal(403, "origin_not_allowed", _not_allowed(key, origin))
        wait_s = self._buckets.take_tokens(key.name, remote, (key.rate, key.address_rate), calls, now_s)
        if wait_s:
            message = f"the key `{key.name}` sends more than its rate allows: send again in {wait_s} s"
            raise Refusal(429, "too_many_events", message, retry_after_s=wait_s)
        return key

    def check_public(self, write_key: str) -> str:
        """What stood in an address and may be shown again: anything but a server key.

        Raises:
            Refusal: 403 ``secret_in_url``.
        """
        if write_key not in self._public and self._server_key_of(write_key) is not None:
            raise Refusal(403, "secret_in_url", _IN_URL)
        return write_key

    def allows_origin(self, origin: str) -> bool:
        """Whether any public key is for pages of this origin: what a preflight, which shows no key, asks."""
        if self._any_origin:
            return True
        parsed = parse_origin(origin)
        return any(key.allows(parsed) for key in self._public.values())

    def inherit_usage(self, old: Keyring) -> None:
        """Go on counting where the ring before this one stopped, key by key."""
        self._buckets.inherit(old._buckets, {key.name for key in self.keys})

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


_NO_KEY = "the request has no write key: send one as the user name of basic authentication, or as `writeKey`"
_UNKNOWN = "the write key is not known here: compare it with the keys file of the collector"
_IN_URL = (
    "a server key must not stand in an address, which logs and histories keep: send it as the user name of basic "
    "authentication, and replace it, because it has been seen"
)


def _not_allowed(key: Key, origin: str) -> str:
    if not origin:
        return (
            f"the key `{key.name}` is for web pages and the request has no Origin: use a server key, or a key with "
            "`origins: any`"
        )
    return f"the key `{key.name}` is not for pages of {origin[:200]!r}: add it to the key's `origins`"


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
    """Read the text of a keys file, as ``load`` does."""
    return _keys_format(services).load_text(text, name)


def _keys_format(services: Mapping[str, ServiceFields]) -> Format[Keyring]:
    return Format(FILE, _build_keyring, lambda file, report: check_keys(file, services, report))


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
    if struct.get("server"):
        return Key(name, False, rate=rate, address_rate=address_rate, digest=struct.get("sha256").value)
    origins: tuple[Any, ...] = struct.get("origins")
    rate = rate or PUBLIC_RATE
    if ANY in origins:  # a server sends for many visitors
        return Key(name, True, (), True, rate, address_rate, struct.get("write_key").value)
    return Key(
        name, True, origins, False, rate, address_rate or rate.share(ADDRESS_SHARE), struct.get("write_key").value
    )
