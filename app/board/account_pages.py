"""Accounts over HTTP: the pages of the ranking and of one account, and the two operations of the API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web

from app.board import responses, view_models
from app.board.alerts import MAX_ALERTS, MAX_LEADS
from app.board.parameters import check_parameters, parse_cursor, parse_limit
from app.board.routing import CURRENT_VIEWER, Handler, Route
from app.board.schemas import (
    ALERT_PAGE,
    ANY,
    FRESHNESS,
    KIND,
    NUMBER,
    TEXT,
    TIME,
    TRUTH,
    WHOLE,
    Schema,
    listed,
    maybe,
    ref,
    whole,
)

if TYPE_CHECKING:
    from app.board.rendering import Renderer
    from app.board.service import BoardService

ROWS: Final = 50
ALERTS: Final = 10
_ACCOUNT: Final = {
    "account": TEXT, "scorecard": TEXT, "score": WHOLE, "exact": NUMBER, "stage": maybe(TEXT),
    "stage_label": maybe(TEXT), "leads": WHOLE, "changed_at": TIME,
}  # fmt: skip
_GIVEN: Final = whole({"lead_id": TEXT, "score": WHOLE})
ACCOUNT_SCHEMAS: Final[dict[str, Schema]] = {
    "Accounts": whole(
        {"scorecard": TEXT, "accounts": listed(ref("AccountRow")), "next": maybe(TEXT), **FRESHNESS},
        about="The accounts of a scorecard, the highest score first; `scorecard` is empty if none has accounts.",
    ),
    "AccountRow": whole(
        {**_ACCOUNT, "top_leads": listed(_GIVEN)},
        about="An account: the value of its key, encrypted for a role without `pii`; its score from those of its "
        "`leads`, of which `top_leads` have the highest.",
    ),
    "Account": whole(
        {
            **_ACCOUNT, "key": TEXT, "roll_up": TEXT, "explanation": TEXT,
            "stages": listed(whole({"name": TEXT, "label": TEXT, "enter": NUMBER, "leave": NUMBER, "inside": TRUTH,
                                    "missing": NUMBER, "since": maybe(TIME)})),
            "people": listed(whole({"lead_id": TEXT, "score": WHOLE, "name": TEXT, "title": maybe(TEXT),
                                    "stage": maybe(TEXT), "last_seen_at": maybe(TIME)})),
            **FRESHNESS,
        },
        about="An account with the leads that have the highest scores, 200 at most: `score` is what the lead gave it. "
        "A stage says how many points are `missing` to enter it, and since when it is as it is.",
    ),
    "AccountAlert": {
        "type": "object",
        "properties": {
            "id": TEXT, "at": TIME, "account": TEXT, "key": TEXT, "members": WHOLE, "leads": listed(_GIVEN),
            "scorecard": TEXT, "stage": TEXT, "stage_label": TEXT, "kind": KIND, "episode": WHOLE, "cause": TEXT,
            "score": ANY, "version": TEXT,
        },
        "required": ["id", "at", "account", "key", "members", "leads", "scorecard", "stage", "kind", "episode",
                     "cause", "score"],
        "description": "A record of `handoff` about an account, without its envelope: how many leads it had, and "
        f"the {MAX_LEADS} with the highest scores.",
    },
    "AccountAlerts": whole({"alerts": listed(ref("AccountAlert")), **ALERT_PAGE}),
    "AnyAlerts": whole({"alerts": listed({"anyOf": [ref("Alert"), ref("AccountAlert")]}), **ALERT_PAGE}),
}  # fmt: skip


class AccountsApi:
    """Handlers of the API."""

    def __init__(self, service: BoardService) -> None:
        """``service`` answers."""
        self._service = service

    def handlers(self) -> dict[str, tuple[str, Handler]]:
        """Operation -> name for metrics, handler."""
        return {
            "accounts": ("api_accounts", self._list),
            "account": ("api_account", self._show),
            "accountAlerts": ("api_account_alerts", self._list_alerts),
        }

    async def _list(self, request: web.Request) -> web.Response:
        check_parameters(request, "scorecard", "cursor", "limit")
        found = await self._service.accounts.list_page(
            request.query.get("scorecard"), parse_cursor(request), parse_limit(request), request[CURRENT_VIEWER].role
        )
        body = responses.encode_json({**found, **self._service.freshness.to_json()})
        return responses.cacheable_response(request, body)

    async def _show(self, request: web.Request) -> web.Response:
        check_parameters(request)
        found = await self._service.accounts.get_account(
            request.match_info["name"], request.match_info["id"], request[CURRENT_VIEWER].role
        )
        body = responses.encode_json({**found, **self._service.freshness.to_json()})
        return responses.cacheable_response(request, body)

    async def _list_alerts(self, request: web.Request) -> web.Response:
        check_parameters(request, "cursor", "limit")
        name, of = request.match_info["name"], request.match_info["id"]
        page = await self._service.accounts.list_alerts(
            name, of, parse_cursor(request), parse_limit(request), request[CURRENT_VIEWER].role
        )
        return responses.cacheable_response(request, responses.encode_json(page))


class AccountPages:
    """Handlers of the pages."""

    def __init__(self, service: BoardService, html: Renderer) -> None:
        """``html`` renders the templates."""
        self._service = service
        self._html = html

    def routes(self) -> list[Route]:
        """Every route."""
        return [
            ("GET", "/accounts", "page_accounts", self.list_accounts),
            ("GET", "/accounts/{name:[^/]+}/{id:[^/]+}", "page_account", self.show_account),
        ]

    async def list_accounts(self, request: web.Request) -> web.Response:
        """The ranking of accounts."""
        viewer, accounts = request[CURRENT_VIEWER], self._service.accounts
        cursor = parse_cursor(request)
        found = await accounts.list_page(request.query.get("scorecard"), cursor, ROWS, viewer.role)
        query = view_models.sparse({"scorecard": request.query.get("scorecard", ""), "cursor": cursor or ""})
        return self._html.render(
            "accounts_now.html" if request.headers.get("HX-Target") == "accounts" else "accounts.html",
            viewer,
            here="accounts",
            here_url=view_models.build_url("/accounts", query),
            found=found,
            scorecards=accounts.scorecards,
            cursor=cursor,
        )

    async def show_account(self, request: web.Request) -> web.Response:
        """One account with its leads."""
        viewer = request[CURRENT_VIEWER]
        given = request.match_info["name"], request.match_info["id"]
        found, sent = await asyncio.gather(
            self._service.accounts.get_account(*given, viewer.role),
            self._service.accounts.list_alerts(*given, None, ALERTS, viewer.role),
        )
        return self._html.render(
            "account_now.html" if request.headers.get("HX-Target") == "account" else "account.html",
            viewer,
            here="accounts",
            account=found,
            alerts=[view_models.alert_row(alert) for alert in sent["alerts"]],
            kept=MAX_ALERTS,
            names={person["lead_id"]: person["name"] for person in found["people"]},
        )
