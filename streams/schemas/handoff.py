"""The records of handoff: CloudEvents, and the alert in their ``data``."""

from __future__ import annotations

from typing import Final

from streams.schemas.fields import Field as Leaf
from streams.schemas.fields import RecordSchema, Schema, group, points, rows, rows_by, text, time, whole
from streams.scoring.verdicts import STATES

HANDOFF: Final = "urn:leadglow:schema:handoff:1"
"""The value of ``dataschema``."""
_AT: Final = "2026-11-24T09:05:00.000Z"
_ALERT_ID: Final = "330fca70-9383-51a6-9203-ae97d6948f7a"
VERSION: Final = "5f6c1c9f8e4d2b7a90c3d4e5f60718293a4b5c6d7e8f9012a3b4c5d6e7f80912"
"""The version of the scorecards in all examples."""
_POINTS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "number"}}
_CAUSES: Final = ("event", "decay", "retracted", "merged", "scorecard_changed", "erased", "not_applicable")

_LEAD: Final = group(
    "lead",
    "Who it is about.",
    text("lead_id", "The id of the *lead*: its `userId`, else its `anonymousId`, else the SHA-256 of its lower-cased "
         "e-mail address.", "ana"),
    Leaf("anonymous_ids", {"type": "array", "items": {"type": "string"}, "maxItems": 20},
         "The aliases of the *lead*: other ids that were merged into this lead, of any kind; the first 20 in "
         "order of text.",
         ["5f3c"]),
    Leaf("traits", {"type": "object"}, "The latest value of each *trait*: texts, numbers, booleans, or lists of these. "
         "Personal data.", {"title": "CTO", "employees": 450, "email": "ana@acme.example"}),
    text("email", "The trait `email`, as it was sent. Personal data.", "ana@acme.example",
         absent="if the lead has no such trait, or it has no `@`"),
    text("owner", "The owner whom sales assigned (`Owner Assigned`), else the trait `owner`.", "ben@acme.example",
         absent="if the lead has none"),
)  # fmt: skip

_SALES: Final = group(
    "sales",
    "What sales made of the lead.",
    text("state", "The state of the lead.", "contacted", choices=STATES),
    time("since", "The time of the verdict that led to it.", "2026-11-20T15:30:00.000Z", absent="if it is `new`"),
    text("by", "Who gave that verdict.", "ben@acme.example", absent="if that is not known"),
    text("reason", "Why the lead was rejected or lost.", "no budget", absent="if no reason was given"),
    Leaf("amount", {"type": "number"}, "The amount of the opportunity.", 12000.0, absent="if it has none"),
    absent="in alerts of older programs",
)  # fmt: skip

_SCORE: Final = group(
    "score",
    "The *score* at `time`.",
    points("value", "The exact score, within the range of the *scorecard* and with up to nine decimals. The `points` "
           "of all `reasons` sum to it.", 84.94071669),
    points("previous", "The exact score just before the *cause*; for `decay`, one millisecond before.", 44.940718027),
    points("delta", "`value` minus `previous`.", 39.999998663),
    Leaf("published", {"type": "integer"}, "The published score: the largest whole number that is not above `value`. "
         "`lead-scores`, the board and the command line show this one.", 84, unit="points"),
    text("grade", "The *grade* of `value`, by the bounds in the scorecard; empty if it has no grades.", "A"),
    points("fit", "The *fit*: points from traits, after `fit_max`.", 35.0),
    points("engagement", "The *engagement*: points from *signals*, after all caps. `fit` plus `engagement`, brought "
           "into the range of the scorecard, is `value`.", 49.94071669),
    Leaf("categories", _POINTS, "The engagement by *category*, after its bounds; `other` is that of signals in no "
         "category.", {"intent": 49.037015051, "attention": 0.903701639, "friction": 0.0, "other": 0.0},
         unit="points by name"),
)  # fmt: skip

_STAGE: Final = group(
    "stage",
    "The *stage* that was entered or left.",
    text("name", "Its name in the scorecard.", "qualified"),
    text("label", "Its `label`, for people; the name without one.", "Ready for sales"),
    text("kind", "Whether the lead entered or left it.", "entered", choices=("entered", "left")),
    whole("episode", "The *episode*: how many times the lead has entered this stage, this time included. The alert of "
          "leaving has the number of its entry. Entries without an alert count, too, so numbers may be missing.", 1, 1),
)  # fmt: skip

_THRESHOLD: Final = group(
    "threshold",
    "The bound of the stage. The score need not have passed it: a block, a need, a retraction, a merge or another "
    "scorecard can also end or begin a stage.",
    text("name", "The name of the stage, again.", "qualified"),
    points("value", "`enter` of the stage if it was entered, `leave` if it was left.", 70.0),
    text("direction", "`up` if the stage was entered, `down` if it was left.", "up", choices=("up", "down")),
    points("rearm_below", "`leave` of the stage: below this score the lead leaves it, and can then enter again.", 50.0),
    Leaf("cooldown_seconds", {"type": "number", "minimum": 0}, "`cooldown` of the stage: for so long after an alert of "
         "an entry, another entry makes no alert, and neither does leaving after it. 0 without one.", 604800.0,
         unit="seconds"),
    whole("crossing_number", "`stage.episode`, again.", 1, 1),
)  # fmt: skip

_REASONS: Final = rows(
    "reasons",
    "The *parts* of the score, those with the largest `points` first, whatever their sign. If there are more than 10, "
    "the tenth is the sum of the rest.",
    text("rule", "The name of the signal; the name of a fit line, or its trait; the signal, the category or `fit` "
         "that a cap reduces; `range` for the range of the scorecard; `others` for the rest.", "demo_request"),
    text("label", "The same for people: the `label` in the scorecard file; `rule` without one.", "Asked for a demo"),
    text("kind", "`signal` and `fit` give points. `cap` and `clamp` are corrections: what caps, and the range of the "
         "scorecard, take away or give back.", "signal", choices=("signal", "fit", "cap", "clamp", "others")),
    points("points", "What it adds to the score.", 40.0),
    whole("count", "How many events of the signal counted so far, however faded they are; 0 for other kinds.", 1),
    points("after_caps", "What caps leave of `points`; caps over several signals or lines take from each in "
           "proportion. For people: the sum is already right with `points` and the rows of kind `cap`.", 40.0,
           absent="if caps take nothing"),
    time("last_at", "When the signal counted last (event time).", _AT, absent="except for signals"),
    most=10,
)  # fmt: skip

_NOT_ENTERED: Final = rows_by(
    "STAGE",
    "not_entered",
    "For each stage of the scorecard that the lead is not in, the reasons why. An empty list: nothing does; the "
    "lead was merged into another one, or is exactly at the bound at this instant.",
    text("needs", "Of what the lead has too little.", "score", choices=("score", "fit", "engagement"),
         absent="except in a row about a need"),
    points("at_least", "How much the stage needs.", 70.0, absent="except in a row about a need"),
    points("has", "How much the lead has.", 46.0, absent="except in a row about a need"),
    text("needs_signal", "The signal that the lead needs, and does not have.", "active",
         absent="except in a row about a needed signal"),
    text("blocked_by", "The signal that blocks the stage.", "unsubscribe", absent="except in a row about a block"),
    text("label", "The label of the needed or blocking signal.", "Unsubscribed", absent="if it has none"),
    time("since", "When the blocking signal happened last (event time).", _AT, absent="except in a row about a block"),
    time("until", "When time alone ends the block.", "2026-12-24T09:05:00.000Z", absent="if it does not"),
    text("reason", "Why sales rejected the lead.", "no budget", absent="except in a row about a rejection by sales"),
    Leaf("recycled", {"type": "boolean"}, "Whether sales released the lead; `until` then, time alone holds it out.",
         False, absent="except in a row about a rejection by sales"),
    Leaf("applies", {"type": "boolean"}, "False: the scorecard does not apply to the lead.", False,
         absent="if it does"),
)  # fmt: skip

_UNNAMED: Final = "if the event has none, or is not known any more"
_ACTIVITY: Final = group(
    "activity",
    "What the lead did.",
    time("first_seen_at", "Event time of its first event.", "2026-11-22T08:00:00.000Z"),
    time("last_seen_at", "Event time of its last event so far.", _AT),
    whole("events_total", "The sum of `count` over all signals: an event that counts for two signals counts twice.", 3),
    rows(
        "recent",
        "The signals of this scorecard, the latest first.",
        text("type", "The name of the signal.", "demo_request"),
        text("label", "Its `label`, for people; the name without one.", "Asked for a demo"),
        time("at", "When it counted last (event time).", _AT),
        points("points", "What all its events are worth now.", 40.0),
        most=10,
    ),
    rows(
        "events",
        "The event behind the alert, if one is, and up to five events before it that counted, the latest first. Of the "
        "event behind it every field is known; of an earlier one those from `event` on are only if the worker has read "
        "it recently, since its start. The *board* shows them all.",
        time("at", "Its event time.", _AT),
        Leaf("signals", {"type": "array", "items": {"type": "string"}, "maxItems": 10},
             "The names of the first ten signals that it matched; none for one that only changed traits.",
             ["demo_request"]),
        text("label", "Their labels for people, else names.", "Asked for a demo", absent="if there are no signals"),
        text("event", "Its name, or the type of a call other than `track`.", "Demo Requested", absent=_UNNAMED),
        text("show", "What people see of it: what `show` of its signals names; without one the subject, asset, search "
             "term, form, title, path or campaign, whichever it has first.", "Demo", absent=_UNNAMED),
        Leaf("personal", {"type": "boolean"}, "`show` may be personal data: it is from a path such as `traits.name`.",
             True, absent="if it is not"),
        text("title", "The title of the page.", "Ask for a demo", absent=_UNNAMED),
        text("path", "The path of the page, or of the link in a mail, without what follows `?`.", "/demo",
             absent=_UNNAMED),
        text("asset", "The file or the product.", "Pricing guide", absent=_UNNAMED),
        text("search", "The search term.", "alternative to acme", absent=_UNNAMED),
        text("campaign", "The source, the medium and the name of the campaign.", "google / cpc / spring",
             absent=_UNNAMED),
        text("mail_subject", "The subject of the mail.", "Our offer", absent=_UNNAMED),
        text("form", "The name of the form.", "Demo", absent=_UNNAMED),
        Leaf("form_fields", {"type": "object", "additionalProperties": {"type": "string"}}, "The first ten fields of "
             "the form. Personal data.", {"team": "50 to 100"}, absent=_UNNAMED),
        Leaf("amount", {"type": "number"}, "The amount, the value or the price.", 1200.0, absent=_UNNAMED),
        text("currency", "Its currency, as it was sent.", "EUR", absent=_UNNAMED),
        most=6,
    ),
)  # fmt: skip

_TOUCH: Final = (
    time("at", "Event time of the touch.", "2026-11-22T08:00:00.000Z"),
    text("source", "`context.campaign.source` of the event; empty if it had none.", "google"),
    text("medium", "`context.campaign.medium`; empty if it had none.", "cpc"),
    text("campaign", "`context.campaign.name`; empty if it had none.", "spring"),
)
_NO_TOUCH: Final = "if no event had a campaign; then `channels` is empty"

ALERT: Final = RecordSchema(
    "handoff",
    HANDOFF,
    "Leadglow alert: the data of a record of handoff",
    (
        text("handoff_id", "The `id` of the record, again: the same *alert* has the same id for ever.", _ALERT_ID),
        _LEAD,
        _SALES,
        _SCORE,
        _STAGE,
        _THRESHOLD,
        _REASONS,
        _NOT_ENTERED,
        _ACTIVITY,
        group(
            "scorecard",
            "The *scorecard* that decided.",
            text("name", "Its name in the file.", "default"),
            text("label", "Its `label`; empty without one.", "Whole company"),
            text("version", "The version of the whole scorecard file: SHA-256 of its contents, in hexadecimal. "
                 "Comments and order of lines do not matter.", VERSION),
        ),
        group(
            "model",
            "The same in the words of model registries.",
            text("name", "`scorecard.name`.", "default"),
            text("version", "The first 12 characters of `scorecard.version`.", VERSION[:12]),
            Leaf("checksum", {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}, "`scorecard.version` with its "
                 "algorithm.", f"sha256:{VERSION}"),
        ),
        text("cause", "Why the stage changed now. `event`: an *event* counted or changed a trait. `decay`: time "
             "passed, and signals faded. `retracted`: an event was undone by a *retraction*: a machine had caused it. "
             "`merged`: two leads became one. `scorecard_changed`: another scorecard file came into use. `erased`: the "
             "lead was erased. `not_applicable`: traits changed, so that the scorecard does not apply to the lead "
             "any more; the score is 0.", "event",
             choices=_CAUSES),
        group(
            "triggering_event",
            "The event behind it.",
            text("event_id", "Its `messageId`; without one, a hash of its bytes; empty if no event is behind it.",
                 "m-3"),
            text("type", "Its name, or the type of a call other than `track`; `cause` if no event is behind it.",
                 "Demo Requested"),
            time("occurred_at", "Its event time, corrected for the clock of the sender; `time` if no event is "
                 "behind it.", _AT),
            time("received_at", "Its *arrival*; `time` if no event is behind it.", _AT),
        ),
        group(
            "channels",
            "The first and the last *channel* that brought the lead; the same one if there was only one.",
            group("first_touch", "The earliest by event time.", *_TOUCH, absent=_NO_TOUCH),
            group("last_touch", "The latest by event time.", *_TOUCH, absent=_NO_TOUCH),
        ),
        text("merged_into", "The lead that this one is part of from now on.", "ana",
             absent="unless `cause` is `merged` and the lead left because its id was merged into another"),
        group(
            "links",
            "Where to see more.",
            Leaf("lead", {"type": "string", "format": "uri"}, "The page of the lead on the *board*.",
                 "https://board.acme.example/leads/ana"),
            absent="if `LEADGLOW_LINK_BASE_URL` is not set",
        ),
    ),
    {},
)  # fmt: skip

EVENT: Final = RecordSchema(
    "handoff-event",
    "urn:leadglow:schema:handoff-event:1",
    "Leadglow alert as a CloudEvent: a whole record of handoff",
    (
        text("specversion", "The version of CloudEvents.", "1.0", choices=("1.0",)),
        text("id", "The id of the alert, a UUID made of lead, scorecard, stage, episode, kind and cause. Use it to "
             "recognize repetitions.", _ALERT_ID),
        text("source", "`/leadglow/` and the name of the scorecard.", "/leadglow/default"),
        text("type", "What happened.", "leadglow.stage.entered.v1",
             choices=("leadglow.stage.entered.v1", "leadglow.stage.left.v1")),
        text("subject", "The id of the *lead*.", "ana"),
        time("time", "The instant of the *crossing*: for an event its arrival, for decay the millisecond in which the "
             "score fell below the bound. It may be long before the record was written, after a backlog or an outage.",
             _AT),
        text("datacontenttype", "The type of `data`.", "application/json", choices=("application/json",)),
        text("dataschema", "The name (`$id`) of the JSON Schema of `data`.", HANDOFF, choices=(HANDOFF,)),
        text("partitionkey", "The key of the record: the id of the lead.", "ana"),
    ),
    {"data": ALERT},
)  # fmt: skip
