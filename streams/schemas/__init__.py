"""The fields of the records that others read, each with its meaning and an example; also as JSON Schemas."""

from typing import Final

from streams.schemas.fields import RecordSchema
from streams.schemas.handoff import ALERT, EVENT
from streams.schemas.lead_scores import SCORES
from streams.schemas.rejected_events import REJECTS

RECORDS: Final[dict[str, RecordSchema]] = {each.name: each for each in (ALERT, EVENT, SCORES, REJECTS)}
"""Every schema, by its name."""
