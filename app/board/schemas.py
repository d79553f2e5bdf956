"""The schemas of the API's OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from app.freshness import State

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
WHOLE: Final[Schema] = {"type": "integer"}
TRUTH: Final[Schema] = {"type": "boolean"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
ANY: Final[Schema] = {"type": "object"}
POINTS: Final[Schema] = {"type": "object", "additionalProperties": NUMBER}
TEXTS: Final[Schema] = {"type": "object", "additionalProperties": TEXT}
RANGE: Final[Schema] = {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}
KIND: Final[Schema] = {"enum": ["entered", "left"]}


def ref(name: str) -> Schema:
    """A reference to one of the schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    """The schema or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def listed(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


def whole(required: dict[str, Schema], optional: dict[str, Schema] | None = None, about: str = "") -> Schema:
    """An object with these fields and no others."""
    schema: Schema = {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }
    return schema | ({"description": about} if about else {})


NAMED: Final = {"name": TEXT, "label": TEXT}
"""The name of a part in the file, and what people read; empty for the name."""
GRADES: Final = listed(whole({"grade": TEXT, "from": NUMBER}))
FRESHNESS: Final[dict[str, Schema]] = {
    "scored_until": maybe(TIME),
    "freshness": {"enum": [state.value for state in State]},
}
"""Until when all events that arrived are scored, and whether that is up to date."""
ALERT_PAGE: Final[dict[str, Schema]] = {"next": maybe(TEXT), "truncated": TRUTH, **FRESHNESS}
"""The rest of a page of alerts."""
SCHEMAS: Final[dict[str, Schema]] = {
    "Error": whole({"code": TEXT, "message": TEXT}, about="A refusal, with a remedy."),
    "Part": whole(
        {"kind": {"enum": ["signal", "fit", "cap", "clamp"]}, "name": TEXT, "points": NUMBER},
        {"label": TEXT, "amount": NUMBER, "after_caps": NUMBER},
        "One line of the explanation of a score; the `points` of all parts sum to `exact`. `after_caps` is what "
        "is left of a signal or a fit line that a cap reduces.",
    ),
    "Row": whole(
        {
            "lead_id": TEXT, "scorecard": TEXT, "applies": TRUTH, "score": WHOLE, "exact": NUMBER, "grade": TEXT,
            "stage": maybe(TEXT), "fit": NUMBER, "engagement": NUMBER, "last_seen_at": TIME,
            "sales": TEXT, "owner": maybe(TEXT), "parts": listed(ref("Part")),
        },
        {"columns": {"type": "object", "additionalProperties": maybe(TEXT)}},
        about="A lead in one line of the ranking, as `leadglow leads top --json` prints it; `columns` if they were "
        "asked for.",
    ),
    "Leads": whole(
        {
            "leads": listed(ref("Row")), "next": maybe(TEXT), "as_of": TIME, "looked_at": WHOLE, "truncated": TRUTH,
            **FRESHNESS,
        },
        {"indexing": whole({"done": WHOLE, "of": WHOLE})},
        about="A page of the ranking. With a filter it may be short or empty, and still have a `next`: `truncated` is "
        "true if the search stopped after `looked_at` leads, before the page was full. "
        "`indexing`: the board has just started, and searches only so many leads yet.",
    ),
    "Obstacle": whole(
        {},
        {"needs": {"enum": ["score", "fit", "engagement"]}, "at_least": NUMBER, "has": NUMBER, "needs_signal": TEXT,
         "blocked_by": TEXT, "label": TEXT, "since": TIME, "until": TIME, "reason": TEXT, "recycled": TRUTH,
         "applies": {"const": False}},
        "What keeps a lead out of a stage: too few points, a signal that blocks it, or a scorecard that does not "
        "apply to it.",
    ),
    "Score": whole(
        {
            "label": TEXT, "shadow": TRUTH, "applies": TRUTH,
            "score": WHOLE, "exact": NUMBER, "grade": TEXT, "stage": maybe(TEXT),
            "stages": {"type": "object", "additionalProperties": TRUTH},
            "not_entered": {"type": "object", "additionalProperties": listed(ref("Obstacle"))},
            "stage_labels": TEXTS, "fit": NUMBER, "engagement": NUMBER,
            "categories": POINTS, "category_labels": TEXTS, "parts": listed(ref("Part")),
            "next_change": maybe(whole({"at": TIME, "to": WHOLE})),
        },
        about="A lead's score by one scorecard. If it does not apply to the lead, all points are 0.",
    ),
    "Lead": whole(
        {
            "lead_id": TEXT, "as_of": TIME, "first_seen_at": TIME, "last_seen_at": TIME,
            "forgotten_at": maybe(TIME), "aliases": listed(TEXT), "traits": ANY, "sales": ref("Sales"),
            "scorecards": {"type": "object", "additionalProperties": ref("Score")},
        },
        about="A lead, as `leadglow lead show ID --json` prints it.",
    ),
    "Curve": whole(
        {
            "past": listed(RANGE), "coming": listed(RANGE),
            "crossings": listed(whole({"at": TIME, "stage": TEXT, "kind": KIND})),
            "bounds": listed(whole({"stage": TEXT, "enter": NUMBER, "leave": NUMBER})), "range": RANGE, "now": WHOLE,
            **FRESHNESS,
        },
        about="`past` has published scores by ms since the epoch, each valid from then on; `coming` has exact ones and "
        "`crossings` the coming stage changes, if no further events arrive.",
    ),
    "Fired": whole({"name": TEXT, "points": POINTS}, {"label": TEXT}),
    "Timeline": whole(
        {
            "events": listed(
                whole(
                    {
                        "at": TIME, "signals": listed(ref("Fired")), "event": maybe(TEXT),
                        "log": {"enum": ["read", "gone", "unknown", "unread"]}, "what": maybe(ref("What")),
                    }
                )
            ),
            "log_failure": maybe(TEXT),
            **FRESHNESS,
        },
        about="The last 50 events that matched signals, newest first, with their points for each scorecard. `log`: "
        "whether the event was read from Kafka, is gone from the log, was scored before its place was kept, or was "
        "not read for the reason in `log_failure`.",
    ),
    "What": whole(
        {},
        {
            **dict.fromkeys(
                ("show", "title", "path", "asset", "search", "campaign", "mail_subject", "form", "currency"), TEXT
            ),
            "form_fields": {"type": "object", "additionalProperties": TEXT}, "amount": NUMBER, "personal": TRUTH,
        },
        about="What an event was; `show` is what people see of it. Fields of forms, and a `show` that is `personal`, "
        "are hidden from viewers.",
    ),
    "Alert": {
        "type": "object",
        "properties": {
            "id": TEXT, "at": TIME, "lead_id": TEXT, "scorecard": TEXT, "stage": TEXT, "stage_label": TEXT,
            "kind": KIND, "episode": WHOLE, "cause": TEXT, "score": ANY, "reasons": listed(ANY), "activity": ANY,
            "version": TEXT,
        },
        "required": ["id", "at", "lead_id", "scorecard", "stage", "kind", "episode", "cause", "score", "reasons"],
        "description": "A record of `handoff`, without its envelope.",
    },
    "Alerts": whole(
        {"alerts": listed(ref("Alert")), **ALERT_PAGE},
        about="`truncated` is true on the last page if the board keeps no older alerts.",
    ),
    "Channel": whole(
        {
            "source": TEXT, "medium": TEXT, "campaign": TEXT, "qualified": WHOLE, "share": NUMBER,
            "median_hours_to_qualified": maybe(NUMBER), "cost": maybe(NUMBER), "cost_per_qualified": maybe(NUMBER),
        }
    ),
    "Channels": whole(
        {
            "rows": listed(ref("Channel")), "total": WHOLE, "since": TIME, "stages": listed(TEXT), "truncated": TRUTH,
            **FRESHNESS,
        },
        about="Leads that entered one of the `stages` since `since`, by channel; `truncated` is true if the board has "
        "dropped older entries.",
    ),
    "Signal": whole(
        {
            "name": TEXT, "label": TEXT, "says": TEXT, "half_life": TEXT, "limit": maybe(TEXT),
            "points": NUMBER, "absent": NUMBER, "cap": maybe(NUMBER), "category": TEXT,
            "fired_7d": WHOLE, "points_7d": maybe(NUMBER),
            "never": TRUTH,
        },
        about="`fired_7d` events counted in 7 days. They gave `points_7d`, before caps; null for a signal with "
        "`at_least`, whose points do not grow with each event. `never`: `fired_7d` is 0.",
    ),
    "Stage": whole(
        {
            "name": TEXT, "label": TEXT, "enter": NUMBER, "leave": NUMBER, "needs": POINTS, "keep": POINTS,
            "needs_signals": listed(TEXT), "blocked_by": listed(TEXT),
            "blocked_by_labels": listed(TEXT), "cooldown": maybe(TEXT), "handoff": TRUTH,
        }
    ),
    "Scorecard": whole(
        {
            "name": TEXT, "label": TEXT, "shadow": TRUTH, "applies_to": maybe(TEXT), "version": TEXT, "range": RANGE,
            "grades": GRADES, "engagement_grades": GRADES, "fit_max": maybe(NUMBER),
            "signals": listed(ref("Signal")),
            "categories": listed(
                whole({**NAMED, "signals": listed(TEXT), "min": maybe(NUMBER), "max": maybe(NUMBER)})
            ),
            "fit": listed(whole({**NAMED, "trait": TEXT, "says": TEXT, "points": maybe(NUMBER)})),
            "stages": listed(ref("Stage")),
            "accounts": maybe(whole({"key": TEXT, "roll_up": TEXT, "says": TEXT, "stages": listed(ref("Stage"))})),
        }
    ),
    "Scorecards": whole({"scorecards": listed(whole({"name": TEXT, "label": TEXT, "shadow": TRUTH}))}),
    "Flow": whole(
        {
            "rates": whole({"events_per_s": NUMBER, "alerts_per_s": NUMBER}),
            "sources": listed(whole({"topic": TEXT, "lag": WHOLE, "per_s": NUMBER})),
            "shards": listed(
                whole(
                    {
                        "partition": WHOLE, "leads": WHOLE, "due": WHOLE, "outbox": WHOLE, "owner": TEXT,
                        "arrived_at": maybe(TIME), "lag": WHOLE,
                    }
                )
            ),
            "rejects": listed(whole({"at": TIME, "reason": TEXT, "message": TEXT, "source": TEXT, "bytes": WHOLE})),
            "reject_reasons": {"type": "object", "additionalProperties": WHOLE},
            **FRESHNESS,
        }
    ),
}  # fmt: skip
