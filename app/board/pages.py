"""The pages: what the desk knows, as HTML. A part of a page that htmx asks for is rendered alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aiohttp import web

from app.board import view_models
from app.board.alerts import MOST_ALERTS
from app.board.assets import Assets
from app.board.openapi import A_MONTH
from app.board.rendering import Rendering
from app.board.routing import WHO, Route
from app.http.refusals import Refusal
from app.instants import parse_instant_in_query
from streams.clock import now_ms
from streams.scoring.scorecard import CALL_TYPES

if TYPE_CHECKING:
    from app.board.identity import Who
    from app.board.service import Desk

ALERTS: Final = 30
LEAD_ALERTS: Final = 8
DAYS: Final = (7, 30, 90)
TIMES: Final = (("", "Now"), ("+1d", "In 1 day"), ("+7d", "In 7 days"), ("+30d", "In 30 days"))
TITLES: Final = {401: "Please sign in", 403: "Not for you", 404: "Not found", 503: "Not now"}


class Pages:
    """Everything that people look at."""

    def __init__(self, desk: Desk, assets: Assets) -> None:
        """``desk`` knows the leads."""
        self._desk = desk
        self._assets = assets
        self._html = Rendering(assets.url)

    def routes(self) -> list[Route]:
        """Method, path, name for metrics, handler."""
        return [
            ("GET", "/", "page_leads", self.leads),
            ("GET", "/leads/{id:[^/]+}", "page_lead", self.lead),
            ("GET", "/alerts", "page_alerts", self.alerts),
            ("GET", "/channels", "page_channels", self.channels),
            ("GET", "/scorecards", "page_scorecard", self.scorecard),
            ("GET", "/scorecards/{name:[^/]+}", "page_scorecard", self.scorecard),
            ("GET", "/flow", "page_flow", self.flow),
            ("GET", "/static/{hash}/{name:.+}", "static", self._assets.serve),
        ]

    async def leads(self, request: web.Request) -> web.Response:
        """The ranking; a part of it for ``HX-Target`` results, live or more."""
        who: Who = request[WHO]
        cursor = request.query.get("cursor") or None
        choices = self._desk.choices(request.query.get("scorecard"), who.role)
        filters = view_models.filters_of(request.query, choices)
        self._desk.require_known(filters)
        target = request.headers.get("HX-Target", "")
        many = view_models.rows_shown(request.query.get("shown", "")) if target == "live" else view_models.ROWS
        found = await self._desk.leads(filters, cursor, many, who.role, extras=True)
        query = view_models.query_of(filters, choices)
        here = view_models.address("/", query)
        answer = self._html.page(
            view_models.LEADS_PARTS.get(target, "leads.html"),
            who,
            here="leads",
            choices=choices,
            filters=view_models.plain(filters),
            query=here.removeprefix("/"),
            here_url=view_models.address("/", view_models.sparse({**query, "cursor": cursor or ""})),
            rows=found["leads"],
            next=found["next"],
            next_url=view_models.address("/", {**query, "cursor": found["next"] or ""}),
            looked_at=found["looked_at"],
            cursor=cursor,
            oob=target in {"live", "more"},
            further=target == "more",
            scrolled=bool(request.query.get("scrolled")),
            most=view_models.most_rows(len(found["leads"]), many, found["next"] is not None),
            found=view_models.found_says(len(found["leads"]), found["next"] is not None, further=cursor is not None),
        )
        answer.headers["Board-Rows"] = str(len(found["leads"]))
        if found["next"] is not None:
            answer.headers["Board-More"] = "yes"
        if target == "results":
            answer.headers["HX-Push-Url"] = here
        return answer

    async def lead(self, request: web.Request) -> web.Response:
        """One lead, as it is or as it will be."""
        who: Who = request[WHO]
        lead_id, said_at = request.match_info["id"], request.query.get("at", "")
        desk = self._desk
        choices = desk.choices(request.query.get("scorecard"), who.role)
        scorecard = choices["scorecard"]
        view = await desk.lead(lead_id, _moment(said_at), who.role)
        if view is None:
            raise Refusal(404, "no_such_lead", f"No lead is known by the id {lead_id}.")
        query = view_models.sparse({"scorecard": request.query.get("scorecard", ""), "at": said_at})
        if view["lead_id"] != lead_id:
            there = view_models.address(view_models.lead_path(view["lead_id"]), query)
            return web.Response(status=302, headers={"Location": there})
        curve, timeline, fit, alerts = await asyncio.gather(
            desk.curve(view["lead_id"], scorecard, who.role),
            desk.timeline(view["lead_id"], who.role),
            desk.fit(view["lead_id"], scorecard, who.role),
            desk.alerts(None, LEAD_ALERTS, who.role, lead_id=view["lead_id"]),
        )
        path = view_models.lead_path(view["lead_id"])
        return self._html.page(
            "lead_now.html" if request.headers.get("HX-Target") == "lead" else "lead.html",
            who,
            here="leads",
            choices=choices,
            path=lambda name: view_models.address(path, {**query, "scorecard": name}),
            here_url=view_models.address(path, query),
            times=[
                (view_models.address(path, view_models.sparse({**query, "at": at})), text, at == said_at)
                for at, text in TIMES
            ],
            later=bool(said_at),
            **view_models.lead_parts(view, scorecard),
            **view_models.curve_parts(curve),
            calls=CALL_TYPES,
            timeline=view_models.by_day(timeline, scorecard, now_ms()),
            fit=fit,
            alerts=[view_models.alert_row(alert) for alert in alerts["alerts"]],
            kept=MOST_ALERTS,
        )

    async def alerts(self, request: web.Request) -> web.Response:
        """The latest alerts, or older ones from a cursor on."""
        who: Who = request[WHO]
        cursor = request.query.get("cursor") or None
        found = await self._desk.alerts(cursor, ALERTS, who.role)
        target = request.headers.get("HX-Target", "")
        return self._html.page(
            {"feed": "alerts_live.html", "older": "alerts_page.html"}.get(target, "alerts.html"),
            who,
            here="alerts",
            choices=self._desk.choices(None, who.role),
            alerts=[view_models.alert_row(alert) for alert in found["alerts"]],
            next=found["next"],
            next_url=view_models.address("/alerts", {"cursor": found["next"] or ""}),
            oob=target == "older",
        )

    async def channels(self, request: web.Request) -> web.Response:
        """Where qualified leads came from."""
        who: Who = request[WHO]
        choices = self._desk.choices(request.query.get("scorecard"), who.role)
        touch = "last" if request.query.get("touch") == "last" else "first"
        days = next((each for each in DAYS if request.query.get("days") == str(each)), A_MONTH)
        found = await self._desk.channels(choices["scorecard"], who.role, touch, days)
        query = {"scorecard": choices["scorecard"], "touch": touch, "days": str(days)}
        return self._html.page(
            "channels.html",
            who,
            here="channels",
            choices=choices,
            channels=found,
            touch=touch,
            days=days,
            costs=any(row["cost"] is not None for row in found["rows"]),
            path=lambda name: view_models.address("/channels", {**query, "scorecard": name}),
            url=lambda **changed: view_models.address("/channels", {**query, **changed}),
        )

    async def scorecard(self, request: web.Request) -> web.Response:
        """The scorecard file as people read it."""
        who: Who = request[WHO]
        name = request.match_info.get("name")
        choices = self._desk.choices(name, who.role)
        card = await self._desk.scorecard(name)
        return self._html.page(
            "scorecard.html",
            who,
            here="scorecard",
            choices=choices,
            card=card,
            grades=view_models.grade_bands(card),
            never=[signal for signal in card["signals"] if signal["never"]],
            most=max((abs(signal["points_7d"]) for signal in card["signals"]), default=0) or 1,
            path=lambda other: f"/scorecards/{quote(other, safe='')}",
        )

    async def flow(self, request: web.Request) -> web.Response:
        """What comes in, and what waits."""
        flow = await self._desk.flow()
        part = request.headers.get("HX-Target") == "flow"
        return self._html.page(
            "flow_now.html" if part else "flow.html",
            request[WHO],
            here="flow",
            flow=flow,
            tiles=view_models.flow_tiles(flow),
            reasons=sorted(flow["reject_reasons"].items(), key=lambda item: -item[1]),
        )

    def login(self, failed: bool, target: str) -> web.Response:
        """The way in."""
        return self._html.page("login.html", None, failed=failed, target=target)

    def error(self, status: int, code: str, message: str, who: Who | None) -> web.Response:
        """What went wrong, calmly."""
        answer = self._html.page(
            "error.html", who, title=TITLES.get(status, "That did not work"), message=message, code=code
        )
        answer.set_status(status)
        return answer


def _moment(said: str) -> int | None:
    """The instant that is asked for; None for now.

    Raises:
        Refusal: it is no time, or over.
    """
    try:
        return parse_instant_in_query(said, now_ms()) if said else None
    except ValueError as error:
        raise Refusal(400, "bad_time", str(error)) from None
