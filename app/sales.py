"""Verdicts of sales as JSON values and as events, for the board and the command line. Pure."""

from __future__ import annotations

import json
from typing import Any, Final

from xxhash import xxh3_64_hexdigest

from streams.events.calls import RETRACTION
from streams.scoring.lead import Lead, id_hash
from streams.scoring.verdicts import KINDS, LOST, NOTE, OPPORTUNITY, OWNER, REJECTED, WON, Verdict, event_of
from streams.shard.alert import owner_of, rfc3339, show_sales

DETAILS: Final = {
    REJECTED: "reason",
    LOST: "reason",
    OWNER: "owner",
    NOTE: "note",
    OPPORTUNITY: "amount",
    WON: "amount",
}
"""Kind -> the name of its detail."""


def sales_view(lead_id: str, lead: Lead) -> dict[str, Any]:
    """What sales made of a lead, with the verdicts that it keeps, the latest first."""
    history = [_history_row(verdict, [lead_id, *lead.aliases]) for verdict in reversed(lead.verdicts)]
    return {**show_sales(lead), "owner": owner_of(lead) or None, "history": history}


def _history_row(verdict: Verdict, lead_ids: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": KINDS[verdict.kind], "at": rfc3339(verdict.at_ms)}
    if verdict.detail != "":
        row[DETAILS[verdict.kind]] = verdict.detail
    if verdict.by:
        row["by"] = verdict.by
    for lead_id in lead_ids:
        message_id = verdict_id(lead_id, verdict.kind, verdict.at_ms)
        if id_hash(message_id) == verdict.digest:
            row["message_id"] = message_id
    return row


def verdict_id(lead_id: str, kind: int, at_ms: int) -> str:
    """The message id of a verdict from the board: it can be found again, as a lead keeps only its hash."""
    return f"verdict:{KINDS[kind]}:{at_ms}:{xxh3_64_hexdigest(lead_id.encode())}"


def verdict_event(
    lead_id: str, lead: Lead, kind: int, detail: str | float | None, currency: str = "", **more: Any
) -> bytes:
    """The event with a verdict; ``more`` are its message id, its time and who gives it."""
    properties = {DETAILS[kind]: detail} if kind in DETAILS and detail not in (None, "") else {}
    if currency and "amount" in properties:
        properties["currency"] = currency
    return _event(event_of(kind), properties, lead_id, lead, **more)


def undo_event(lead_id: str, lead: Lead, verdict_message_id: str, **more: Any) -> bytes:
    """The event that takes a verdict back."""
    return _event(RETRACTION, {"messageId": verdict_message_id}, lead_id, lead, **more)


def _event(  # noqa: PLR0913 - the parts of an event
    name: str, properties: dict[str, Any], lead_id: str, lead: Lead, *, message_id: str, at_ms: int, by: str
) -> bytes:
    """An event of a lead; only a known user is named by ``userId``, which could not be joined to another one."""
    event = {
        "type": "track",
        "event": name,
        "messageId": message_id,
        "userId" if lead.known else "anonymousId": lead_id,
        "timestamp": rfc3339(at_ms),
        "properties": properties,
        "context": {"by": by} if by else {},
    }
    return json.dumps(event).encode()
