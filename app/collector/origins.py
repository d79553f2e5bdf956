"""Origins of web pages: which ones a key is for. Pure."""

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
MOST_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class Origin:
    """``https://acme.example``, ``http://localhost:8080``, or with ``below`` every host below ``https://*.acme.example``."""

    scheme: str
    host: str
    port: str
    """Empty for the usual one of the scheme."""
    below: bool = False

    def covers(self, other: Origin) -> bool:
        """Whether a page of the other origin is meant; ``*.acme.example`` does not mean ``acme.example`` itself."""
        if (self.scheme, self.port) != (other.scheme, other.port) or other.below:
            return False
        return other.host.endswith(f".{self.host}") if self.below else other.host == self.host


@lru_cache(maxsize=1000)
def parse_origin(text: str) -> Origin | None:
    """An origin as the header ``Origin`` or the keys file has it; None for what is none (``null`` among it)."""
    found = _ORIGIN.fullmatch(text.lower()) if len(text) <= MOST_CHARS else None
    if found is None:
        return None
    scheme, port = found["scheme"], found["port"] or ""
    if port == _USUAL_PORTS.get(scheme):
        port = ""
    return Origin(scheme, found["host"], port, found["any"] is not None)
