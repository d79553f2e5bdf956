"""Fields of a customer system, each with the value at a path of the alert. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.notify.alerts import Alert, value_at


@dataclass(frozen=True, slots=True)
class CrmFields:
    """How an alert becomes a record."""

    key: str
    """The field that identifies a record; it must be unique there."""
    key_path: str
    """Where the alert has its value."""
    fields: Mapping[str, str]
    """Field -> path in the alert's ``data``."""

    def key_of(self, alert: Alert) -> str:
        """The value that identifies the record; empty if the alert has none."""
        value = value_at(alert.data, self.key_path)
        return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""

    def why_not(self, alert: Alert) -> str:
        """Why an alert cannot be delivered; empty if it can."""
        return "" if self.key_of(alert) else f"the alert has no {self.key_path}"

    def values(self, alert: Alert) -> dict[str, Any]:
        """The fields for which the alert has a value; those of lists are joined by semicolons."""
        found = {name: value_at(alert.data, path) for name, path in self.fields.items()}
        joined = {name: ";".join(map(str, v)) if isinstance(v, list) else v for name, v in found.items()}
        return {name: value for name, value in joined.items() if isinstance(value, str | int | float)}
