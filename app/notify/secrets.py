"""Secrets of destinations: the routes file names a variable of the environment, or a file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MAX_BYTES: Final = 64 * 1024
ReadVariable = Callable[[str], str | None]


class SecretMissing(Exception):
    """A secret cannot be read; the message contains only its name."""


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where a secret is: in a variable or in a file."""

    variable: str = ""
    path: str = ""

    def read(self, read_variable: ReadVariable) -> str:
        """The secret, without white space around it.

        Raises:
            SecretMissing: there is none.
        """
        found = self._read_file() if self.path else (read_variable(self.variable) or "").strip()
        if not found:
            place = f"the file {self.path} is empty" if self.path else f"the variable {self.variable} is not set"
            raise SecretMissing(place)
        return found

    def _read_file(self) -> str:
        try:
            with Path(self.path).open("rb") as file:
                return file.read(_MAX_BYTES).decode().strip()
        except OSError as error:
            msg = f"the file {self.path} cannot be read: {error.strerror}"
            raise SecretMissing(msg) from None
        except ValueError:
            msg = f"the file {self.path} is not UTF-8"
            raise SecretMissing(msg) from None


def is_signing_secret(text: str) -> bool:
    """Whether a text is a secret of Standard Webhooks: base64 of 24 to 64 bytes, maybe after ``whsec_``."""
    try:
        return 24 <= len(base64.b64decode(text.removeprefix("whsec_") + "==", validate=False)) <= 64
    except (binascii.Error, ValueError):
        return False
