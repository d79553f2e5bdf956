"""Encrypts ids and cursors for pages and clients, which return them unread. Pure."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV


class IdCipher:
    """Encrypts the same text to the same token, and decrypts only its own tokens."""

    def __init__(self, secret: bytes) -> None:
        """Boards with the same secret decrypt each other's tokens."""
        self._cipher = AESSIV(sha256(b"leadglow board\0" + secret).digest())

    def encrypt(self, text: str, use: str) -> str:
        """The token of a text for one use."""
        encrypted = self._cipher.encrypt(text.encode("utf-8", "surrogatepass"), [use.encode()])
        return urlsafe_b64encode(encrypted).decode().rstrip("=")

    def decrypt(self, token: str, use: str) -> str | None:
        """The text of a token; None for any other text, or a token for another use."""
        try:
            encrypted = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            return self._cipher.decrypt(encrypted, [use.encode()]).decode("utf-8", "surrogatepass")
        except (ValueError, InvalidTag):
            return None
