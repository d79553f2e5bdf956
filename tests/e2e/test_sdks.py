"""The SDKs for servers, as their packages are, deliver into a running Leadglow.

Each first delivery arrives but is answered 503: the SDK sends it again, and it must count once.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from app.embedded.child import run_child
from tests.support.collector_system import APPS_KEY, SECRET, Stack
from tests.support.http_server import Stumbling, Web, serve
from tests.support.node import INSTALL_S, RUN_S, SOURCES, missing

POINTS = 1 + 7 + 30 + 20 + 1
WITHOUT_TRAITS = POINTS - 20
PYTHON = {
    "segment": (SECRET, POINTS),
    "rudder": (APPS_KEY, POINTS),
    "snowplow-post": (APPS_KEY, WITHOUT_TRAITS),
    "snowplow-get": (APPS_KEY, WITHOUT_TRAITS),
}


def story(name: str) -> list[dict[str, Any]]:
    """An anonymous visit, then an identified one."""
    nobody, somebody = f"anonymous-{name}", f"user-{name}"
    return [
        {"type": "page", "anonymousId": nobody, "properties": {"url": "https://acme.example/pricing"}},
        {"type": "track", "anonymousId": nobody, "event": "Demo Requested", "properties": {"form": "demo"}},
        {"type": "identify", "anonymousId": nobody, "userId": somebody, "traits": {"title": "CTO"}},
        {"type": "page", "anonymousId": nobody, "userId": somebody, "properties": {"url": "https://acme.example/docs"}},
    ]


def deliveries(web: Web) -> int:
    return sum(request.method == "POST" or request.path.startswith("/i?") for request in web.requests)


@pytest.fixture(scope="module")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our program with the SDK for Go; its modules must have the hashes of go.sum."""
    if not shutil.which("go"):
        missing("Go")
    program = tmp_path_factory.mktemp("go") / "servers"
    run_child(["go", "build", "-mod=readonly", "-o", str(program), "."], INSTALL_S, cwd=SOURCES / "go")
    return program


@pytest.mark.parametrize("sdk", PYTHON)
def test_a_python_sdk_delivers_a_story_that_counts_once(stack: Stack, sdk: str) -> None:
    key, points = PYTHON[sdk]
    name = f"python-{sdk}"
    with serve(Stumbling(stack.url)) as web:
        argv = [sys.executable, "-W", "ignore", "servers.py", sdk, web.address, key]
        run_child(argv, RUN_S, json.dumps(story(name)), SOURCES)
        assert deliveries(web) >= 2

    lead = stack.wait_scored(f"user-{name}", f"anonymous-{name}", points)

    assert lead["traits"] == ({"title": "CTO"} if points == POINTS else {})


@pytest.mark.parametrize("sdk", ["segment", "rudder"])
def test_a_node_sdk_delivers_a_story_that_counts_once(stack: Stack, sdks: Path, sdk: str) -> None:
    name = f"node-{sdk}"
    with serve(Stumbling(stack.url)) as web:
        run_child(["node", "servers.mjs", sdk, web.address, APPS_KEY], RUN_S, json.dumps(story(name)), sdks)
        assert deliveries(web) >= 2

    lead = stack.wait_scored(f"user-{name}", f"anonymous-{name}", POINTS)

    assert lead["traits"] == {"title": "CTO"}


def test_the_go_sdk_delivers_a_story_that_counts_once(stack: Stack, go_program: Path) -> None:
    with serve(Stumbling(stack.url)) as web:
        run_child([str(go_program), web.address, APPS_KEY], RUN_S, json.dumps(story("go")), SOURCES)
        assert deliveries(web) >= 2

    lead = stack.wait_scored("user-go", "anonymous-go", POINTS)

    assert lead["traits"] == {"title": "CTO"}
