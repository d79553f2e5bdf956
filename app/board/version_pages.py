"""The pages of published versions: all of them, one with its text, and going back to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from app.board import trial_views
from app.board.forms import read_form, require_own_site
from app.board.parameters import parse_cursor
from app.board.publish_forms import describe_offer, read_terms, redirect_to_versions
from app.board.publishing import Terms
from app.board.routing import CURRENT_VIEWER, Route
from app.board.versions import LISTED
from app.http.refusals import Refusal

if TYPE_CHECKING:
    from app.board.rendering import Renderer
    from app.board.service import BoardService

MAX_FORM_BYTES: Final = 8192
DONE: Final = {
    "published": "Published. The workers use it from their next event on.",
    "unchanged": "This version was in use already: nothing was published.",
}
View = dict[str, Any]


class VersionPages:
    """Handlers of the pages."""

    def __init__(self, service: BoardService, html: Renderer) -> None:
        """``html`` renders the templates."""
        self._service = service
        self._html = html

    def routes(self) -> list[Route]:
        """Every route."""
        return [
            ("GET", "/versions", "page_versions", self.list_versions),
            ("GET", "/versions/{version}", "page_versions", self.show_version),
            ("GET", "/versions/{version}/scorecards.yaml", "page_versions", self.download),
            ("GET", "/versions/{version}/rollback", "page_publish", self.try_rollback),
            ("POST", "/versions/{version}/rollback", "page_publish", self.roll_back),
        ]

    async def list_versions(self, request: web.Request) -> web.Response:
        """All versions, the latest first."""
        page = await self._service.publishing.versions.list_page(parse_cursor(request), LISTED)
        return self._html.render(
            "versions.html",
            request[CURRENT_VIEWER],
            here="scorecard",
            rows=[_row_parts(row) for row in page["versions"]],
            next=page["next"],
            in_use=self._service.rules.version,
            done=DONE.get(request.query.get("done", "")),
        )

    async def show_version(self, request: web.Request) -> web.Response:
        """One version with its text."""
        row = await self._service.publishing.versions.get_version(request.match_info["version"])
        return self._html.render(
            "version.html",
            request[CURRENT_VIEWER],
            here="scorecard",
            row=_row_parts(row),
            in_use=self._service.rules.version,
        )

    async def download(self, request: web.Request) -> web.Response:
        """The text of a version as a file."""
        item = self._service.publishing.versions.find(request.match_info["version"]).item
        name = f"scorecards-{item.version[:12]}.yaml"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(text=item.text, content_type="application/yaml", charset="utf-8", headers=headers)

    async def try_rollback(self, request: web.Request) -> web.Response:
        """What going back to a version would do."""
        require_own_site(request)  # it takes long
        return await self._show_rollback(request)

    async def roll_back(self, request: web.Request) -> web.Response:
        """Go back to a version, and show all; a refusal comes with the effect as it is now."""
        terms, viewer = read_terms(await read_form(request, MAX_FORM_BYTES)), request[CURRENT_VIEWER]
        try:
            done = await self._service.publishing.roll_back(request.match_info["version"], terms, viewer)
        except Refusal as refused:
            if refused.status in {403, 404}:
                raise
            return await self._show_rollback(request, refused, terms)
        return redirect_to_versions(done)

    async def _show_rollback(
        self, request: web.Request, refused: Refusal | None = None, sent: Terms | None = None
    ) -> web.Response:
        version, viewer, publishing = request.match_info["version"], request[CURRENT_VIEWER], self._service.publishing
        report = await publishing.try_rollback(version, viewer)
        answer = self._html.render(
            "rollback.html",
            viewer,
            here="scorecard",
            version=publishing.versions.find(version).version,
            refused="" if refused is None else refused.message,
            tried=report and trial_views.trial_parts(report),
            withheld=None,
            offer=report and _offer_rollback(version, report, publishing.most_alerts, sent),
        )
        if refused is not None:
            answer.set_status(refused.status)
        return answer


def _offer_rollback(version: str, report: View, most_alerts: int, sent: Terms | None) -> View:
    return describe_offer(report, most_alerts, sent) | {
        "action": f"/versions/{version}/rollback",
        "title": "Roll back",
        "about": "All workers use the earlier version again, from the same event on.",
        "button": "Roll back to this",
        "text": None,
    }


def _row_parts(row: View) -> View:
    """A version with what changed as lines."""
    return row | {"changes": row["changes"] and trial_views.trial_parts(row["changes"])}
