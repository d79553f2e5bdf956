"""The OpenAPI 3.1 document of the board's API: every route, what it takes, and every answer."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from app.board.export import MAX_EXPORTED
from app.board.parameters import DEFAULT_DAYS, DEFAULT_LIMIT, MAX_DAYS, MAX_FILTER_CHARS, MAX_LIMIT
from app.board.routing import API_PATHS
from app.board.schemas import SCHEMAS, Schema, ref


def document() -> dict[str, Any]:
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
        "paths": {API_PATHS[each["operationId"]]: {"get": each} for each in _operations()},
        "components": {
            "schemas": SCHEMAS,
            "responses": {name: _error(about) for name, about in _ERRORS.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token of `leadglow tokens new`."}
            },
        },
    }


_ABOUT: Final = """\
BoundedStore what the engine knows, and changes nothing. The numbers are those of the command line, byte for byte.

Lists come in pages: give the `next` of one as the `cursor` of the following; null is the end. A cursor works while
scores move. Answers have an `ETag`. A role without `pii` sees no traits and no addresses; an id that is an address is
named by another one, which works in its place. Streams are server-sent events: read them with `EventSource`, and open
them anew when they end."""

_ERRORS: Final = {
    "400": "The request cannot be read.",
    "401": "Nobody is known by this token.",
    "403": "Not from here.",
    "404": "There is no such thing.",
    "503": "Not now: send it again after `Retry-After` seconds.",
}


def _operations() -> list[Schema]:
    scorecard, cursor, limit = _SCORECARD, _CURSOR, _LIMIT
    return [
        _json("leads", "The ranking", "Leads", *_FILTERS, cursor, limit),
        _csv(),
        _json("lead", "One lead, now or later", "Lead", _ID, _AT),
        _json("curve", "What its score was and will be", "Curve", _ID, scorecard),
        _json("timeline", "What it did lately", "Timeline", _ID),
        _json("leadAlerts", "Its latest alerts", "Alerts", _ID, cursor, limit),
        _json("alerts", "The latest alerts", "Alerts", cursor, limit),
        _json("channels", "What brought qualified leads", "Channels", scorecard, _TOUCH, _DAYS),
        _json("scorecards", "Every scorecard", "Scorecards"),
        _json("scorecard", "A scorecard, and what its signals gave in the last 7 days", "Scorecard",
              _in_path("name", "Its name.")),
        _json("flow", "How much comes in, how far it is scored, what was refused", "Flow"),
        _stream("streamAlerts", "`alert`: an Alert, when it was sent"),
        _stream("streamLeads", "`changed`: `lead_ids` whose score or stage has changed; with `all`, too many to name",
                scorecard),
        _stream("streamLead", "`lead`: a Lead, when its score has changed; `alert`: an Alert about it; `gone`: its "
                "`lead_id`, when it was erased, as the last", _ID),
        _json("openapi", "This document", None),
    ]  # fmt: skip


def _in_query(name: str, about: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _in_path(name: str, about: str) -> Schema:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "description": about, "schema": schema}


def _text(name: str, about: str) -> Schema:
    return _in_query(name, about, {"type": "string", "maxLength": MAX_FILTER_CHARS})


_ID: Final = _in_path("id", "The lead's id, or any id that was joined to it; with `viewer+pii` also its address.")
_SCORECARD: Final = _in_query("scorecard", "Its name; left out: the first of the file.", {"type": "string"})
_CURSOR: Final = _in_query("cursor", "The `next` of the page before.", {"type": "string"})
_LIMIT: Final = _in_query(
    "limit", "How many.", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
)
_AT: Final = _in_query("at", "Now or later: RFC 3339, a day, or `+7d` (s, m, h, d, w).", {"type": "string"})
_TOUCH: Final = _in_query("touch", "Which touch counts.", {"enum": ["first", "last"], "default": "first"})
_DAYS: Final = _in_query(
    "days", "How far back.", {"type": "integer", "minimum": 1, "maximum": MAX_DAYS, "default": DEFAULT_DAYS}
)
_FILTERS: Final = (
    _text("scorecard", "Its name; left out: the first of the file."),
    _text("stage", "The stage that they are in."),
    _text("grade", "Their grade."),
    _text("category", "What most of their points come from."),
    _text("channel", "The source of their last touch."),
    _text("q", "A text in an id; with `viewer+pii` also in a trait."),
)


def _json(name: str, about: str, schema: str | None, *parameters: Schema) -> Schema:
    content = {"application/json": {"schema": {"type": "object"} if schema is None else ref(schema)}}
    operation = _operation(name, about, content, parameters)
    operation["responses"]["304"] = {"description": "As it was: the `ETag` is the one given."}
    return operation


def _csv() -> Schema:
    content = {"text/csv": {"schema": {"type": "string"}}}
    about = f"The ranking as a file, {MAX_EXPORTED} leads at most; what a spreadsheet would run is made text"
    return _operation("export", about, content, _FILTERS)


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
