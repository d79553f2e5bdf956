"""What the servers of Redis report about themselves, by INFO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.store.base import ServerReport
from streams.store.checks import ClusterExpected, EvictingStore

SAFE_POLICY = "noeviction"


def read_report(info: Mapping[str, Any]) -> ServerReport:
    """Read the fields of INFO; those that a server leaves out count as healthy."""
    written = (info.get("aof_last_write_status", "ok"), info.get("rdb_last_bgsave_status", "ok"))
    return ServerReport(
        int(info.get("used_memory", 0)),
        int(info.get("maxmemory", 0)),
        info.get("maxmemory_policy", SAFE_POLICY) != SAFE_POLICY,
        written == ("ok", "ok"),
    )


def require_fit(info: Mapping[str, Mapping[str, Any]], *, is_cluster: bool) -> None:
    """Refuse servers that could silently lose leads, or that need a cluster client; ``info`` is by their addresses.

    Raises:
        StoreRefused: the message has the reason and the remedy.
    """
    for node, fields in info.items():
        if fields.get("cluster_enabled") and not is_cluster:
            raise ClusterExpected(node=node)
        if (policy := fields.get("maxmemory_policy")) != SAFE_POLICY:
            raise EvictingStore(node=node, policy=policy)
