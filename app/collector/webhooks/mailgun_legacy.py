"""Mailgun's legacy webhooks, which old accounts may still have: forms, read as the JSON of today's webhooks.

Mailgun mixes the custom variables with its own fields. If names are the same, its own field comes first, but time,
token and signature last.
"""

from __future__ import annotations

from typing import Any, Final

_FAILURES: Final = frozenset({"bounced", "dropped"})
_NEVER_SENT: Final = frozenset({"605", "606", "607"})
"""Codes of mails to addresses that bounced, unsubscribed or complained before."""


def to_current(fields: list[tuple[str, str]]) -> dict[str, Any]:
    """The body that a webhook of today would have."""
    last, first = dict(fields), dict(reversed(fields))
    kind, code = first.get("event", ""), first.get("code", "")
    message_id = first.get("Message-Id") or first.get("message-id", "")
    event = {
        "event": "failed" if kind in _FAILURES else kind,
        "severity": "permanent",
        "reason": "suppressed" if code in _NEVER_SENT else first.get("reason", ""),
        "id": last.get("token", ""),
        "timestamp": last.get("timestamp", ""),
        "recipient": first.get("recipient", ""),
        "message": {"headers": {"message-id": message_id.strip("<>")}},
        "url": first.get("url", ""),
        "ip": first.get("ip", ""),
        "client-info": {"user-agent": first.get("user-agent", "")},
        "campaigns": first.get("campaign-id", ""),
        "tags": first.get("tag") or first.get("X-Mailgun-Tag", ""),
        "user-variables": first,
    }
    return {
        "signature": {name: last.get(name, "") for name in ("timestamp", "token", "signature")},
        "event-data": event,
    }
