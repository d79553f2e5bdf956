"""Origins of web pages, which keys are limited to. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_SCHEME: Final = r"[a-z][a-z0-9+.-]{0,31}"
_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_ORIGIN: Final = re.compile(
    rf"(?P<scheme>{_SCHEME})://(?P<any>\*\.)?(?P<host>{_LABEL}(\.{_LABEL})*|\[[0-9a-f:.]+\])(:(?P<port>[0-9]{{1,5}}))?"
)
_USUAL_PORTS: Final = {"http": "80", "https": "443"}
MAX_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class Origin:
    """``https://acme.example`` or ``http://localhost:8080``; with ``below``, all of ``https://*.acme.example``."""

    scheme: str
    host: str
    port: str
    """Empty for the default port of the scheme."""
    below: bool = False

    def covers(self, other: Origin) -> bool:
        """Whether it includes the other origin; ``*.acme.example`` does not include ``acme.example`` itself."""
        if (self.scheme, self.port) != (other.scheme, other.port) or other.below:
            return False
        return other.host.endswith(f".{self.host}") if self.below else other.host == self.host


@lru_cache(maxsize=1000)
def parse_origin(text: str) -> Origin | None:
    """An origin as written in an ``Origin`` header or in the keys file; None if invalid, such as ``null``."""
    found = _ORIGIN.fullmatch(text.lower()) if len(text) <= MAX_CHARS else None
    if found is None:
        return None
    scheme, port = found["scheme"], found["port"] or ""
    if port == _USUAL_PORTS.get(scheme):
        port = ""
    return Origin(scheme, found["host"], port, found["any"] is not None)
