"""The keys file in use: read at the start, and again whenever it changes."""

from __future__ import annotations

from pathlib import Path

from app.collector import keyring, webhooks
from app.collector.keyring import KeyRing
from app.collector.metrics import Metrics
from streams.yamlfile.watched import Watched


class WatchedKeys(Watched[KeyRing]):
    """The keys in force: the file's, as it was when it last had no mistake."""

    def __init__(self, path: Path, metrics: Metrics) -> None:
        """Read the file.

        Raises:
            YamlFileError: it has mistakes.
        """
        super().__init__(path, lambda p: keyring.load(p, webhooks.SERVICES), "keys file", metrics.keys_errors.inc)
        self.on_change = lambda old, new: new.carry_over(old)

    @property
    def ring(self) -> KeyRing:
        """The keys."""
        return self.value
