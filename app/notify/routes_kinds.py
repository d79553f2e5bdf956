"""The values in a routes file: secrets, addresses, times of day, rates. Messages do not show texts of the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import time
from ipaddress import ip_network
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.notify.kinds.mail import is_address
from app.notify.secrets import SecretPlace
from app.notify.times_of_day import DAYS
from streams.units import UNITS_MS
from streams.yamlfile.kinds import DURATION_PATTERN, Kind, duration_ms, nearest, private, text_of
from streams.yamlfile.tree import Node, Report

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_OURS: Final = "LEADGLOW_"


def _url(value: Any) -> str | None:
    return value if isinstance(value, str) and is_url(value) else None


def is_url(text: str) -> bool:
    """Whether a text is a URL that messages can be sent to."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return valid and text.isascii() and text.isprintable() and " " not in text and not parts.username


def _time(value: Any) -> time | None:
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", value) if isinstance(value, str) else None
    return time(int(found[1]), int(found[2])) if found else None


def _zone(value: Any) -> ZoneInfo | None:
    try:
        return ZoneInfo(value) if isinstance(value, str) else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _gap_ms(value: Any) -> float | None:
    found = re.fullmatch(r"([0-9]{1,6})/([smh])", value) if isinstance(value, str) else None
    return UNITS_MS[found[2]] / int(found[1]) if found and int(found[1]) else None


def _address(value: Any) -> str | None:
    return value if isinstance(value, str) and is_address(value) else None


def _network(value: Any) -> Any:
    try:
        return ip_network(value) if isinstance(value, str) else None
    except ValueError:
        return None


def whole(about: str, least: int, most: int) -> Kind:
    """A whole number within bounds."""

    def convert(value: Any) -> int | None:
        return value if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most else None

    return private(f"{about} from {least} to {most}", f"a whole number from {least} to {most}", convert)


def one_of(names: Sequence[str], about: str, convert: Callable[[str], Any] = str) -> Kind:
    """One of some names."""

    def read(node: Node, report: Report) -> Any:
        if isinstance(node.value, str) and node.value in names:
            return convert(node.value)
        remedy = nearest(str(node.value), names) if isinstance(node.value, str) else f"write `{names[0]}`"
        report.add(node, f"this is not {about}", remedy)
        return None

    return Kind(read, {}, names[0], about)


def _read_secret(node: Node, report: Report) -> SecretPlace | None:
    remedy = "write `{env: NAME}` or `{file: /run/secrets/NAME}`"
    if not isinstance(node.value, dict):
        report.add(node, "a secret is not written into this file", remedy)
        return None
    if len(node.value) != 1:
        report.add(node, "a secret is in one variable or one file", remedy)
        return None
    key, value = next(iter(node.value.items()))
    if key.value == "file" and isinstance(value.value, str) and value.value:
        return SecretPlace(path=value.value)
    if key.value == "env" and isinstance(value.value, str) and _VARIABLE.fullmatch(value.value):
        if not value.value.startswith(_OURS):
            return SecretPlace(variable=value.value)
        report.add(value, f"variables {_OURS}… are settings", "choose another name for it")
        return None
    report.add(key, "this names no variable and no file", remedy)
    return None


def _url_or_secret(node: Node, report: Report) -> Any:
    return _read_secret(node, report) if isinstance(node.value, dict) else URL.read(node, report)


def at(kind: Kind) -> Kind:
    """The same, read as (node, value), for checks that come later."""
    return replace(kind, read=lambda node, report: _pair(node, kind.read(node, report)))


def _pair(node: Node, value: Any) -> Any:
    return None if value is None else (node, value)


URL: Final = private("a URL", "one such as `https://hooks.acme.example/leads`, without a user name", _url)
SECRET: Final = Kind(_read_secret, {}, "{env: NAME}", "the place of a secret")
URL_OR_SECRET: Final = Kind(_url_or_secret, {}, "{env: SLACK_URL}", "a URL, or the place of a secret one")
TIME: Final = private("a time of day", 'one such as `"18:00"`, in quotes', _time)
ZONE: Final = private("a time zone", "one such as `Europe/Madrid` or `UTC`", _zone)
GAP: Final = private("a rate", "a number a second, minute or hour, for example `10/s`", _gap_ms)
ADDRESS: Final = private("a mail address", "one such as `sales@acme.example`", _address)
NETWORK: Final = private("a network", "one such as `10.0.0.0/8`, or an address", _network)
HOST: Final = private(
    "the name of a host", "one such as `smtp.acme.example`",
    lambda value: value if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9.:_-]{1,253}", value) else None,
)  # fmt: skip
WORDS: Final = private(
    "a text of 1 to 1000 characters", "a text",
    lambda value: value if isinstance(value, str) and 1 <= len(value) <= 1000 and value.isprintable() else None,
)  # fmt: skip
DAY: Final = one_of(DAYS, "a day", DAYS.index)
DURATION: Final = text_of("a duration", "3d", DURATION_PATTERN, duration_ms)
