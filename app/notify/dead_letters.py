"""Records of the topic of dead letters: an alert as it was, and in headers why it was not delivered. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streams.events.outgoing import Outgoing


def dead_letter(topic: str, route: str, alert: tuple[bytes, bytes], failure: tuple[str, int], now_ms: int) -> Outgoing:
    """The record; ``alert`` is its key and value, ``failure`` the reason and the number of attempts."""
    key, value = alert
    reason, attempts = failure
    headers = [
        ("route", route.encode()),
        ("reason", reason.encode()),
        ("attempts", str(attempts).encode()),
        ("content-type", b"application/cloudevents+json"),
    ]
    return Outgoing(topic, key, value, now_ms, headers)


def header(headers: Iterable[tuple[str, bytes]], name: str) -> str:
    """The text of a header; empty without one."""
    found: Mapping[str, bytes] = dict(headers)
    return found.get(name, b"").decode(errors="replace")
