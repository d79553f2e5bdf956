"""Converts an export in Parquet to JSON lines, by pyarrow (the extra ``leadglow[parquet]``)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from app.backtest.export import BadExport

BATCH: Final = 5000
WHOLE: Final = ("event_json", "payload", "value", "raw")
"""Names of a column that holds whole events as JSON; in this order."""
_NAMES: Final = {
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "message_id": "messageId",
    "original_timestamp": "originalTimestamp",
    "sent_at": "sentAt",
    "received_at": "receivedAt",
}
"""Columns of a warehouse and the fields that they are."""
_NESTED: Final = frozenset({"properties", "traits", "context", "integrations"})


def is_parquet(path: Path) -> bool:
    """Whether a file is in this format, by its first bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def write_json_lines(path: Path, target: IO[bytes]) -> None:
    """Write each row of a file as an event.

    Raises:
        BadExport: pyarrow is missing, or cannot read the file.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise BadExport(path, "is a Parquet file", "pip install 'leadglow[parquet]' to read it") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                target.writelines(_encode(row) + b"\n" for row in _rows(batch.to_pylist()))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise BadExport(path, "cannot be read as Parquet", str(error)) from None


def _rows(rows: list[dict[str, Any]]) -> Iterator[Any]:
    for row in rows:
        whole = next(
            (row[name] for name in WHOLE if isinstance(row.get(name), str | bytes) and "type" not in row), None
        )
        yield event_of(row) if whole is None else msgspec.Raw(whole.encode() if isinstance(whole, str) else whole)


def event_of(row: dict[str, Any]) -> dict[str, Any]:
    """The event in the columns of a row.

    Empty columns are left out. ``user_id`` is ``userId``; text in ``properties``, ``traits`` or ``context`` is JSON;
    ``properties.url`` is a field of ``properties``.
    """
    event: dict[str, Any] = {}
    for column, value in row.items():
        if value is None:
            continue
        *path, last = (_NAMES.get(column) or column).split(".")
        inner = event
        for name in path:
            inner = inner.setdefault(name, {}) if isinstance(inner.get(name, {}), dict) else {}
        inner[last] = _nested(value) if not path and last in _NESTED else _plain(value)
    return event


def _nested(value: Any) -> Any:
    if isinstance(value, str | bytes):
        try:
            return msgspec.json.decode(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
            return _plain(value)
    return _plain(value)


def _plain(value: Any) -> Any:
    """A value as JSON has it: empty fields of a struct are left out, a map is an object, times are UTC."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        if value and all(isinstance(pair, tuple) for pair in value):
            return {str(name): _plain(inner) for name, inner in value if inner is not None}
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return (
            (value if value.tzinfo else value.replace(tzinfo=UTC))
            .astimezone(UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        )
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return (
        value.decode("utf-8", "replace")
        if isinstance(value, bytes)
        else str(value)
        if isinstance(value, date)
        else value
    )


def _encode(event: Any) -> bytes:
    """A line of JSON; a whole event may have line breaks, which JSON allows between its parts only."""
    if isinstance(event, msgspec.Raw):
        return bytes(event).replace(b"\r", b" ").replace(b"\n", b" ")
    return msgspec.json.encode(event, enc_hook=str)
