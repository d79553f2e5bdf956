"""The page "Try a change": edits a scorecard, and shows what it would do; nothing is changed or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from app.board import trial_views
from app.board.forms import read_form
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
            ("GET", "/try/progress", "page_try_progress", self.show_progress),
        ]

    async def show_editor(self, request: web.Request) -> web.Response:
        """The editor, with the scorecards in use."""
        return self._render(request, "try.html", self._service.trials.text)

    async def try_change(self, request: web.Request) -> web.Response:
        """What a text would change; for htmx only that, otherwise the whole page."""
        text = await _read_text(request)
        part = request.headers.get("HX-Target") == "tried"
        template = "try_result.html" if part else "try.html"
        try:
            found = await self._service.trials.try_change(text, request[CURRENT_VIEWER].role)
        except Refusal as refused:
            answer = self._render(request, template, text, refused=refused.message)
            answer.set_status(refused.status)
            answer.headers.update(refused.headers())
            return answer
        return self._render(request, template, text, found)

    async def check(self, request: web.Request) -> web.Response:
        """The mistakes in a text while it is edited."""
        text = await _read_text(request)
        check = await self._service.trials.check(text)
        found = {"mistakes": list(check.mistakes), "warnings": list(check.warnings), "report": None, "withheld": None}
        return self._render(request, "try_messages.html", text, found)

    async def show_progress(self, request: web.Request) -> web.Response:
        """How many leads were read for the change that is measured."""
        return self._html.render("try_progress.html", None, progress=self._service.trials.progress)

    def _render(
        self, request: web.Request, template: str, text: str, found: dict[str, Any] | None = None, refused: str = ""
    ) -> web.Response:
        messages = {
            kind: trial_views.list_messages(found[kind], text) if found else [] for kind in ("mistakes", "warnings")
        }
        report = found["report"] if found else None
        return self._html.render(
            template,
            request[CURRENT_VIEWER],
            here="scorecard",
            text=text,
            **messages,
            checked=found is not None,
            part=template == "try_result.html",
            tried=trial_views.trial_parts(report) if report else None,
            withheld=found["withheld"] if found else None,
            refused=refused,
            max_bytes=MAX_TEXT_BYTES,
            too_large=TOO_LARGE,
        )


async def _read_text(request: web.Request) -> str:
    """The text of the form; browsers send it with CR LF."""
    form = await read_form(request, MAX_FORM_BYTES, TOO_LARGE)
    return form.get("text", "").replace("\r\n", "\n")
