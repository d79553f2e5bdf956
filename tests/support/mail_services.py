"""Requests of mail services, signed with test keys."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from msgspec.structs import replace
from standardwebhooks import Webhook

from app.collector import webhooks
from app.collector.inbound import Delivery, Inbound, Refusal
from app.collector.webhooks import sns
from app.collector.webhooks.accepted_requests import AcceptedRequests

NOW_S: Final = 1_795_310_400
NOW_MS: Final = NOW_S * 1000
SVIX_SECRET: Final = "whsec_MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"
TOPIC: Final = "arn:aws:sns:eu-west-1:123456789012:ses"
CERTIFICATE_URL: Final = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem"
MANDRILL_URL: Final = "https://c.acme.example/webhooks/news"
CAPTURES: Final = json.loads(
    (Path(__file__).parents[1] / "data" / "captures" / "email-webhooks-synthetic.json").read_text()
)["samples"]


@cache
def ecdsa() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def public_key() -> str:
    return base64.b64encode(ecdsa().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@cache
def amazon() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def certificate(from_day: int = -1, to_day: int = 1) -> bytes:
    now = datetime.fromtimestamp(NOW_S, UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(amazon().public_key())
        .serial_number(1)
        .not_valid_before(now + timedelta(days=from_day))
        .not_valid_after(now + timedelta(days=to_day))
        .sign(amazon(), SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def options(service: str) -> dict[str, str]:
    return {
        "sendgrid": lambda: {"public_key": public_key()},
        "mailgun": lambda: {"signing_key": "mg-signing-key"},
        "postmark": lambda: {"secret": "u:p"},
        "brevo": lambda: {"secret": "brevo-token"},
        "ses": lambda: {"topics": f"arn:aws:sns:eu-west-1:123456789012:other {TOPIC}"},
        "resend": lambda: {"secret": SVIX_SECRET},
        "mandrill": lambda: {"key": "mkey", "url": MANDRILL_URL},
        "mailchimp": lambda: {"secret": "chimp"},
    }[service]()


def read(service: str, inbound: Inbound, accepted: AcceptedRequests | None = None, **changed: str) -> Delivery:
    """Read a request to a webhook with these options."""
    certificates = {CERTIFICATE_URL: certificate()}
    memory = AcceptedRequests(0) if accepted is None else accepted
    return webhooks.read_webhook("news", service, options(service) | changed, inbound, memory, certificates)


def refusal(service: str, inbound: Inbound, **changed: str) -> tuple[int, str]:
    """The status and code with which a request is refused."""
    try:
        delivery = read(service, inbound, None, **changed)
    except Refusal as refused:
        return refused.status, refused.code
    raise AssertionError(delivery)


def only_call(delivery: Delivery) -> dict[str, Any]:
    assert delivery.bad == []
    (call,) = delivery.calls
    return call


def brief(delivery: Delivery) -> tuple[str, dict[str, Any]]:
    """The name and properties of the only call, without the properties that all calls of a service share."""
    call = only_call(delivery)
    common = {"service", "message_id", "campaign_id"}
    return call["event"], {name: value for name, value in call["properties"].items() if name not in common}


def post(body: bytes, headers: Mapping[str, str] | None = None, query: str = "") -> Inbound:
    pairs = [(query.partition("=")[0], query.partition("=")[2])] if query else []
    return Inbound("POST", "/webhooks/news", pairs, headers or {}, body, NOW_MS, "198.51.100.7")


def later(inbound: Inbound, seconds: float) -> Inbound:
    return replace(inbound, received_ms=inbound.received_ms + round(seconds * 1000))


def sendgrid(body: Any, at_s: int = NOW_S) -> Inbound:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = ecdsa().sign(str(at_s).encode() + raw, ec.ECDSA(SHA256()))
    return post(
        raw,
        {
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": str(at_s),
        },
    )


def mailgun(event: Any, token: str = "token-1", at_s: int = NOW_S) -> Inbound:
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    block = {"timestamp": str(at_s), "token": token, "signature": mailgun_signature(token, at_s)}
    return post(b'{"signature": %b, "event-data": %b}' % (json.dumps(block).encode(), raw))


def mailgun_signature(token: str, at_s: int = NOW_S) -> str:
    return hmac.new(b"mg-signing-key", f"{at_s}{token}".encode(), "sha256").hexdigest()


def postmark(event: Any) -> Inbound:
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    return post(raw, {"authorization": "Basic dTpw"})


def brevo(event: Any) -> Inbound:
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    return post(raw, {"authorization": "Bearer brevo-token"})


def resend(event: Any, webhook_id: str = "msg_1", at_s: int = NOW_S, prefix: str = "svix") -> Inbound:
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    try:
        signature = Webhook(SVIX_SECRET).sign(webhook_id, datetime.fromtimestamp(at_s, UTC), raw.decode())
    except UnicodeDecodeError:
        signature = "v1,AAAA"
    return post(
        raw,
        {f"{prefix}-id": webhook_id, f"{prefix}-timestamp": str(at_s), f"{prefix}-signature": f"v1,AAAA {signature}"},
    )


def form(fields: Mapping[str, str]) -> bytes:
    return urlencode(fields).encode()


def mandrill(events: Any, key: str = "mkey") -> Inbound:
    fields = {"mandrill_events": events if isinstance(events, str) else json.dumps(events)}
    signed = MANDRILL_URL + "".join(name + fields[name] for name in sorted(fields))
    signature = base64.b64encode(hmac.digest(key.encode(), signed.encode(), "sha1")).decode()
    return post(form(fields), {"x-mandrill-signature": signature})


def mailchimp(fields: Mapping[str, str]) -> Inbound:
    return post(form(fields), query="secret=chimp")


def notification(event: Any, message_id: str = "sns-1", **changed: Any) -> dict[str, Any]:
    message = event if isinstance(event, str) else json.dumps(event)
    at = datetime.fromtimestamp(NOW_S, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": at,
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
    } | changed


def ses(envelope: dict[str, Any]) -> Inbound:
    """Sign an envelope as SNS does, and send it."""
    message = sns.signed_text(envelope, sns._SIGNED[envelope["Type"]])
    scheme = SHA1() if envelope["SignatureVersion"] == "1" else SHA256()
    signature = amazon().sign(message, padding.PKCS1v15(), scheme)
    return post(json.dumps(envelope | {"Signature": base64.b64encode(signature).decode()}).encode())


OPEN = {"event": "open", "email": "jane@acme.example", "sg_event_id": "e", "timestamp": 1_795_310_000}
SIGNED: dict[str, Callable[[Any], Inbound]] = {
    "sendgrid": sendgrid,
    "mailgun": mailgun,
    "postmark": postmark,
    "brevo": brevo,
    "resend": resend,
    "mandrill": lambda event: mandrill([event]),
    "mailchimp": lambda event: mailchimp(event if isinstance(event, dict) else {}),
    "ses": lambda event: ses(notification(event)),
}
EVENTS: dict[str, Any] = {
    "sendgrid": [OPEN],
    "mailgun": {"event": "opened", "id": "i", "recipient": "jane@acme.example", "timestamp": 1_795_310_000.5},
    "postmark": {"RecordType": "Open", "Recipient": "jane@acme.example", "MessageID": "m"},
    "brevo": {"event": "opened", "email": "jane@acme.example"},
    "resend": {"type": "email.opened", "data": {"to": ["jane@acme.example"]}},
    "mandrill": {"event": "open", "_id": "m", "ts": 1_795_310_000, "msg": {"email": "jane@acme.example"}},
    "mailchimp": {"type": "unsubscribe", "data[email]": "jane@acme.example"},
    "ses": {"eventType": "Open", "mail": {"destination": ["jane@acme.example"]}, "open": {}},
}
