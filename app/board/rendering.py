"""Renders templates with Jinja: everything is escaped, and an unknown name is an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from app.account_views import describe_stage
from app.board import formatting, view_models
from app.freshness import Freshness
from app.lead_views import describe_obstacle
from streams.clock import now_ms
from streams.shard.alert import rfc3339

if TYPE_CHECKING:
    from app.board.identity import Viewer

MIN_COMPRESSED_CHARS: Final = 2000
_DIRECTION_MARKS: Final = dict.fromkeys((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
TEMPLATES: Final = Path(__file__).with_name("templates")


class Exact(str):
    """A text that is sent back by a form, and is therefore rendered with all its characters."""

    __slots__ = ()


class Renderer:
    """Renders pages, and parts of pages."""

    def __init__(self, asset: Callable[[str], str], freshness: Callable[[], Freshness]) -> None:
        """``asset`` returns the URL of a static file, and ``freshness`` how fresh scores are."""
        self._freshness = freshness
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            finalize=_without_direction_marks,
        )
        self._templates.globals.update(asset=asset)
        self._templates.filters.update(_FILTERS)

    def render(self, template: str, viewer: Viewer | None, here: str = "", **values: Any) -> web.Response:
        """Render a page, or a part of one."""
        always = {"viewer": viewer, "here": here, "now_ms": now_ms(), "freshness": self._freshness()}
        html = self._templates.get_template(template).render(always, **values)
        page = web.Response(text=html, content_type="text/html", charset="utf-8")
        if len(html) > MIN_COMPRESSED_CHARS:
            page.enable_compression()  # a ranking is refreshed up to four times per second
        return page


def _without_direction_marks(value: Any) -> Any:
    """Remove marks that change the direction of text: received text must not affect the text next to it."""
    if isinstance(value, Exact) or not isinstance(value, str) or value.isascii():
        return value
    return value.translate(_DIRECTION_MARKS)


@pass_context
def _named_day(context: Context, time: str) -> str:
    return formatting.day(time, context["now_ms"])


@pass_context
def _ago(context: Context, time: str) -> str:
    return formatting.ago(time, context["now_ms"])


_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "ago": _ago,
    "exact": formatting.exact_time,
    "verbatim": Exact,
    "day": formatting.day,
    "named_day": _named_day,
    "iso": lambda at_ms: rfc3339(int(at_ms)),
    "words": formatting.words,
    "titled": formatting.titled,
    "obstacle": describe_obstacle,
    "account_stage": describe_stage,
    "number": formatting.number,
    "score": formatting.score,
    "signed": formatting.signed,
    "percent": formatting.percent,
    "money": formatting.money,
    "span": formatting.span,
    "cause": formatting.cause,
    "shown": formatting.shown,
    "short": lambda version: str(version)[:12],
    "json": lambda value: orjson.dumps(value).decode(),
    "anchor": lambda text: quote(str(text), safe=""),
    "lead_path": view_models.lead_path,
    "weightiest": view_models.weightiest,
}
