"""How all clients of Kafka log in: TLS, client certificates, passwords, and tokens."""

from __future__ import annotations

import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka.abc import AbstractTokenProvider

OAUTHBEARER = "OAUTHBEARER"


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate that the client shows, and its private key."""

    certificate: Path
    """PEM file with the certificate, and those of its issuers after it."""
    key: Path | None = None
    """PEM file with the key; None if it is in the file of the certificate."""
    key_password: str | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """A log-in; without any of its parts, the connection is neither encrypted nor authenticated."""

    tls: ssl.SSLContext | None = None
    mechanism: str | None = None
    """SASL mechanism, as Kafka names it."""
    username: str | None = None
    password: str | None = None
    tokens: AbstractTokenProvider | None = None
    """Makes the tokens of ``OAUTHBEARER``."""

    def client_options(self) -> dict[str, Any]:
        """Options of aiokafka's clients."""
        if self.mechanism is None:
            return {"security_protocol": "SSL", "ssl_context": self.tls} if self.tls else {}
        options: dict[str, Any] = {
            "security_protocol": "SASL_SSL" if self.tls else "SASL_PLAINTEXT",
            "ssl_context": self.tls,
            "sasl_mechanism": self.mechanism,
        }
        if self.tokens is not None:
            return options | {"sasl_oauth_token_provider": self.tokens}
        return options | {"sasl_plain_username": self.username, "sasl_plain_password": self.password}

    def faust_credentials(self) -> Any:
        """The same for Faust; None without TLS and SASL."""
        import faust  # takes a second

        if self.mechanism is None:
            return faust.SSLCredentials(context=self.tls) if self.tls else None
        if self.tokens is not None:
            from faust.auth import OAuthCredentials

            return OAuthCredentials(oauth_cb=self.tokens, ssl_context=self.tls)
        return faust.SASLCredentials(
            username=self.username, password=self.password, ssl_context=self.tls, mechanism=self.mechanism
        )


class _Closing(ssl.SSLObject):
    """Closes without waiting for the server to close as well (RFC 8446, section 6.1).

    A broker that reads a request and the end of TLS at once overlooks the end (``read`` in Kafka's SslTransportLayer):
    it answers the request and then waits for the connection to end. asyncio and uvloop would wait for it for 30 s.
    """

    def unwrap(self) -> None:
        """Send the end of TLS. Nothing is lost: a client that closes wants no more answers."""
        with suppress(ssl.SSLWantReadError):
            super().unwrap()


def tls_context(authorities: Path | None, shown: ClientCertificate | None = None) -> ssl.SSLContext:
    """TLS that verifies the server, by these authorities or those of the system, and shows a certificate.

    Its connections close without waiting for the server.

    Raises:
        OSError: a file cannot be read.
        ssl.SSLError: a file is damaged, or key and certificate do not belong together.
    """
    context = ssl.create_default_context(cafile=authorities)
    context.sslobject_class = _Closing  # documented as allowed
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key, shown.key_password or "")
    return context
