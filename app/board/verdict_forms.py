"""Verdicts of sales over HTTP: the forms of a lead's page, and the two operations of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from app.board import responses
from app.board.forms import read_body, read_form
from app.board.parameters import check_parameters
from app.board.routing import CURRENT_VIEWER, Handler, Route
from app.board.verdicts import require_sales, wanted_verdict
from app.board.view_models import build_url, lead_path, sparse
from app.http.refusals import Refusal

if TYPE_CHECKING:
    from app.board.service import BoardService

MAX_BYTES: Final = 8192


class _Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: str
    reason: str = ""
    owner: str = ""
    note: str = ""
    amount: float | None = None
    currency: str = ""
    id: str = ""


class _Undo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    message_id: str


class VerdictForms:
    """Handlers of forms and of the API."""

    def __init__(self, service: BoardService) -> None:
        """``service`` finds leads and sends verdicts."""
        self._service = service

    def routes(self) -> list[Route]:
        """The routes of the forms."""
        return [
            ("POST", "/leads/{id:[^/]+}/verdicts", "page_verdict", self._give_by_form),
            ("POST", "/leads/{id:[^/]+}/verdicts/undo", "page_verdict", self._undo_by_form),
        ]

    def handlers(self) -> dict[str, tuple[str, Handler]]:
        """Operation of the API -> name for metrics, handler."""
        return {"giveVerdict": ("api_verdict", self._give), "undoVerdict": ("api_verdict", self._undo)}

    async def _give(self, request: web.Request) -> web.Response:
        wanted = wanted_verdict(msgspec.structs.asdict(await _read_json(request, _Verdict)))
        done = await self._service.verdicts.give(request.match_info["id"], wanted, request[CURRENT_VIEWER])
        return responses.json_response(done)

    async def _undo(self, request: web.Request) -> web.Response:
        wanted = await _read_json(request, _Undo)
        viewer = request[CURRENT_VIEWER]
        return responses.json_response(
            await self._service.verdicts.undo(request.match_info["id"], wanted.message_id, viewer)
        )

    async def _give_by_form(self, request: web.Request) -> web.Response:
        form = await read_form(request, MAX_BYTES)
        wanted = wanted_verdict(dict(form))
        done = await self._service.verdicts.give(request.match_info["id"], wanted, request[CURRENT_VIEWER])
        return _back(request, form, done)

    async def _undo_by_form(self, request: web.Request) -> web.Response:
        form = await read_form(request, MAX_BYTES)
        viewer, message_id = request[CURRENT_VIEWER], form.get("message_id", "")
        done = await self._service.verdicts.undo(request.match_info["id"], message_id, viewer)
        return _back(request, form, done)


def _back(request: web.Request, form: dict[str, str], done: dict[str, Any]) -> web.Response:
    """Show the lead again."""
    query = sparse({"scorecard": form.get("scorecard", ""), "sent": "" if done["applied"] else "pending"})
    return web.Response(status=303, headers={"Location": build_url(lead_path(request.match_info["id"]), query)})


async def _read_json(request: web.Request, kind: Any) -> Any:
    """The body of a request for sales.

    Raises:
        Refusal: its sender may not, or it is not what is expected.
    """
    check_parameters(request)
    require_sales(request[CURRENT_VIEWER])
    body = await read_body(request, MAX_BYTES, "A verdict is at most 8 kB.")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise Refusal(400, "bad_body", f"The body is not as described in /api/v1/openapi.json: {error}.") from None
