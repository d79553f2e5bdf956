"""The list of leads in Chromium: it stays still under a pointer and a focused row, and keeps the visitor's place."""

from tests.support.board_system import Board, did, identified
from tests.support.node import Page, Visitor
from tests.support.waiting import wait_for

ORDER = "[...document.querySelectorAll('#live > li, #more > li')].map((row) => row.dataset.id)"
CHANGES = "document.getElementById('changes').hidden ? '' : document.getElementById('changes').innerText"
MIDDLE = """
(() => {
  const box = document.querySelector("#live > li").getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
})()
"""


def opened(visitor: Visitor, board: Board, query: str, rows: int) -> Page:
    page = visitor.open(f"{board.url}/?q={query}")
    wait_for(lambda: len(page.run(ORDER)) == rows, "all in the index")
    wait_for(lambda: page.run("document.documentElement.dataset.connected === 'yes'"), "listening")
    return page


def test_the_list_moves_only_when_asked_while_it_is_used(board: Board, visitor: Visitor) -> None:
    board.send(*(identified(f"still-{i}", title="CTO") for i in range(3)), did("still-0", "Demo Requested"))
    board.wait_score("still-0", 60)
    page = opened(visitor, board, "still", 3)
    before = page.run(ORDER)
    assert before[0] == "still-0"

    page.point(*page.run(MIDDLE))
    board.send(did("still-1", "Webinar Attended"), did("still-1", "Demo Requested"))
    wait_for(lambda: "1 change" in page.run(CHANGES), "the change is offered")
    assert page.run(ORDER) == before

    page.run("document.getElementById('changes').click()")
    wait_for(lambda: page.run(ORDER)[0] == "still-1", "moved when asked")
    assert page.run(CHANGES) == ""

    page.point(1, 1)
    page.run("document.querySelector('#live > li a').focus()")
    board.send(did("still-2", "Webinar Attended"), did("still-2", "Demo Requested"), did("still-2", "Demo Requested"))
    wait_for(lambda: "1 change" in page.run(CHANGES), "the next change is offered")
    assert page.run(ORDER)[0] == "still-1"

    page.run("document.activeElement.blur()")
    wait_for(lambda: page.run(CHANGES) == "" and "still-2" in page.run(ORDER)[:2], "moved after the list was left")
    assert page.complaints() == []


def test_back_returns_to_the_place_in_the_list(board: Board, visitor: Visitor) -> None:
    board.send(*(identified(f"place-{i:03}", title="CTO") for i in range(120)))
    wait_for(lambda: board.lead("place-119"), "all of them")
    page = opened(visitor, board, "place", 50)
    reached = "document.getElementById('further')?.scrollIntoView()"
    wait_for(lambda: (page.run(reached), len(page.run(ORDER)))[1] == 120, "the whole list")
    lead_id = page.run(ORDER)[110]
    link = f"document.querySelector('[data-id={lead_id}] a')"
    page.run(f"{link}.scrollIntoView({{ block: 'center' }})")
    top = page.run(f"{link}.getBoundingClientRect().top")

    page.run(f"{link}.click()")
    wait_for(lambda: page.run("location.pathname") == f"/leads/{lead_id}", "the lead")
    page.run("history.back()")

    wait_for(lambda: page.run(f"document.activeElement === {link}"), "back at the lead")
    assert page.run("location.search") == "?q=place"
    wait_for(lambda: abs(page.run(f"{link}.getBoundingClientRect().top") - top) < 3, "at the same place of the window")
    assert page.complaints() == []


def test_filters_and_order_are_kept_in_the_address(board: Board, visitor: Visitor) -> None:
    board.send(identified("kept-b", company="Kept", owner="Olga"), identified("kept-a", company="Kept", owner="Otto"))
    wait_for(lambda: board.lead("kept-a") and board.lead("kept-b"), "scored")
    page = opened(visitor, board, "kept", 2)
    change = "dispatchEvent(new Event('change', { bubbles: true }))"

    page.run("document.querySelector('details').open = true")
    page.run(f"document.getElementById('sort').value = 'owner', document.getElementById('sort').{change}")
    wait_for(lambda: page.run(ORDER) == ["kept-b", "kept-a"], "sorted")
    assert page.run("location.search") == "?q=kept&sort=owner"
    assert "Owner: Olga" in page.run("document.querySelector('#live > li').innerText")
    page.run(f"document.querySelector('[name=owner]').value = 'OTTO', document.querySelector('[name=owner]').{change}")

    wait_for(lambda: page.run(ORDER) == ["kept-a"], "filtered")
    assert page.run("location.search") == "?q=kept&owner=OTTO&sort=owner"
    page.go(page.run("location.href"))
    assert page.run("document.querySelector('[name=owner]').value") == "OTTO"
    assert page.run("document.querySelector('details').open")
