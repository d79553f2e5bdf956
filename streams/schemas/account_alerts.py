"""The records of handoff about accounts: CloudEvents, and the alert in their ``data``."""

from __future__ import annotations

from typing import Final

from streams.schemas.fields import Field as Leaf
from streams.schemas.fields import RecordSchema, group, points, rows, text, time, whole
from streams.schemas.handoff import VERSION

ACCOUNT_ALERT_URN: Final = "urn:leadglow:schema:account-alert:1"
"""The value of ``dataschema``."""
MAX_LEADS: Final = 20
_AT: Final = "2026-11-24T09:05:00.250Z"
_ALERT_ID: Final = "8a1a4c9e-6a7b-5c44-9d8f-0b9d3c5f6a21"
_SUBJECT: Final = "account:acme.example"
_CAUSES: Final = ("event", "decay", "moved", "merged", "erased", "forgotten", "scorecard_changed")

ACCOUNT_ALERT: Final = RecordSchema(
    "account-alert",
    ACCOUNT_ALERT_URN,
    "Leadglow alert about an account: the data of a record of handoff",
    (
        text("handoff_id", "The `id` of the record, again: the same *alert* has the same id for ever.", _ALERT_ID),
        group(
            "account",
            "The *account* that it is about.",
            text("key", "What its leads have in common: `email domain`, `group.id` or the name of a trait.",
                 "email domain"),
            text("value", "The value of the key, as it is compared.", "acme.example"),
            whole("leads", "How many leads it has, those with a score of 0 or less included.", 3),
        ),
        group(
            "score",
            "The *score* of the account.",
            points("value", "The score from those of its leads.", 132.0),
            points("previous", "The score just before the *cause*.", 92.0),
            points("delta", "`value` minus `previous`.", 40.0),
            Leaf("published", {"type": "integer"}, "The largest whole number that is not above `value`.", 132,
                 unit="points"),
            text("roll_up", "How the scores of leads make it: `max`, `sum`, `top N` or `saturating`.", "top 3"),
        ),
        group(
            "stage",
            "The *stage* of accounts.",
            text("name", "Its name in the scorecard.", "target"),
            text("label", "Its `label`, for people; the name without one.", "Target account"),
            text("kind", "Whether the account entered or left.", "entered", choices=("entered", "left")),
            whole("episode", "How often the account has entered the stage so far.", 1, 1),
        ),
        group(
            "threshold",
            "The bound that was crossed.",
            text("name", "The name of the stage.", "target"),
            points("value", "`enter` or `leave` of the stage.", 120.0),
            text("direction", "`up` for entering, `down` for leaving.", "up", choices=("up", "down")),
            points("rearm_below", "`leave` of the stage.", 80.0),
            Leaf("cooldown_seconds", {"type": "number"}, "The `cooldown` of the stage.", 604800.0, unit="s"),
            whole("crossing_number", "`stage.episode`.", 1, 1),
        ),
        rows(
            "leads",
            "The leads with the highest published scores, the highest first.",
            text("lead_id", "The id of the *lead*.", "ana"),
            Leaf("score", {"type": "integer"}, "Its published score, as the account knows it.", 84, unit="points"),
            most=MAX_LEADS,
        ),
        group(
            "scorecard",
            "The *scorecard* that decided.",
            text("name", "Its name in the file.", "default"),
            text("label", "Its `label`; empty without one.", "Whole company"),
            text("version", "The version of the whole scorecard file: SHA-256 of its contents, in hexadecimal.",
                 VERSION),
        ),
        text("cause", "Why the stage changed now. `event`: a lead did something. `decay`: the score of a lead faded. "
             "`moved`: a lead left for another account. `merged`: a lead became part of another one. `erased`: a lead "
             "was erased. `forgotten`: nothing was heard of a lead for too long. `scorecard_changed`: another "
             "scorecard file came into use.", "event", choices=_CAUSES),
        group(
            "links",
            "Where to see more.",
            Leaf("account", {"type": "string", "format": "uri"}, "The page of the account on the *board*.",
                 "https://board.acme.example/accounts/default/acme.example"),
            absent="if `LEADGLOW_LINK_BASE_URL` is not set",
        ),
    ),
    {},
)  # fmt: skip

ACCOUNT_EVENT: Final = RecordSchema(
    "account-event",
    "urn:leadglow:schema:account-event:1",
    "Leadglow alert about an account as a CloudEvent: a whole record of handoff",
    (
        text("specversion", "The version of CloudEvents.", "1.0", choices=("1.0",)),
        text("id", "The id of the alert, a UUID made of account, scorecard, stage, episode, kind and cause. Use it to "
             "recognize repetitions.", _ALERT_ID),
        text("source", "`/leadglow/` and the name of the scorecard.", "/leadglow/default"),
        text("type", "What happened.", "leadglow.account.entered.v1",
             choices=("leadglow.account.entered.v1", "leadglow.account.left.v1")),
        text("subject", "`account:` and the value of the key.", _SUBJECT),
        time("time", "When the score of the lead behind it was read: at most a quarter of a second after its event in "
             "the normal case.", _AT),
        text("datacontenttype", "The type of `data`.", "application/json", choices=("application/json",)),
        text("dataschema", "The name (`$id`) of the JSON Schema of `data`.", ACCOUNT_ALERT_URN,
             choices=(ACCOUNT_ALERT_URN,)),
        text("partitionkey", "The key of the record: `subject`.", _SUBJECT),
    ),
    {"data": ACCOUNT_ALERT},
)  # fmt: skip
