"""The OpenAPI 3.1 document of the board's API: every route with its parameters and responses."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from app.board.account_pages import ACCOUNT_SCHEMAS
from app.board.alerts import ACCOUNTS, EVERYTHING, LEADS
from app.board.export import MAX_EXPORTED
from app.board.parameters import DEFAULT_DAYS, DEFAULT_LIMIT, MAX_DAYS, MAX_FILTER_CHARS, MAX_LIMIT
from app.board.publishing_schemas import PUBLISHING_SCHEMAS
from app.board.results_desk import MAX_DAYS as RESULTS_DAYS
from app.board.results_schemas import RESULTS_SCHEMAS
from app.board.routing import API_PATHS, method_of
from app.board.schemas import SCHEMAS, Schema, ref
from app.board.trial_schemas import TRIAL_SCHEMAS
from app.board.trials import MAX_TEXT_BYTES
from app.board.usage_schemas import USAGE_SCHEMAS
from app.board.verdict_schemas import VERDICT_SCHEMAS
from app.board.versions import LISTED, MAX_LISTED, VERSION_NAME
from streams.schemas import RECORDS
from streams.schemas.fields import SCHEMA_TYPE


def openapi_document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Leadglow board",
            "version": version("leadglow"),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": {
            API_PATHS[each["operationId"]]: {method_of(each["operationId"]).lower(): each} for each in _operations()
        },
        "components": {
            "schemas": SCHEMAS
            | TRIAL_SCHEMAS
            | PUBLISHING_SCHEMAS
            | USAGE_SCHEMAS
            | VERDICT_SCHEMAS
            | RESULTS_SCHEMAS
            | ACCOUNT_SCHEMAS,
            "responses": {name: _error(about) for name, about in _ERRORS.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token of `leadglow tokens new`."}
            },
        },
    }


_ABOUT: Final = """\
Reads leads, alerts and scorecards, and publishes scorecards. Values are the same as those of the command line.

Lists come in pages: pass the `next` of a page as the `cursor` of the following one; null is the end. A cursor stays
valid while scores change. Responses have an `ETag`. A role without `pii` gets no traits and no addresses; an id that is
an address is replaced by an encrypted one, which is accepted in its place. Streams are server-sent events: read them
with `EventSource`, and reconnect when they end.

All events that arrived until `scored_until` are scored; it is null while that is unknown, or while none is.
`freshness` says whether scores are up to date. All responses have both also as headers, `Leadglow-Scored-Until` and
`Leadglow-Freshness`."""

_ERRORS: Final = {
    "400": "The request is malformed.",
    "401": "The token is missing or unknown.",
    "403": "Not allowed from this address, or for this role.",
    "404": "Not found.",
    "503": "Not available now: retry after `Retry-After` seconds.",
}

_NOT_PUBLISHED: Final = {
    "409": "It needs confirmation, or other scorecards are in use than those that it was compared with.",
    "413": "The file is too large.",
}


def _operations() -> list[Schema]:
    scorecard, cursor, limit = _SCORECARD, _CURSOR, _LIMIT
    return [
        _json("leads", "The ranking", "Leads", *_FILTERS, cursor, limit),
        _csv(),
        _json("lead", "One lead, now or in the future", "Lead", _ID, _AT),
        _json("curve", "History and forecast of its score", "Curve", _ID, scorecard),
        _json("timeline", "Its recent activity", "Timeline", _ID),
        _verdict("giveVerdict", "Give a verdict of sales, with the role `sales` or `editor`", "Verdict"),
        _verdict("undoVerdict", "Take a verdict back, with the role `sales` or `editor`", "VerdictUndo"),
        _json("leadAlerts", "Its latest alerts", "Alerts", _ID, cursor, limit),
        _json("alerts", "The latest alerts about leads, accounts or both", "AnyAlerts", _ABOUT_WHOM, cursor, limit),
        _json("accounts", "The ranking of accounts", "Accounts", scorecard, cursor, limit),
        _json("account", "One account with its leads", "Account", *_ACCOUNT),
        _json("accountAlerts", "Its latest alerts", "AccountAlerts", *_ACCOUNT, cursor, limit),
        _json("channels", "Qualified leads by channel", "Channels", scorecard, _TOUCH, _DAYS),
        _json("results", "What became of the leads that were handed over to sales", "Results", *_RESULTS),
        _operation("exportResults", "The same as a file, with the same columns in each line", _CSV, _RESULTS),
        _json("scorecards", "All scorecards", "Scorecards"),
        _json("scorecard", "A scorecard, with the counts of its signals in the last 7 days", "Scorecard",
              _in_path("name", "Its name.")),
        _json("scorecardUsage", "Its leads by score, and how many of a sample have its signals and fit lines",
              "ScorecardUsage", _in_path("name", "Its name.")),
        _try(),
        _json("versions", "The published versions of the scorecards, the latest first", "Versions", cursor, _VERSIONS),
        _json("version", "A published version, with its text", "VersionText", _in_path("version", VERSION_NAME)),
        _publication("publishScorecards", "Publish a scorecard file, with the role `editor`", "Publication"),
        _try_rollback(),
        _publication("rollbackScorecards", "Go back to a published version, with the role `editor`", "Rollback"),
        _json("flow", "Rates, lags, shards and rejects", "Flow"),
        _stream("streamAlerts", "`alert`: an Alert, as it is sent; `account_alert`: an AccountAlert"),
        _stream("streamLeads", "`changed`: `lead_ids` whose score or stage has changed; with `all`, too many to name",
                scorecard, _INDEXED),
        _stream("streamLead", "`lead`: a Lead, when its score has changed; `alert`: an Alert about it; `gone`: its "
                "`lead_id`, when it was erased, as the last", _ID),
        _stream("streamAccount", "`account_alert`: an AccountAlert about it, as it is sent", *_ACCOUNT),
        _record_schema(),
        _json("openapi", "This document", None),
    ]  # fmt: skip


def _in_query(name: str, about: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _in_path(name: str, about: str) -> Schema:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "description": about, "schema": schema}


def _text(name: str, about: str) -> Schema:
    return _in_query(name, about, {"type": "string", "maxLength": MAX_FILTER_CHARS})


_ID: Final = _in_path(
    "id", "The lead's id, or any id that was merged into it; with `viewer+pii` also its e-mail address."
)
_ACCOUNT: Final = (_in_path("name", "Its scorecard."), _in_path("id", "The value of its key."))
_ABOUT_WHOM: Final = _in_query(
    "about", "What the alerts are about.", {"enum": [LEADS, ACCOUNTS, EVERYTHING], "default": LEADS}
)
_SCORECARD: Final = _in_query("scorecard", "Name of the scorecard; by default the first one.", {"type": "string"})
_CURSOR: Final = _in_query("cursor", "The `next` of the previous page.", {"type": "string"})
_LIMIT: Final = _in_query(
    "limit", "Number of rows.", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
)
_VERSIONS: Final = _in_query(
    "limit", "Number of rows.", {"type": "integer", "minimum": 1, "maximum": MAX_LISTED, "default": LISTED}
)
_AT: Final = _in_query("at", "Now or in the future: RFC 3339, a day, or `+7d` (s, m, h, d, w).", {"type": "string"})
_TOUCH: Final = _in_query("touch", "The touch whose channel counts.", {"enum": ["first", "last"], "default": "first"})
_DAYS: Final = _in_query(
    "days", "Number of days back.", {"type": "integer", "minimum": 1, "maximum": MAX_DAYS, "default": DEFAULT_DAYS}
)
_RESULTS: Final = (_SCORECARD, _TOUCH, _DAYS | {"schema": _DAYS["schema"] | {"maximum": RESULTS_DAYS}})
_INDEXED: Final = _in_query(
    "indexed", "`yes`: when search, filters and order know of the change.", {"enum": ["yes", "no"], "default": "no"}
)
_FILTERS: Final = (
    _text("scorecard", "Name of the scorecard; by default the first one."),
    _text("stage", "Current stage."),
    _text("grade", "Grade."),
    _text("category", "Category of most of the points."),
    _text("channel", "Source of the last touch."),
    _text("q", "Words or their beginnings, in any order, without accents, of an id; with `viewer+pii` also of names, "
          "companies, mail addresses, telephone numbers and the traits of `LEADGLOW_BOARD_TRAITS`."),
    _text("company", "Company; without regard to case and accents, as all that follow. Needs `viewer+pii`."),
    _text("owner", "Owner. Needs `viewer+pii`."),
    _text("campaign", "Campaign of the last touch."),
    _text("sales", "State that sales gave the lead: `new`, `contacted`, `accepted`, `rejected`, `recycled`, "
          "`opportunity`, `won` or `lost`."),
    {**_text("trait", "`trait.NAME=VALUE` for each trait of `LEADGLOW_BOARD_TRAITS`. Needs `viewer+pii`."),
     "style": "form", "explode": True, "schema": {"type": "object", "additionalProperties": {"type": "string"}}},
    _text("seen", "Seen within this time, as `7d` (s, m, h, d, w)."),
    _text("unseen", "Not seen within this time."),
    _text("new_since", "Entered the current stage after this time (RFC 3339)."),
    _text("sort", "`rank` (default), `seen`, `name`, `company`, `owner`, `campaign`, `sales` or `trait.NAME`; `-` "
          "before it turns the order around. Leads without a value come last."),
    _text("columns", "Columns that each row gets, separated by commas: the orders but `rank` and `seen`."),
)  # fmt: skip


def _json(name: str, about: str, schema: str | None, *parameters: Schema) -> Schema:
    content = {"application/json": {"schema": {"type": "object"} if schema is None else ref(schema)}}
    operation = _operation(name, about, content, parameters)
    operation["responses"]["304"] = {"description": "Unchanged: the `ETag` is the same."}
    return operation


def _try() -> Schema:
    about = (
        "What a changed scorecard file means, and what it would do to the leads now; nothing is changed or sent. "
        "One change is measured at a time: 503 `busy` while another one is. `413`: the file is too large"
    )
    operation = _operation("tryScorecards", about, {"application/json": {"schema": ref("Trial")}}, ())
    text = {"schema": {"type": "string", "maxLength": MAX_TEXT_BYTES}}
    return operation | {"requestBody": {"required": True, "content": {"application/yaml": text}}}


def _try_rollback() -> Schema:
    about = (
        "What going back to a published version would do to the leads now, with the role `editor`; nothing is changed "
        "or sent. One change is measured at a time: 503 `busy` while another one is"
    )
    content = {"application/json": {"schema": ref("RollbackTrial")}}
    return _operation("tryRollback", about, content, (_in_path("version", VERSION_NAME),))


def _publication(name: str, about: str, body: str) -> Schema:
    about += (
        ". 409 `changed_since`: other scorecards were published since; `too_many_alerts`: it needs `confirmed` or "
        "`quiet`. 400 `mistakes`: the file has some, one a line. 403 `not_editor`"
    )
    operation = _operation(name, about, {"application/json": {"schema": ref("Published")}}, ())
    operation["responses"] |= {status: _error(text) for status, text in _NOT_PUBLISHED.items()}
    return operation | {"requestBody": {"required": True, "content": {"application/json": {"schema": ref(body)}}}}


def _verdict(name: str, about: str, body: str) -> Schema:
    operation = _operation(name, about, {"application/json": {"schema": ref("VerdictGiven")}}, (_ID,))
    return operation | {"requestBody": {"required": True, "content": {"application/json": {"schema": ref(body)}}}}


_CSV: Final[Schema] = {"text/csv": {"schema": {"type": "string"}}}


def _csv() -> Schema:
    about = (
        f"The ranking as a file, at most {MAX_EXPORTED} leads; cells that look like formulas are escaped; last "
        "lines that begin with `NOTE:` say that leads are missing or scores incomplete"
    )
    return _operation("export", about, _CSV, _FILTERS)


def _record_schema() -> Schema:
    name = _in_path("name", "Its name or its `$id`.")
    name["schema"] = {"enum": [key for each in RECORDS.values() for key in (each.name, each.urn)]}
    content = {SCHEMA_TYPE: {"schema": {"type": "object"}}}
    return _operation("recordSchema", "The JSON Schema of a Kafka record", content, (name,))


def _stream(name: str, about: str, *parameters: Schema) -> Schema:
    return _operation(name, about, {"text/event-stream": {"schema": {"type": "string"}}}, parameters)


def _operation(name: str, about: str, content: Schema, parameters: tuple[Schema, ...]) -> Schema:
    operation: Schema = {
        "operationId": name,
        "summary": about,
        "responses": {
            "200": {"description": about, "content": content},
            **{status: {"$ref": f"#/components/responses/{status}"} for status in _ERRORS},
        },
    }
    return operation | ({"parameters": list(parameters)} if parameters else {})


def _error(about: str) -> Schema:
    return {"description": about, "content": {"application/json": {"schema": ref("Error")}}}
