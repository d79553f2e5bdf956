"""The records of lead-scores: the current score of a lead by one scorecard."""

from __future__ import annotations

from typing import Final

from streams.schemas.fields import Field, RecordSchema, points, text, time
from streams.schemas.handoff import VERSION

SCORES: Final = RecordSchema(
    "lead-scores",
    "urn:leadglow:schema:lead-scores:1",
    "Leadglow score: a record of lead-scores",
    (
        text("lead_id", "The id of the *lead*.", "ana"),
        text("scorecard", "The name of the *scorecard*.", "default"),
        Field("score", {"type": "integer"}, "The published *score*: the largest whole number that is not above the "
              "exact score at `at`.", 84, unit="points"),
        text("grade", "The *grade* of the exact score; empty if the scorecard has no grades.", "A"),
        Field("stage", {"type": ["string", "null"]}, "The last *stage*, in the order of the file, that the lead is in; "
              "null if it is in none.", "qualified"),
        points("fit", "The *fit*: exact points from traits.", 35.0),
        points("engagement", "The *engagement*: exact points from signals, at `at`.", 49.94071669),
        Field("applies", {"type": "boolean"}, "Whether the scorecard applies to the lead (`applies_to`); if not, all "
              "points are 0, and `stage` is null.", True),
        Field("shadow", {"type": "boolean"}, "Whether the scorecard is only tried (`shadow: true`): do not act on "
              "this score.", False),
        text("version", "The version of the scorecard file that scored it, as `scorecard.version` of an alert.",
             VERSION),
        time("at", "The instant that all values are true for. Between two records of a key they change only by decay "
             "that does not change `score` or `stage`.", "2026-11-24T09:05:00.250Z"),
    ),
    {},
)  # fmt: skip
