"""The HTML pages; for a request of htmx only the requested part of a page is rendered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aiohttp import web

from app.board import view_models
from app.board.account_pages import AccountPages
from app.board.alerts import EVERYTHING, MAX_ALERTS
from app.board.assets import Assets
from app.board.export import MAX_EXPORTED
from app.board.parameters import choose_period, parse_at, parse_cursor
from app.board.rendering import Renderer
from app.board.results_pages import ResultsPage
from app.board.routing import CURRENT_VIEWER, Route
from app.board.timeline import MAX_EVENTS
from app.board.trial_pages import TrialPages
from app.board.usage_views import usage_parts
from app.board.verdict_forms import VerdictForms
from app.board.version_pages import VersionPages
from app.http.refusals import Refusal
from streams.clock import now_ms
from streams.scoring.scorecard import CALL_TYPES
from streams.scoring.verdicts import MAX_TEXT_BYTES

if TYPE_CHECKING:
    from app.board.identity import Viewer
    from app.board.service import BoardService

ALERTS: Final = 30
LEAD_ALERTS: Final = 8
DAYS: Final = (7, 30, 90)
TIMES: Final = (("", "Now"), ("+1d", "In 1 day"), ("+7d", "In 7 days"), ("+30d", "In 30 days"))
TITLES: Final = {401: "Please sign in", 403: "Not allowed", 404: "Not found", 503: "Not available now"}


class Pages:
    """Handlers of the pages."""

    def __init__(self, service: BoardService, assets: Assets) -> None:
        """``service`` answers, ``assets`` are the static files."""
        self._service = service
        self._assets = assets
        self._html = Renderer(assets.url_of, lambda: service.freshness)
        self._trial = TrialPages(service, self._html)
        self._versions = VersionPages(service, self._html)

    def routes(self) -> list[Route]:
        """Every route."""
        return [
            ("GET", "/", "page_leads", self.show_leads),
            ("GET", "/leads/{id:[^/]+}", "page_lead", self.show_lead),
            ("GET", "/alerts", "page_alerts", self.show_alerts),
            *AccountPages(self._service, self._html).routes(),
            ("GET", "/channels", "page_channels", self.show_channels),
            ("GET", "/scorecards", "page_scorecard", self.show_scorecard),
            ("GET", "/scorecards/{name:[^/]+}", "page_scorecard", self.show_scorecard),
            *self._trial.routes(),
            *self._versions.routes(),
            *VerdictForms(self._service).routes(),
            *ResultsPage(self._service, self._html).routes(),
            ("GET", "/flow", "page_flow", self.show_flow),
            ("GET", "/freshness", "page_freshness", self.show_freshness),
            ("GET", "/static/{hash}/{name:.+}", "static", self._assets.serve_file),
        ]

    async def show_leads(self, request: web.Request) -> web.Response:
        """The ranking; part of it for ``HX-Target`` results, live or more."""
        viewer: Viewer = request[CURRENT_VIEWER]
        cursor = parse_cursor(request)
        choices = self._service.list_choices(request.query.get("scorecard"), viewer.role)
        filters = view_models.filters_of(request.query, choices)
        self._service.check_filters(filters)
        target = request.headers.get("HX-Target", "")
        many = view_models.rows_shown(request.query.get("shown", "")) if target == "live" else view_models.ROWS
        shown = view_models.show_used(filters, choices)
        found = await self._service.list_leads(shown, cursor, many, viewer.role, extras=True)
        query = view_models.query_of(filters, choices)
        here = view_models.build_url("/", query)
        answer = self._html.render(
            view_models.LEADS_PARTS.get(target, "leads.html"),
            viewer,
            here="leads",
            choices=choices,
            filters=view_models.plain(filters),
            query=here.removeprefix("/"),
            here_url=view_models.build_url("/", view_models.sparse({**query, "cursor": cursor or ""})),
            rows=found["leads"],
            values={} if target else await self._service.list_values(viewer.role),
            since=view_models.since_choices(now_ms()),
            indexing=found.get("indexing"),
            next=found["next"],
            next_url=view_models.build_url("/", {**query, "cursor": found["next"] or ""}),
            looked_at=found["looked_at"],
            truncated=found["truncated"],
            most_exported=MAX_EXPORTED,
            cursor=cursor,
            oob=target in {"live", "more"},
            further=target == "more",
            scrolled=bool(request.query.get("scrolled")),
            most=view_models.most_rows(len(found["leads"]), many, found["next"] is not None),
            found=view_models.describe_count(
                len(found["leads"]), found["next"] is not None, cursor is not None, not filters.sort
            ),
        )
        answer.headers["Board-Rows"] = str(len(found["leads"]))
        if found["next"] is not None:
            answer.headers["Board-More"] = "yes"
        if target == "results":
            answer.headers["HX-Push-Url"] = here
        return answer

    async def show_lead(self, request: web.Request) -> web.Response:
        """One lead, now or in the future."""
        viewer: Viewer = request[CURRENT_VIEWER]
        lead_id, said_at = request.match_info["id"], request.query.get("at", "")
        service = self._service
        choices = service.list_choices(request.query.get("scorecard"), viewer.role)
        scorecard = choices["scorecard"]
        view = await service.get_lead(lead_id, parse_at(request), viewer.role)
        if view is None:
            raise Refusal(404, "no_such_lead", f"There is no lead with the id {lead_id}.")
        query = view_models.sparse({"scorecard": request.query.get("scorecard", ""), "at": said_at})
        if view["lead_id"] != lead_id:
            there = view_models.build_url(view_models.lead_path(view["lead_id"]), query)
            return web.Response(status=302, headers={"Location": there})
        curve, timeline, fit, alerts = await asyncio.gather(
            service.get_curve(view["lead_id"], scorecard, viewer.role),
            service.get_timeline(view["lead_id"], viewer.role),
            service.get_fit(view["lead_id"], scorecard, viewer.role),
            service.list_alerts(None, LEAD_ALERTS, viewer.role, lead_id=view["lead_id"]),
        )
        path = view_models.lead_path(view["lead_id"])
        return self._html.render(
            "lead_now.html" if request.headers.get("HX-Target") == "lead" else "lead.html",
            viewer,
            here="leads",
            choices=choices,
            path=lambda name: view_models.build_url(path, {**query, "scorecard": name}),
            here_url=view_models.build_url(path, query),
            times=[
                (view_models.build_url(path, view_models.sparse({**query, "at": at})), text, at == said_at)
                for at, text in TIMES
            ],
            later=bool(said_at),
            **view_models.lead_parts(view, scorecard),
            **view_models.curve_parts(curve),
            calls=CALL_TYPES,
            timeline=view_models.timeline_rows(timeline["events"], scorecard),
            log_failure=timeline["log_failure"],
            most_events=MAX_EVENTS,
            fit=fit,
            alerts=[view_models.alert_row(alert) for alert in alerts["alerts"]],
            kept=MAX_ALERTS,
            reasons=service.verdicts.list_reasons(),
            currencies=service.verdicts.list_currencies(),
            most_bytes=MAX_TEXT_BYTES,
            pending=request.query.get("sent") == "pending",
        )

    async def show_alerts(self, request: web.Request) -> web.Response:
        """The latest alerts, or older ones from a cursor on."""
        viewer: Viewer = request[CURRENT_VIEWER]
        cursor = parse_cursor(request)
        found = await self._service.list_alerts(cursor, ALERTS, viewer.role, about=EVERYTHING)
        target = request.headers.get("HX-Target", "")
        return self._html.render(
            {"feed": "alerts_live.html", "older": "alerts_page.html"}.get(target, "alerts.html"),
            viewer,
            here="alerts",
            choices=self._service.list_choices(None, viewer.role),
            alerts=[view_models.alert_row(alert) for alert in found["alerts"]],
            next=found["next"],
            next_url=view_models.build_url("/alerts", {"cursor": found["next"] or ""}),
            truncated=found["truncated"],
            kept=MAX_ALERTS,
            oob=target == "older",
        )

    async def show_channels(self, request: web.Request) -> web.Response:
        """Qualified leads by channel."""
        viewer: Viewer = request[CURRENT_VIEWER]
        choices = self._service.list_choices(request.query.get("scorecard"), viewer.role)
        touch, days = choose_period(request, DAYS)
        found = await self._service.list_channels(choices["scorecard"], viewer.role, touch, days)
        query = {"scorecard": choices["scorecard"], "touch": touch, "days": str(days)}
        return self._html.render(
            "channels.html",
            viewer,
            here="channels",
            choices=choices,
            channels=found,
            touch=touch,
            days=days,
            costs=any(row["cost"] is not None for row in found["rows"]),
            path=lambda name: view_models.build_url("/channels", {**query, "scorecard": name}),
            url=lambda **changed: view_models.build_url("/channels", {**query, **changed}),
        )

    async def show_scorecard(self, request: web.Request) -> web.Response:
        """One scorecard, in words."""
        viewer: Viewer = request[CURRENT_VIEWER]
        name = request.match_info.get("name")
        choices = self._service.list_choices(name, viewer.role)
        card, usage = await asyncio.gather(
            self._service.get_scorecard(name), self._service.get_usage(name, viewer.role)
        )
        return self._html.render(
            "scorecard.html",
            viewer,
            here="scorecard",
            choices=choices,
            card=card,
            grades=[] if card["engagement_grades"] else view_models.grade_bands(card),
            most=max((abs(signal["points_7d"] or 0) for signal in card["signals"]), default=0) or 1,
            path=lambda other: f"/scorecards/{quote(other, safe='')}",
            **usage_parts(usage),
        )

    async def show_flow(self, request: web.Request) -> web.Response:
        """Rates, lags and rejects."""
        flow = await self._service.get_flow()
        part = request.headers.get("HX-Target") == "flow"
        return self._html.render(
            "flow_now.html" if part else "flow.html",
            request[CURRENT_VIEWER],
            here="flow",
            flow=flow,
            tiles=view_models.flow_tiles(flow),
            reasons=sorted(flow["reject_reasons"].items(), key=lambda item: -item[1]),
        )

    async def show_freshness(self, request: web.Request) -> web.Response:
        """The banner about late scores; it has no text while they are up to date."""
        return self._html.render("freshness.html", request[CURRENT_VIEWER])

    def render_login(self, failed: bool, target: str) -> web.Response:
        """The sign-in page; ``failed`` after an unknown token."""
        return self._html.render("login.html", None, failed=failed, target=target)

    def render_error(self, status: int, code: str, message: str, viewer: Viewer | None) -> web.Response:
        """The page for a refused request."""
        answer = self._html.render(
            "error.html", viewer, title=TITLES.get(status, "Request failed"), message=message, code=code
        )
        answer.set_status(status)
        return answer
