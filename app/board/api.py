"""The JSON API under /api/v1; numbers and texts are the same as those of the command line."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from app.board import responses
from app.board.account_pages import AccountsApi
from app.board.alerts import ACCOUNTS, EVERYTHING, LEADS
from app.board.export import export_leads
from app.board.filters import PARAMETERS
from app.board.forms import read_body
from app.board.lead_columns import TRAIT
from app.board.openapi import openapi_document
from app.board.parameters import (
    DEFAULT_DAYS,
    MAX_DAYS,
    check_parameters,
    parse_at,
    parse_cursor,
    parse_filters,
    parse_limit,
    parse_number,
)
from app.board.publishing_api import PublishingApi
from app.board.results_pages import ResultsApi
from app.board.routing import API_PATHS, CURRENT_VIEWER, Handler, Route, method_of
from app.board.service import BoardService
from app.board.sse import EventStreams
from app.board.trials import MAX_TEXT_BYTES, TOO_LARGE
from app.board.verdict_forms import VerdictForms
from app.http.refusals import Refusal
from streams.schemas import RECORDS
from streams.schemas.fields import SCHEMA_TYPE

_UNKNOWN: Final = "There is no such lead: no event with this id was scored."


class Api:
    """Handlers of the API."""

    def __init__(self, service: BoardService, streams: EventStreams) -> None:
        """``service`` answers, ``live`` streams."""
        self._service = service
        self._streams = streams
        self._shown: tuple[dict[str, Any], bytes] = ({}, b"")
        """The last page of the ranking that was sent, and its bytes, as most requests are the same."""

    def routes(self) -> list[Route]:
        """Every route."""
        handlers: dict[str, tuple[str, Handler]] = {
            "leads": ("api_leads", self._leads),
            "export": ("api_export", self._export),
            "lead": ("api_lead", self._lead),
            "curve": ("api_curve", self._curve),
            "timeline": ("api_timeline", self._timeline),
            **VerdictForms(self._service).handlers(),
            **ResultsApi(self._service).handlers(),
            "leadAlerts": ("api_alerts", self._alerts),
            "alerts": ("api_alerts", self._alerts),
            **AccountsApi(self._service).handlers(),
            "channels": ("api_channels", self._channels),
            "scorecards": ("api_scorecards", self._scorecards),
            **PublishingApi(self._service.publishing).handlers(),
            "scorecard": ("api_scorecard", self._scorecard),
            "scorecardUsage": ("api_usage", self._usage),
            "tryScorecards": ("api_try", self._try_scorecards),
            "flow": ("api_flow", self._flow),
            "streamAlerts": ("stream", self._streams.stream_alerts),
            "streamLeads": ("stream", self._streams.stream_leads),
            "streamLead": ("stream", self._streams.stream_lead),
            "streamAccount": ("stream", self._streams.stream_account),
            "recordSchema": ("api_schema", self._record_schema),
            "openapi": ("openapi", self._openapi),
        }
        return [
            (method_of(operation), _pattern(API_PATHS[operation]), name, self._with_freshness(handle))
            for operation, (name, handle) in handlers.items()
        ]

    def _with_freshness(self, handle: Handler) -> Handler:
        """Add headers that name the freshness of scores, also where the body is that of the command line."""

        async def handled(request: web.Request) -> web.StreamResponse:
            found = await handle(request)
            if not found.prepared:
                found.headers.update(responses.freshness_headers(self._service.freshness))
            return found

        return handled

    async def _leads(self, request: web.Request) -> web.Response:
        check_parameters(request, *PARAMETERS, "cursor", "limit", beginning=TRAIT)
        filters = parse_filters(request)
        self._service.check_filters(filters)
        page = await self._service.list_leads(
            filters, parse_cursor(request), parse_limit(request), request[CURRENT_VIEWER].role
        )
        if page is not self._shown[0]:
            self._shown = page, responses.encode_json(page)
        return responses.cacheable_response(request, self._shown[1])

    async def _lead(self, request: web.Request) -> web.Response:
        check_parameters(request, "at")
        view = await self._service.get_lead(request.match_info["id"], parse_at(request), request[CURRENT_VIEWER].role)
        if view is None:
            raise Refusal(404, "unknown_lead", _UNKNOWN)
        return responses.cacheable_response(request, responses.encode_json(view))

    async def _curve(self, request: web.Request) -> web.Response:
        check_parameters(request, "scorecard")
        lead_id, scorecard = request.match_info["id"], request.query.get("scorecard")
        curve = await self._service.get_curve(lead_id, scorecard, request[CURRENT_VIEWER].role)
        return responses.cacheable_response(request, responses.encode_json(curve))

    async def _timeline(self, request: web.Request) -> web.Response:
        check_parameters(request)
        found = await self._service.get_timeline(request.match_info["id"], request[CURRENT_VIEWER].role)
        return responses.cacheable_response(
            request, responses.encode_json({**found, **self._service.freshness.to_json()})
        )

    async def _alerts(self, request: web.Request) -> web.Response:
        lead_id, role = request.match_info.get("id"), request[CURRENT_VIEWER].role
        check_parameters(request, "cursor", "limit", *(() if lead_id else ("about",)))
        about = request.query.get("about", LEADS)
        if about not in (LEADS, ACCOUNTS, EVERYTHING):
            raise Refusal(400, "bad_about", f"`about` is `{LEADS}`, `{ACCOUNTS}` or `{EVERYTHING}`.")
        page = await self._service.list_alerts(parse_cursor(request), parse_limit(request), role, lead_id, about)
        return responses.cacheable_response(request, responses.encode_json(page))

    async def _channels(self, request: web.Request) -> web.Response:
        check_parameters(request, "scorecard", "touch", "days")
        touch = request.query.get("touch", "first")
        if touch not in ("first", "last"):
            raise Refusal(400, "bad_touch", "`touch` is `first` or `last`.")
        days = parse_number(request, "days", DEFAULT_DAYS, MAX_DAYS)
        found = await self._service.list_channels(
            request.query.get("scorecard"), request[CURRENT_VIEWER].role, touch, days
        )
        return responses.cacheable_response(request, responses.encode_json(found))

    async def _record_schema(self, request: web.Request) -> web.Response:
        check_parameters(request)
        name = request.match_info["name"]
        found = next((each for each in RECORDS.values() if name in (each.name, each.urn)), None)
        if found is None:
            raise Refusal(404, "unknown_schema", f"There is no such schema: there are {', '.join(RECORDS)}.")
        return responses.cacheable_response(request, responses.encode_json(found.to_json()), SCHEMA_TYPE)

    async def _scorecards(self, request: web.Request) -> web.Response:
        check_parameters(request)
        choices = self._service.list_choices(None, request[CURRENT_VIEWER].role)
        return responses.cacheable_response(request, responses.encode_json({"scorecards": choices["scorecards"]}))

    async def _scorecard(self, request: web.Request) -> web.Response:
        check_parameters(request)
        return responses.cacheable_response(
            request, responses.encode_json(await self._service.get_scorecard(request.match_info["name"]))
        )

    async def _usage(self, request: web.Request) -> web.Response:
        check_parameters(request)
        usage = await self._service.get_usage(request.match_info["name"], request[CURRENT_VIEWER].role)
        return responses.cacheable_response(request, responses.encode_json(usage))

    async def _try_scorecards(self, request: web.Request) -> web.Response:
        check_parameters(request)
        body = await read_body(request, MAX_TEXT_BYTES, TOO_LARGE)
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Refusal(400, "not_utf8", "The scorecard file is not UTF-8: save it as UTF-8.") from None
        return responses.json_response(await self._service.trials.try_change(text, request[CURRENT_VIEWER].role))

    async def _flow(self, request: web.Request) -> web.Response:
        check_parameters(request)
        return responses.cacheable_response(request, responses.encode_json(await self._service.get_flow()))

    async def _openapi(self, request: web.Request) -> web.Response:
        return responses.cacheable_response(request, responses.encode_json(openapi_document()))

    async def _export(self, request: web.Request) -> web.StreamResponse:
        return await export_leads(request, self._service)


def _pattern(path: str) -> str:
    """A path for the router, in which an id may have any characters but a slash."""
    return path.replace("{id}", "{id:[^/]+}")
