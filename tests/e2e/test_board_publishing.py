"""Publishing on the board in Chromium, on a running Leadglow: a change is tried, published, and rolled back."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.board_system import EDITOR_TOKEN, Board, access_file, did, start_board
from tests.support.node import Page, Visitor
from tests.support.servers import Running
from tests.support.waiting import wait_for

TEXT = """
leadglow: 1
signals: {ask: {event: Asked, half_life: never, label: Asked us}}
scorecards:
  default:
    points: {ask: 10}
    stages: [{name: hot, enter: 30, leave: 20, handoff: true, label: Ready for sales}]
"""
MISTAKEN, CHANGED = (TEXT.replace("ask: 10", f"ask: {points}") for points in ("many", "40"))
LOADED = "document.readyState === 'complete' && document.getElementById('text')?.value || ''"
"""The text in the editor, once the scripts that watch it have run."""
MESSAGES = "document.getElementById('messages').innerText"
REPORT = "document.getElementById('tried')?.innerText ?? ''"
BODY = "document.querySelector('main').innerText"


@pytest.fixture
def system(kafka: Running, redis_server: Running, tmp_path: Path) -> Iterator[Board]:
    """A Leadglow with these scorecards, and a board with an access file."""
    file = tmp_path / "scorecards.yaml"
    file.write_text(TEXT)
    access = str(access_file(tmp_path))
    with start_board(kafka, redis_server.address, "publishing", scorecards=str(file), board_access=access) as board:
        yield board


def test_a_change_is_published_and_rolled_back_in_the_browser(system: Board, visitor: Visitor) -> None:
    system.send(did("ann", "Asked"))
    wait_for(lambda: stage(system) is None, "scored, in no stage")
    page = visitor.open(f"{system.url}/login?next=/try")
    page.run(f"document.querySelector('[name=token]').value = {json.dumps(EDITOR_TOKEN)}")
    click(page, "main form button")

    wait_for(lambda: "leadglow: 1" in page.run(LOADED), "the editor")
    write(page, MISTAKEN)
    wait_for(lambda: "Line 6, column 19" in page.run(MESSAGES), "the mistake at its place", said=lambda: page.run(BODY))
    write(page, CHANGED)
    lose_session(page)
    click(page, "#try button.main")
    wait_for(lambda: "1 enters Ready for sales" in page.run(REPORT), "the effect", said=lambda: page.run(BODY))
    assert page.run("document.activeElement.id") == "tried-title"
    page.run("document.getElementById('note').value = 'Questions count more'")
    click(page, "#publish button")
    wait_for(lambda: "Questions count more" in page.run(BODY), "the new version", said=lambda: page.run(BODY))
    assert all(text in page.run(BODY) for text in ("by eve", "Asked us points 10 → 40", "in use"))
    wait_for(lambda: stage(system) == "hot", "in the stage")

    click(page, "a[href$='/rollback']")
    wait_for(
        lambda: "1 leaves Ready for sales" in page.run(BODY), "the effect of going back", said=lambda: page.run(BODY)
    )
    click(page, "#publish button")
    wait_for(lambda: "rolled back" in page.run(BODY), "the versions again", said=lambda: page.run(BODY))
    wait_for(lambda: stage(system) is None, "out of the stage again")
    page.run("history.back()")
    wait_for(lambda: "in use already" in page.run(BODY), "no second rollback", said=lambda: page.run(BODY))
    assert all("401" in each for each in page.complaints())


def lose_session(page: Page) -> None:
    """Sign out and in again as in another tab; the text stays."""
    form = json.dumps(f"token={EDITOR_TOKEN}")
    page.run("fetch('/logout', { method: 'POST' }).then(() => true)")
    click(page, "#try button.main")
    wait_for(lambda: "You are signed out" in page.run(BODY), "told", said=lambda: page.run(BODY))
    assert page.run("document.getElementById('text').value") == CHANGED
    page.run(f"fetch('/login', {{ method: 'POST', body: {form}, redirect: 'manual' }}).then(() => true)")


def write(page: Page, text: str) -> None:
    """Replace the text in the editor."""
    page.run(
        f"(() => {{ const text = document.getElementById('text'); text.value = {json.dumps(text)};"
        " text.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )


def click(page: Page, selector: str) -> None:
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def stage(system: Board) -> str | None:
    """The stage of the lead; ``unknown`` while it is not scored."""
    request = urllib.request.Request(f"{system.url}/api/v1/leads?limit=1")
    request.add_header("Authorization", f"Bearer {EDITOR_TOKEN}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        rows = json.loads(answer.read())["leads"]
    return str(rows[0]["stage"]) if rows and rows[0]["stage"] else None if rows else "unknown"
