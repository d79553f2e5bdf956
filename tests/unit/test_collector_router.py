"""Which handler a request gets."""

from __future__ import annotations

import pytest
from aiohttp import web

from app.collector.router import Handler, Router


def handler(name: str) -> Handler:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(text=name)

    return handle


TRACK, LOOK, HOOK, SETTINGS = (handler(name) for name in ("track", "look", "hook", "settings"))
ROUTER = Router(
    [
        ("POST", "/v1/t", TRACK),
        ("GET", "/webhooks/{name}", LOOK),
        ("POST", "/webhooks/{name}", HOOK),
        ("GET", "/v1/projects/{write_key}/settings", SETTINGS),
    ]
)


@pytest.mark.parametrize(
    ("path", "handlers"),
    [
        ("/v1/t", {"POST": TRACK}),
        ("/webhooks/news", {"GET": LOOK, "POST": HOOK}),
        ("/v1/projects/wk_1/settings", {"GET": SETTINGS}),
    ],
)
def test_a_path_leads_to_its_handlers_by_method(path: str, handlers: dict[str, Handler]) -> None:
    assert ROUTER.handlers_of(path) == handlers


@pytest.mark.parametrize(
    "path",
    [
        "", "*", "/", "//", "/v1", "/v1/", "/v1/t/", "/v1//t", "//v1/t", "v1/t", "/V1/t", "/webhooks", "/webhooks/",
        "/webhooks/a/b", "/webhooks//", "/x/news", "/v1/projects//settings", "/v1/projects/a/b/settings",
        "/v1/projects/settings", "/{}", "/v1/{}", "/a/b/c/d/e",
    ],
)  # fmt: skip
def test_any_other_path_leads_nowhere(path: str) -> None:
    assert ROUTER.handlers_of(path) == {}
