"""The fields of the records that others read, each with its meaning and an example; also as JSON Schemas."""

from typing import Final

from streams.schemas.account_alerts import ACCOUNT_ALERT, ACCOUNT_EVENT
from streams.schemas.fields import RecordSchema
from streams.schemas.handoff import ALERT, EVENT
from streams.schemas.lead_scores import SCORES
from streams.schemas.rejected_events import REJECTS

_ALL: Final = (ALERT, EVENT, ACCOUNT_ALERT, ACCOUNT_EVENT, SCORES, REJECTS)
RECORDS: Final[dict[str, RecordSchema]] = {each.name: each for each in _ALL}
"""Every schema, by its name."""
