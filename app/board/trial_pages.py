"""The page "Try a change": edits a scorecard, and shows what it would do; nothing is changed or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from app.board import trial_views
from app.board.forms import read_form
from app.board.publish_forms import describe_offer, read_terms, redirect_to_versions
from app.board.publishing import Terms, require_editor
from app.board.routing import CURRENT_VIEWER, Route
from app.board.trials import MAX_TEXT_BYTES, TOO_LARGE
from app.http.refusals import Refusal

if TYPE_CHECKING:
    from app.board.rendering import Renderer
    from app.board.service import BoardService

MAX_FORM_BYTES: Final = 3 * MAX_TEXT_BYTES + 1000
"""Each byte of the text can take three in a form."""


class TrialPages:
    """Handlers of the page and its parts."""

    def __init__(self, service: BoardService, html: Renderer) -> None:
        """``html`` renders the templates."""
        self._service = service
        self._html = html

    def routes(self) -> list[Route]:
        """Every route."""
        return [
            ("GET", "/try", "page_try", self.show_editor),
            ("POST", "/try", "page_try", self.try_change),
            ("POST", "/try/check", "page_try_check", self.check),
            ("POST", "/try/publish", "page_publish", self.publish),
            ("GET", "/try/progress", "page_try_progress", self.show_progress),
        ]

    async def show_editor(self, request: web.Request) -> web.Response:
        """The editor, with the scorecards in use."""
        return self._render(request, "try.html", self._service.trials.text)

    async def try_change(self, request: web.Request) -> web.Response:
        """What a text would change; for htmx only that, otherwise the whole page."""
        text = await _read_text(request)
        if request.headers.get("HX-Target") != "tried":
            return await self._show_trial(request, text)
        found = await self._service.trials.try_change(text, request[CURRENT_VIEWER].role)
        return self._render(request, "try_result.html", text, found)

    async def publish(self, request: web.Request) -> web.Response:
        """Publish a text, and show the versions; a refusal comes with the change as it is now."""
        viewer = request[CURRENT_VIEWER]
        require_editor(viewer)
        form = await read_form(request, MAX_FORM_BYTES, TOO_LARGE)
        text, terms = form.get("text", "").replace("\r\n", "\n"), read_terms(form)
        try:
            done = await self._service.publishing.publish(text, terms, viewer)
        except Refusal as refused:
            if refused.status == 403:
                raise
            return await self._show_trial(request, text, refused, terms)
        return redirect_to_versions(done)

    async def _show_trial(
        self, request: web.Request, text: str, refused: Refusal | None = None, sent: Terms | None = None
    ) -> web.Response:
        """The editor with a text and what that would change; the text is there even if that cannot be measured."""
        found = None
        try:
            found = await self._service.trials.try_change(text, request[CURRENT_VIEWER].role)
        except Refusal as unmeasured:
            refused = refused or unmeasured
        answer = self._render(request, "try.html", text, found, "" if refused is None else refused.message, sent)
        if refused is not None:
            answer.set_status(refused.status)
            answer.headers.update(refused.headers())
        return answer

    async def check(self, request: web.Request) -> web.Response:
        """The mistakes in a text while it is edited."""
        text = await _read_text(request)
        check = await self._service.trials.check(text)
        return self._render(request, "try_messages.html", text, check.describe())

    async def show_progress(self, request: web.Request) -> web.Response:
        """How many leads were read for the change that is measured."""
        return self._html.render("try_progress.html", None, progress=self._service.trials.progress)

    def _render(
        self,
        request: web.Request,
        template: str,
        text: str,
        found: dict[str, Any] | None = None,
        refused: str = "",
        sent: Terms | None = None,
    ) -> web.Response:
        messages = {
            kind: trial_views.list_messages(found[kind], text) if found else [] for kind in ("mistakes", "warnings")
        }
        viewer, report = request[CURRENT_VIEWER], found["report"] if found else None
        return self._html.render(
            template,
            viewer,
            here="scorecard",
            text=text,
            **messages,
            counts={kind: len(found[kind]) if found else 0 for kind in messages},
            checked=found is not None,
            part=template == "try_result.html",
            tried=trial_views.trial_parts(report) if report else None,
            withheld=found["withheld"] if found else None,
            refused=refused,
            offer=self._offer(text, report, sent) if report and viewer.is_editor and report["differences"] else None,
            max_bytes=MAX_TEXT_BYTES,
            too_large=TOO_LARGE,
        )

    def _offer(self, text: str, report: dict[str, Any], sent: Terms | None) -> dict[str, Any]:
        """The form that publishes a change."""
        return describe_offer(report, self._service.publishing.most_alerts, sent) | {
            "action": "/try/publish",
            "title": "Publish it",
            "about": "All workers use it from the same event on. A later rollback is possible.",
            "button": "Publish",
            "text": text,
        }


async def _read_text(request: web.Request) -> str:
    """The text of the form; browsers send it with CR LF."""
    form = await read_form(request, MAX_FORM_BYTES, TOO_LARGE)
    return form.get("text", "").replace("\r\n", "\n")
