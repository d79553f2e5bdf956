"""Verifies the envelope of Amazon SNS: its signature, topic and time. It fetches nothing.

The message names the URL of the certificate. If it is not known yet, ``NeedsCertificate`` asks the caller to fetch it;
it is trusted because it comes from Amazon's host by HTTPS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from app.collector.inbound import Refusal
from app.collector.webhooks.hook import WebhookRequest
from app.collector.webhooks.payloads import parse_object
from app.collector.webhooks.signatures import from_base64, is_fresh, stale_signature, wrong_signature
from streams.events.rejects import Refused
from streams.events.times import parse_ms

NOTIFICATION: Final = "Notification"
CONFIRMATION: Final = "SubscriptionConfirmation"

RETRIED_S: Final = 9 * 3600
"""Greatest age of a message: its time is that of publishing, and SNS may retry for hours."""
_HOST = r"https://sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/"
_CERTIFICATE = re.compile(_HOST + r"SimpleNotificationService-[A-Za-z0-9]{1,100}\.pem")
_SUBSCRIBE = re.compile(_HOST + r"\?[!-~]{1,2000}")
_SIGNED: Final = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HASHES: Final[dict[Any, type[HashAlgorithm]]] = {
    "1": SHA1,
    "2": SHA256,
}  # SHA-1 is the default of SNS


class NeedsCertificate(Exception):
    """Fetch the certificate at ``url`` (always one of Amazon's) and read the request again with it."""

    def __init__(self, url: str) -> None:
        """``url`` is the key under which the certificate is expected."""
        super().__init__(url)
        self.url = url


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message of an allowed topic, signed by SNS."""

    type: str
    message_id: str
    message: str
    subscribe_url: str
    """The URL that confirms a subscription; empty in notifications."""


def open_envelope(hook: WebhookRequest) -> Envelope:
    """The verified message of a request.

    Raises:
        Refusal: 403, which SNS does not retry: not signed by SNS, too old, or not of an allowed topic.
        NeedsCertificate: the certificate is needed first.
    """
    try:
        sent = parse_object(hook.inbound.body)
    except Refused:
        raise wrong_signature(403) from None
    kind, url = sent.get("Type"), sent.get("SigningCertURL")
    fields = _SIGNED.get(kind) if isinstance(kind, str) else None
    if fields is None or not isinstance(url, str) or not _CERTIFICATE.fullmatch(url):
        raise wrong_signature(403)
    message = signed_text(sent, fields)
    if sent.get("TopicArn") not in hook.option("topics").split():
        sentence = "This topic is not allowed: add its ARN to `topics` of the webhook in the keys file."
        raise Refusal(403, "unknown_topic", sentence)
    at_ms = parse_ms(sent["Timestamp"])
    if at_ms is None or not is_fresh(at_ms, hook.inbound.received_ms, RETRIED_S):
        raise stale_signature(403)
    if url not in hook.certificates:
        raise NeedsCertificate(url)
    if not _signed(sent, message, hook.certificates[url], hook.inbound.received_ms):
        raise wrong_signature(403)
    return Envelope(sent["Type"], sent["MessageId"], sent["Message"], _subscribe_url(sent))


def signed_text(sent: dict[str, Any], fields: tuple[str, ...]) -> bytes:
    """The text that SNS signs: names and values of the fields, one per line.

    Raises:
        Refusal: one is missing, or is not text.
    """
    values = {name: sent.get(name) for name in fields if name in sent or name != "Subject"}
    values = {name: value for name, value in values.items() if (name, value) != ("Subject", None)}
    if not all(isinstance(value, str) for value in values.values()):
        raise wrong_signature(403)
    return "".join(f"{name}\n{value}\n" for name, value in values.items()).encode("utf-8", "surrogatepass")


def _signed(sent: dict[str, Any], message: bytes, certificate: bytes, now_ms: int) -> bool:
    version, signature = sent.get("SignatureVersion"), sent.get("Signature")
    if not isinstance(version, str) or version not in _HASHES or not isinstance(signature, str):
        return False
    try:
        key = _key(certificate, datetime.fromtimestamp(now_ms // 1000, UTC))
        key.verify(from_base64(signature), message, padding.PKCS1v15(), _HASHES[version]())
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, OverflowError, OSError):
        return False
    return True


def _key(pem: bytes, now: datetime) -> rsa.RSAPublicKey:
    certificate = _certificate(pem)
    key = certificate.public_key()
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise InvalidSignature
    if not isinstance(key, rsa.RSAPublicKey):
        raise InvalidSignature
    return key


@lru_cache(maxsize=32)
def _certificate(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def _subscribe_url(sent: dict[str, Any]) -> str:
    if sent["Type"] != CONFIRMATION:
        return ""
    url: str = sent["SubscribeURL"]
    if not _SUBSCRIBE.fullmatch(url):
        raise wrong_signature(403)
    return url
