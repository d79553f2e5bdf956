"""Checks of Redis: version, policy, memory, persistence and clock. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.checkup.findings import Finding, Findings
from app.checkup.redis_status import Node, describe_size
from streams.store.reports import SAFE_POLICY
from streams.store.server_checks import MIN_VERSION, is_new_enough

FULL: Final = 0.9
"""The share of the memory from which on little is left."""
SKEW_MS: Final = 1000
"""Times of events are compared with this clock, so that a larger difference moves them."""


def check_nodes(nodes: Iterable[Node]) -> list[Finding]:
    """Check the servers."""
    findings = Findings("redis")
    for node in nodes:
        limit = f" of {describe_size(node.max_memory_bytes)}" if node.max_memory_bytes else " without a limit"
        findings.ok(f"{node.version} at {node.name}, {describe_size(node.memory_bytes)}{limit}")
        _check_use(findings, node)
        _check_memory(findings, node)
        if node.skew_ms > SKEW_MS:
            findings.fault(
                f"the clocks of Redis at {node.name} and of this machine differ by {node.skew_ms / 1000:.1f} s: "
                "synchronize both (NTP)."
            )
    return findings.found


def _check_use(findings: Findings, node: Node) -> None:
    if not is_new_enough(node.compatible):
        needed = ".".join(map(str, MIN_VERSION))
        findings.fault(f"{node.version} at {node.name} is too old: update it to {needed} or later.")
    place = f"Redis at {node.name}"
    if node.is_replica:
        findings.fault(f"{place} is a replica, which cannot be written: name the primary in LEADGLOW_REDIS.")
    if not node.is_persistent:
        findings.warn(
            f"{place} has no append-only file and no replica: a restart loses all leads, and a rebuild brings back "
            "only what Kafka still has. Set `appendonly yes`."
        )


def _check_memory(findings: Findings, node: Node) -> None:
    place = f"Redis at {node.name}"
    if node.policy != SAFE_POLICY:
        findings.fault(f"{place} may evict leads ({node.policy}): set `maxmemory-policy noeviction`.")
    if not node.max_memory_bytes:
        findings.warn(f"{place} has no `maxmemory`, so the system may end it when memory is short: set it.")
    elif node.memory_bytes > FULL * node.max_memory_bytes:
        findings.fault(f"{place} is nearly full: raise `maxmemory`, or add nodes.")
