"""The log-in to Kafka by the settings, the same for all processes and commands."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any

from aiokafka.abc import AbstractTokenProvider
from pydantic import SecretStr

from app.settings import Settings, variable
from app.settings_source import SettingsError
from streams.transport.login import OAUTHBEARER, ClientCertificate, Login, tls_context
from streams.transport.tokens import Endpoint, EndpointTokens, MskTokens


def kafka_options(settings: Settings) -> dict[str, Any]:
    """Options of aiokafka's clients for TLS and SASL.

    Raises:
        SettingsError: a certificate or key cannot be read, or is damaged.
    """
    return make_login(settings).client_options()


def faust_credentials(settings: Settings) -> Any:
    """TLS and SASL for Faust."""
    return make_login(settings).faust_credentials()


def make_login(settings: Settings) -> Login:
    """How to log in."""
    tls = _make_tls(settings) if settings.kafka_tls else None
    tokens = make_tokens(settings)
    if tokens is not None:
        return Login(tls, OAUTHBEARER, tokens=tokens)
    return Login(
        tls, settings.kafka_sasl_mechanism, settings.kafka_sasl_username, _text_of(settings.kafka_sasl_password)
    )


def make_tokens(settings: Settings) -> AbstractTokenProvider | None:
    """What makes tokens, shared by all clients of the process; None for a log-in without tokens."""
    if settings.kafka_sasl_mechanism == "AWS_MSK_IAM":
        assert settings.kafka_msk_region is not None
        return _msk_tokens(settings.kafka_msk_region)
    if settings.kafka_sasl_mechanism != OAUTHBEARER:
        return None
    assert settings.kafka_oauth_token_url is not None
    assert settings.kafka_oauth_client_id is not None
    assert settings.kafka_oauth_client_secret_file is not None
    return _endpoint_tokens(
        settings.kafka_oauth_token_url,
        settings.kafka_oauth_client_id,
        settings.kafka_oauth_client_secret_file,
        (settings.kafka_oauth_scope or "", settings.kafka_oauth_extensions or ""),
        settings.kafka_ca_file,
    )


@lru_cache(maxsize=4)
def _endpoint_tokens(
    url: str, client_id: str, secret_file: Path, more: tuple[str, str], authorities: Path | None
) -> AbstractTokenProvider:
    scope, extensions = more
    tls = None
    if authorities is not None:  # a private authority may have signed both, and a public one the endpoint
        tls = ssl.create_default_context()
        tls.load_verify_locations(authorities)
    pairs = dict(pair.split("=", 1) for pair in extensions.split(",") if pair)
    return EndpointTokens(Endpoint(url, client_id, secret_file, scope, pairs), tls)


@lru_cache(maxsize=4)
def _msk_tokens(region: str) -> AbstractTokenProvider:
    return MskTokens(region)


def _make_tls(settings: Settings) -> ssl.SSLContext:
    shown = None
    if settings.kafka_client_certificate is not None:
        password = _text_of(settings.kafka_client_key_password)
        shown = ClientCertificate(settings.kafka_client_certificate, settings.kafka_client_key, password)
    try:
        return tls_context(settings.kafka_ca_file, shown)
    except OSError as error:  # ssl.SSLError is one
        names = ("kafka_ca_file", "kafka_client_certificate", "kafka_client_key", "kafka_client_key_password")
        given = [variable(name) for name in names if getattr(settings, name) is not None]
        raise SettingsError([f"{' or '.join(given)} cannot be used ({error}): is it PEM, and do they match?"]) from None


def _text_of(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
