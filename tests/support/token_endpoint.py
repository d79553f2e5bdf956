"""A token endpoint of OAuth 2.0, whose tokens have no signature: Kafka accepts them in its tests' configuration."""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64encode
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from streams.clock import now_ms
from tests.support.http_server import Answer, Request, Web, serve

LIFE_S = 600


def token_endpoint(client_id: str, secret: str) -> AbstractContextManager[Web]:
    """Serve tokens for one client, whose user in Kafka has the same name."""

    def answer(request: Request) -> Answer:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme != "Basic" or unquote_plus(b64decode(given).decode()) != f"{client_id}:{secret}":
            return Answer(401, b'{"error": "invalid_client"}')
        if parse_qs(request.body.decode()).get("grant_type") != ["client_credentials"]:
            return Answer(400, b'{"error": "unsupported_grant_type"}')
        token = unsigned_token(client_id)
        return Answer(200, json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": LIFE_S}).encode())

    return serve(answer)


def unsigned_token(user: str) -> str:
    """A JWT (RFC 7519) without signature."""
    now_s = now_ms() // 1000
    claims = {"sub": user, "iat": now_s, "exp": now_s + LIFE_S}
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def _part(value: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
