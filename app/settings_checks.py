"""Checks of settings that concern several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final


def checks_across_settings(settings: Any, variable: Callable[[str], str]) -> Iterable[tuple[bool, str]]:
    """Checks across settings: (whether it is violated, message); ``variable`` names a setting's variable."""
    yield from _tls_checks(settings, variable)
    yield from _sasl_checks(settings, variable)
    ours = [
        settings.lead_events,
        settings.handoff,
        settings.lead_scores,
        settings.rejected,
        settings.scorecards_topic,
        settings.undelivered,
    ]
    topics = [*settings.sources, *ours]
    yield (
        len(set(topics)) < len(topics),
        f"every topic needs its own name; given: {', '.join(topics)}",
    )
    yield (
        settings.min_insync_replicas > settings.replication_factor,
        f"{variable('min_insync_replicas')} is more than {variable('replication_factor')}",
    )


def _tls_checks(settings: Any, variable: Callable[[str], str]) -> Iterable[tuple[bool, str]]:
    for name in ("kafka_ca_file", "kafka_client_certificate"):
        yield (
            getattr(settings, name) is not None and not settings.kafka_tls,
            f"{variable(name)} has no effect without {variable('kafka_tls')}=true",
        )
    for name in ("kafka_client_key", "kafka_client_key_password"):
        yield (
            getattr(settings, name) is not None and settings.kafka_client_certificate is None,
            f"{variable(name)} has no effect without {variable('kafka_client_certificate')}",
        )


def _sasl_checks(settings: Any, variable: Callable[[str], str]) -> Iterable[tuple[bool, str]]:
    sasl, mechanism = settings.kafka_sasl_mechanism, variable("kafka_sasl_mechanism")
    kind = "password" if sasl in {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} else sasl
    for needed_by, names in _NEEDED.items():
        given = [variable(name) for name in names if getattr(settings, name) is not None]
        lacking = [variable(name) for name in names if variable(name) not in given]
        yield kind == needed_by and bool(lacking), f"{mechanism}={sasl} needs {' and '.join(lacking)}"
        of = "PLAIN or SCRAM" if needed_by == "password" else needed_by
        verb = "have" if len(given) > 1 else "has"
        yield (
            kind != needed_by and bool(given),
            f"{' and '.join(given)} {verb} no effect without {mechanism}={of}",
        )
    for name in ("kafka_oauth_scope", "kafka_oauth_extensions"):
        yield (
            sasl != "OAUTHBEARER" and getattr(settings, name) is not None,
            f"{variable(name)} has no effect without {mechanism}=OAUTHBEARER",
        )
    remedy = f"set {variable('kafka_tls')}=true (or, on a trusted network, {variable('kafka_insecure_sasl')}=true)"
    insecure = settings.kafka_insecure_sasl
    bare = bool(sasl) and not settings.kafka_tls and not insecure
    yield bare, f"SASL without TLS exposes the password or token: {remedy}"
    url = settings.kafka_oauth_token_url or ""
    yield (
        url.startswith("http:") and not insecure,
        f"{variable('kafka_oauth_token_url')} without https exposes the client secret: use https "
        f"(or, on a trusted network, {variable('kafka_insecure_sasl')}=true)",
    )


_NEEDED: Final = {
    "password": ("kafka_sasl_username", "kafka_sasl_password"),
    "OAUTHBEARER": ("kafka_oauth_token_url", "kafka_oauth_client_id", "kafka_oauth_client_secret_file"),
    "AWS_MSK_IAM": ("kafka_msk_region",),
}
"""Mechanism -> the settings that it needs, and that have no effect with another one."""
