"""The page Results, the same by the API, and as a CSV file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from app.board import responses, view_models
from app.board.parameters import DEFAULT_DAYS, check_parameters, choose_period, parse_number
from app.board.rendering import Renderer
from app.board.results_csv import COLUMNS, table_of
from app.board.results_desk import MAX_DAYS
from app.board.routing import CURRENT_VIEWER, Handler, Route
from app.http.refusals import Refusal

if TYPE_CHECKING:
    from app.board.identity import Viewer
    from app.board.service import BoardService

DAYS: Final = (7, 30, 90, 365)
CSV: Final = "text/csv"


class ResultsPage:
    """The handler of the page."""

    def __init__(self, service: BoardService, html: Renderer) -> None:
        """``service`` answers."""
        self._service = service
        self._html = html

    def routes(self) -> list[Route]:
        """The only route."""
        return [("GET", "/results", "page_results", self.show_results)]

    async def show_results(self, request: web.Request) -> web.Response:
        """What became of the leads that were handed over to sales."""
        viewer: Viewer = request[CURRENT_VIEWER]
        choices = self._service.list_choices(request.query.get("scorecard"), viewer.role)
        touch, days = choose_period(request, DAYS)
        found = await self._service.get_results(choices["scorecard"], viewer.role, touch, days)
        query = {"scorecard": choices["scorecard"], "touch": touch, "days": str(days)}
        return self._html.render(
            "results.html",
            viewer,
            here="results",
            choices=choices,
            results=found,
            total=found["total"],
            cost=view_models.add_costs(found["channels"]),
            touch=touch,
            days=days,
            all_days=DAYS,
            most=max((row["leads"] for row in found["periods"]), default=0),
            path=lambda name: view_models.build_url("/results", {**query, "scorecard": name}),
            url=lambda **changed: view_models.build_url("/results", {**query, **changed}),
            csv_url=view_models.build_url("/api/v1/results.csv", query),
        )


class ResultsApi:
    """Handlers of the API."""

    def __init__(self, service: BoardService) -> None:
        """``service`` answers."""
        self._service = service

    def handlers(self) -> dict[str, tuple[str, Handler]]:
        """Operation of the API -> name for metrics, handler."""
        return {"results": ("api_results", self._send), "exportResults": ("api_export_results", self._send_csv)}

    async def _send(self, request: web.Request) -> web.Response:
        return responses.cacheable_response(request, responses.encode_json(await self._load(request)))

    async def _send_csv(self, request: web.Request) -> web.Response:
        lines = [COLUMNS, *table_of(await self._load(request))]
        body = "".join(responses.csv_line(list(line)) for line in lines).encode("utf-8", "replace")
        answer = web.Response(body=body, content_type=CSV, charset="utf-8")
        answer.headers["Content-Disposition"] = 'attachment; filename="results.csv"'
        return answer

    async def _load(self, request: web.Request) -> dict[str, Any]:
        check_parameters(request, "scorecard", "touch", "days")
        touch = request.query.get("touch", "first")
        if touch not in ("first", "last"):
            raise Refusal(400, "bad_touch", "`touch` is `first` or `last`.")
        days = parse_number(request, "days", DEFAULT_DAYS, MAX_DAYS)
        return await self._service.get_results(
            request.query.get("scorecard"), request[CURRENT_VIEWER].role, touch, days
        )
