"""The part of the API that lists published versions of the scorecards, and publishes others."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from aiohttp import web

from app.board import responses
from app.board.forms import read_body
from app.board.parameters import check_parameters, parse_cursor, parse_number
from app.board.publishing import MAX_NOTE_CHARS, Publishing, Terms, require_editor
from app.board.routing import CURRENT_VIEWER, Handler
from app.board.trials import MAX_TEXT_BYTES, TOO_LARGE
from app.board.versions import LISTED, MAX_LISTED
from app.http.refusals import Refusal

MAX_BODY_BYTES: Final = 2 * MAX_TEXT_BYTES + 10_000
"""JSON needs two bytes for a quotation mark or a line end."""


class _Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    instead_of: str
    note: str = ""
    quiet: bool = False
    confirmed: bool = False

    def terms(self) -> Terms:
        """How it is published."""
        if len(self.note) > MAX_NOTE_CHARS:
            raise Refusal(400, "too_long", f"A note has at most {MAX_NOTE_CHARS} characters.")
        return Terms(self.instead_of, self.note.strip(), self.quiet, self.confirmed)


class _Publication(_Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: str


class _Rollback(_Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: str


T = TypeVar("T")


class PublishingApi:
    """Handlers of versions and publications."""

    def __init__(self, publishing: Publishing) -> None:
        """``publishing`` answers."""
        self._publishing = publishing

    def handlers(self) -> dict[str, tuple[str, Handler]]:
        """Operation -> name for metrics, handler."""
        return {
            "versions": ("api_versions", self._list_versions),
            "version": ("api_versions", self._get_version),
            "publishScorecards": ("api_publish", self._publish),
            "tryRollback": ("api_publish", self._try_rollback),
            "rollbackScorecards": ("api_publish", self._roll_back),
        }

    async def _list_versions(self, request: web.Request) -> web.Response:
        check_parameters(request, "cursor", "limit")
        limit = parse_number(request, "limit", LISTED, MAX_LISTED)
        page = await self._publishing.versions.list_page(parse_cursor(request), limit)
        return responses.cacheable_response(request, responses.encode_json(page))

    async def _get_version(self, request: web.Request) -> web.Response:
        check_parameters(request)
        found = await self._publishing.versions.get_version(request.match_info["version"])
        return responses.cacheable_response(request, responses.encode_json(found))

    async def _publish(self, request: web.Request) -> web.Response:
        wanted = await _read_json(request, _Publication)
        done = await self._publishing.publish(wanted.text, wanted.terms(), request[CURRENT_VIEWER])
        return responses.json_response(done)

    async def _try_rollback(self, request: web.Request) -> web.Response:
        check_parameters(request)
        name = request.match_info["version"]
        report = await self._publishing.try_rollback(name, request[CURRENT_VIEWER])
        version = self._publishing.versions.find(name).version
        return responses.json_response({"version": version, "report": report})

    async def _roll_back(self, request: web.Request) -> web.Response:
        wanted = await _read_json(request, _Rollback)
        done = await self._publishing.roll_back(wanted.version, wanted.terms(), request[CURRENT_VIEWER])
        return responses.json_response(done)


async def _read_json(request: web.Request, kind: type[T]) -> T:
    """The body of a request that may publish.

    Raises:
        Refusal: its sender may not, or it is not what is expected.
    """
    check_parameters(request)
    require_editor(request[CURRENT_VIEWER])
    body = await read_body(request, MAX_BODY_BYTES, TOO_LARGE)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise Refusal(400, "bad_body", f"The body is not as described in /api/v1/openapi.json: {error}.") from None
