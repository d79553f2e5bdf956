"""Verdicts of sales in Chromium and by the API, on a running Leadglow: page, API and stage agree."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.board_system import Board, did, start_board
from tests.support.node import Page, Visitor
from tests.support.servers import Running
from tests.support.waiting import wait_for

TEXT = """
leadglow: 1
signals: {ask: {event: Asked, half_life: never}}
scorecards:
  default:
    points: {ask: 40}
    sales: {reasons: [no budget, too small]}
    stages: [{name: hot, enter: 30, leave: 20, handoff: true}]
"""
LOADED = "location.search.includes('scorecard=') && document.readyState === 'complete'"
HISTORY = "document.querySelector('#sales .verdicts').innerText"
TYPED = """
    type = document.querySelector('#sales [name=note]'); type.value = 'é'.repeat(21);
    type.dispatchEvent(new Event('input', {bubbles: true}));
    [type.form.querySelector('output').value, type.checkValidity()]
"""
BODY = "document.querySelector('main').innerText"


@pytest.fixture
def system(kafka: Running, redis_server: Running, tmp_path: Path) -> Iterator[Board]:
    """A Leadglow with these scorecards, and a board without an access file."""
    file = tmp_path / "scorecards.yaml"
    file.write_text(TEXT)
    with start_board(kafka, redis_server.address, "verdicts", scorecards=str(file)) as board:
        yield board


def test_a_lead_is_rejected_on_the_page_and_recycled_and_won_by_other_ways(system: Board, visitor: Visitor) -> None:
    system.send(did("ann", "Asked"))
    wait_for(lambda: state(system) == ("new", "hot"), "a new lead in the stage")
    page = visitor.open(f"{system.url}/leads/ann")
    page.run("document.querySelector('#sales [name=reason]').value = 'no budget'")
    click(page, "#sales [value=rejected]")
    wait_for(lambda: state(system) == ("rejected", None), "rejected, and out of the stage")
    wait_for(lambda: "rejected by sales since" in page.run(BODY), "why not", said=lambda: page.run(BODY))

    wait_for(lambda: page.run(LOADED), "the page that follows the form, not the old one that is kept up to date")
    page.run("document.querySelector('#sales [name=note]').value = 'half a note'")
    system.send(did("ann", "Lead Contacted"))  # changes no score, and no state of a rejected lead
    wait_for(
        lambda: "Contacted" in page.run(HISTORY), "an open page shows a verdict of others", said=lambda: page.run(BODY)
    )
    assert page.run("document.querySelector('#sales [name=note]').value") == "half a note"
    wait_for(lambda: page.run(TYPED) == ["2 too long", False], "the count", said=lambda: str(page.run(TYPED)))

    system.send(did("ann", "Lead Recycled"))
    wait_for(lambda: state(system) == ("recycled", "hot"), "recycled by an event, and in the stage again")
    done = post(f"{system.url}/api/v1/leads/ann/verdicts", kind="won", amount=1200)
    assert done["applied"]
    shown = system.lead("ann")["sales"]
    assert (shown["state"], shown["amount"]) == ("won", 1200)
    page = visitor.open(f"{system.url}/leads/ann")
    wait_for(lambda: "Won since" in page.run(BODY), "won on the page", said=lambda: page.run(BODY))
    click(page, "#sales form[action$=undo] button")
    wait_for(lambda: state(system) == ("recycled", "hot"), "the last verdict taken back")
    assert page.complaints() == []
    page = visitor.open(f"{system.url}/results")
    assert "accepted: 0 of 1 decided" in page.run(BODY)
    assert "no budget" in page.run(BODY)


def state(system: Board) -> tuple[str, str | None] | None:
    """The state and the stage of the lead; None while it is not scored."""
    lead = system.lead("ann")
    return lead and (lead["sales"]["state"], lead["scorecards"]["default"]["stage"])


def click(page: Page, selector: str) -> None:
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def post(url: str, **body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=15) as answer:
        return json.loads(answer.read())
