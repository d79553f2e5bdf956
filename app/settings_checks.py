"""Checks of settings that concern several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def checks_across_settings(settings: Any, variable: Callable[[str], str]) -> Iterable[tuple[bool, str]]:
    """Checks across settings: (whether it is violated, message); ``variable`` names a setting's variable."""
    sasl = settings.kafka_sasl_mechanism
    credentials = (settings.kafka_sasl_username, settings.kafka_sasl_password)
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
        bool(sasl) and None in credentials,
        f"{variable('kafka_sasl_mechanism')} needs {variable('kafka_sasl_username')} and _PASSWORD",
    )
    yield (
        not sasl and credentials != (None, None),
        f"Kafka's user and password have no effect without {variable('kafka_sasl_mechanism')}",
    )
    yield (
        bool(sasl) and not settings.kafka_tls and not settings.kafka_insecure_sasl,
        f"SASL without TLS exposes the password: set {variable('kafka_tls')}=true "
        f"(or, on a trusted network, {variable('kafka_insecure_sasl')}=true)",
    )
    yield (
        settings.kafka_ca_file is not None and not settings.kafka_tls,
        f"{variable('kafka_ca_file')} has no effect without {variable('kafka_tls')}=true",
    )
    yield (
        len(set(topics)) < len(topics),
        f"every topic needs its own name; given: {', '.join(topics)}",
    )
    yield (
        settings.min_insync_replicas > settings.replication_factor,
        f"{variable('min_insync_replicas')} is more than {variable('replication_factor')}",
    )
