"""What the servers of Redis report about themselves, by INFO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.store.base import ServerReport

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
