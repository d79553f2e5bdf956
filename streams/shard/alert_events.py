"""The events of an alert: the one that caused it and those before, with their names where they are known. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

from streams.events.activity import name_event
from streams.events.calls import check_call, message_id_of, parse_call
from streams.events.rejects import Refused
from streams.scoring.event import LeadEvent
from streams.scoring.lead import ENTRY_BYTES, Lead, id_hash
from streams.scoring.rules import Rules

MAX_BEFORE: Final = 5
MAX_SIGNALS: Final = 10
FindRecord = Callable[[int], Any]
"""Returns the record at an offset that ends in the given four bytes, or None; it may be another record."""


def find_nothing(offset_end: int) -> None:
    """No record is known."""
    return


def alert_events(lead: Lead, cause: LeadEvent | None, rules: Rules, find_record: FindRecord) -> list[dict[str, Any]]:
    """The event that caused an alert, if one did, and up to ``MAX_BEFORE`` before it, the latest first.

    ``at`` is in ms since the epoch.
    """
    digest = None if cause is None else id_hash(cause.message_id)
    rows, signals = [], [hit.signal for hit in rules.match(cause.name, cause.values).hits] if cause else []
    if cause is not None:
        rows.append(_row(cause.at, signals, rules, digest, cause.raw))
    skip = max(len(lead.recent) // ENTRY_BYTES - MAX_BEFORE - 1, 0)
    before = (event for event in reversed(lead.remembered(skip=skip)) if event[0] != digest)
    for found, at, counted, offset in islice(before, MAX_BEFORE):
        record = find_record(offset)
        rows.append(_row(at + lead.base, counted, rules, found, None if record is None else record.value))
    return rows


def _row(at_ms: int, signals: Iterable[int], rules: Rules, digest: bytes | None, raw: bytes | None) -> dict[str, Any]:
    found = {rule.name: rule for signal in signals if (rule := rules.by_id.get(signal)) is not None}
    matched = dict(islice(found.items(), MAX_SIGNALS))
    call, show = _read_call(raw, digest), [path for rule in matched.values() for path in rule.signal.show]
    row: dict[str, Any] = {"at": at_ms, "signals": list(matched)}
    if label := ", ".join(rule.label or name for name, rule in matched.items()):
        row["label"] = label
    return row if call is None else row | {"event": check_call(call), **name_event(call, show)}


def _read_call(raw: bytes | None, digest: bytes | None) -> dict[str, Any] | None:
    """The event in a record; None if it is another one, or unknown."""
    try:
        call = parse_call(raw)
        check_call(call)
    except Refused:
        return None
    return call if id_hash(message_id_of(call, raw or b"")) == digest else None
