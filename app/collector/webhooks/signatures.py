"""Verifies signatures and secrets in constant time; malformed ones are simply wrong."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from app.collector.inbound import Inbound, Refusal

WINDOW_S: Final = 300
"""Largest difference between a signed time and ours, as in Standard Webhooks."""


def wrong_signature(status: int) -> Refusal:
    """The refusal of a request that is not signed by the service."""
    sentence = "The signature is missing or wrong: check the key of this webhook in the keys file."
    return Refusal(status, "bad_signature", sentence)


def stale_signature(status: int) -> Refusal:
    """The refusal of a request that was signed too long ago, or in the future."""
    sentence = "The signed time is too far from the collector's time: check the clocks, and sign the request again."
    return Refusal(status, "stale_signature", sentence)


def is_equal(given: str | bytes, expected: str | bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(_bytes(given), _bytes(expected))


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def whole_seconds(text: Any) -> int | None:
    """Unix seconds from digits; None for anything else."""
    if isinstance(text, str) and len(text) <= 12 and text.isascii() and text.isdigit():
        return int(text)
    return None


def is_fresh(at_ms: int, now_ms: int, past_s: int = WINDOW_S) -> bool:
    """Whether a signed time is at most ``past_s`` ago and at most five minutes ahead."""
    return -WINDOW_S * 1000 <= now_ms - at_ms <= past_s * 1000


def from_base64(text: str) -> bytes:
    """The bytes of a base64 text; empty if it is not base64."""
    try:
        return base64.b64decode(_bytes(text), validate=True)
    except (binascii.Error, ValueError):
        return b""


@lru_cache(maxsize=64)
def parse_ecdsa_key(text: str) -> ec.EllipticCurvePublicKey:
    """An ECDSA public key from base64 DER.

    Raises:
        ValueError: it is not one.
    """
    try:
        key = load_der_public_key(from_base64(text))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        sentence = "it must be an ECDSA public key: base64 of DER, as the service's settings show it"
        raise ValueError(sentence)
    return key


def has_ecdsa_signature(public_key: str, signature: str, message: bytes) -> bool:
    """Whether a base64 DER signature (ECDSA, SHA-256) fits the message."""
    try:
        parse_ecdsa_key(public_key).verify(from_base64(signature), message, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def has_secret(inbound: Inbound, options: Mapping[str, Any]) -> bool:
    """Whether a request has the secret of its webhook, for services that do not sign.

    It is in ``Authorization``, or in the header that ``header`` names: as Basic, if the secret is ``user:password``, as
    Bearer, or plain.
    """
    secret = str(options.get("secret", ""))
    given = inbound.header(str(options.get("header", "authorization")).lower())
    basic = base64.b64encode(_bytes(secret)).decode()
    return bool(secret) and any(is_equal(given, shown) for shown in (f"Basic {basic}", f"Bearer {secret}", secret))
