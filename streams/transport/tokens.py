"""Tokens for Kafka's mechanism OAUTHBEARER: from a token endpoint by client credentials, or signed for Amazon MSK."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

import aiohttp
import msgspec
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import SaslAuthenticationFailed

from streams.clock import monotonic_s, now_ms

ANSWER_S: Final = 10.0
USED_PART: Final = 0.8
"""A token is used for this part of its life; a new connection then gets a new one."""
DEFAULT_LIFE_S: Final = 300.0
"""If the endpoint does not say how long a token lives."""
MAX_ANSWER_BYTES: Final = 64 * 1024


class NoToken(ConnectionError):
    """The token endpoint cannot be reached, or fails; the client of Kafka tries again."""


class TokenRefused(SaslAuthenticationFailed):  # type: ignore[misc]
    """No token: the credentials are missing or wrong."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A token endpoint of OAuth 2.0 (RFC 6749) and the credentials for it."""

    url: str
    client_id: str
    secret_file: Path
    """Read for each token, so that a new secret needs no restart."""
    scope: str = ""
    extensions: Mapping[str, str] = field(default_factory=dict)
    """Sent to Kafka with the token (KIP-342)."""


class EndpointTokens(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens by client credentials. Usable from any event loop: nothing stays open between two tokens."""

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None = None) -> None:
        """``tls`` verifies the endpoint; by default the authorities of the system do."""
        self._endpoint = endpoint
        self._tls = tls
        self._token = ""
        self._renew_s = 0.0

    def extensions(self) -> dict[str, str]:
        """Those of the endpoint."""
        return dict(self._endpoint.extensions)

    async def token(self) -> str:
        """A token that still lives for a while.

        Raises:
            NoToken: the endpoint cannot be reached, or fails.
            TokenRefused: it refuses the credentials, or answers without a token.
        """
        if monotonic_s() >= self._renew_s:
            answer = await self._fetch()
            self._token = str(answer["access_token"])
            life_s = answer.get("expires_in")
            life_s = float(life_s) if isinstance(life_s, int | float) and life_s > 0 else DEFAULT_LIFE_S
            self._renew_s = monotonic_s() + life_s * USED_PART
        return self._token

    async def _fetch(self) -> dict[str, object]:
        at = self._endpoint
        form = {"grant_type": "client_credentials"} | ({"scope": at.scope} if at.scope else {})
        login = f"{quote_plus(at.client_id)}:{quote_plus(self._read_secret())}"  # RFC 6749, section 2.3.1
        headers = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}
        options: dict[str, Any] = {"data": form, "ssl": self._tls or True, "allow_redirects": False}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(ANSWER_S), headers=headers) as session,
                session.post(at.url, **options) as response,
            ):
                return self._read_answer(response.status, await _read_body(response.content))
        except (aiohttp.ClientError, TimeoutError) as error:
            msg = f"the token endpoint {at.url} cannot be reached ({error or type(error).__name__})"
            raise NoToken(msg) from None

    def _read_secret(self) -> str:
        path = self._endpoint.secret_file
        try:
            return path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            msg = f"the client secret in {path} cannot be read ({error})"
            raise TokenRefused(msg) from None

    def _read_answer(self, status: int, body: bytes) -> dict[str, object]:
        try:
            answer = msgspec.json.decode(body, type=dict[str, object])
        except (msgspec.DecodeError, msgspec.ValidationError):
            answer = {}
        if status == 200 and isinstance(answer.get("access_token"), str):
            return answer
        code = answer.get("error", "without a token")
        msg = f"the token endpoint {self._endpoint.url} answers {status} {code}"
        if status >= 500 or status == 429:
            raise NoToken(msg)
        raise TokenRefused(msg)


async def _read_body(content: aiohttp.StreamReader) -> bytes:
    """A body, however many parts it comes in; no more of it than an answer may have."""
    body = bytearray()
    while part := await content.read(MAX_ANSWER_BYTES - len(body)):
        body += part
    return bytes(body)


class MskTokens(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens for Amazon MSK (``leadglow[msk]``), signed by the credentials that AWS's own tools would use."""

    def __init__(self, region: str) -> None:
        """``region`` is that of the cluster."""
        self._region = region
        self._token = ""
        self._renew_ms = 0.0

    async def token(self) -> str:
        """A token that still lives for a while.

        Raises:
            TokenRefused: there are no credentials, or the extra is not installed.
        """
        if now_ms() >= self._renew_ms:
            self._token, ends_ms = await asyncio.to_thread(self._sign)
            self._renew_ms = now_ms() + (ends_ms - now_ms()) * USED_PART
        return self._token

    def _sign(self) -> tuple[str, int]:
        try:
            from aws_msk_iam_sasl_signer import MSKAuthTokenProvider

            token, ends_ms = MSKAuthTokenProvider.generate_auth_token(self._region)
        except ImportError:
            msg = "the log-in to Amazon MSK needs `pip install 'leadglow[msk]'`"
            raise TokenRefused(msg) from None
        except Exception as error:  # of botocore, and others for missing credentials
            msg = f"AWS gives no credentials ({error})"
            raise TokenRefused(msg) from None
        return str(token), int(ends_ms)
