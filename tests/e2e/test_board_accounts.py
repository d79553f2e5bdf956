"""Accounts in Chromium, on a running Leadglow: from the ranking to a company, its people and back, live."""

from streams.clock import now_ms
from tests.support.board_system import Board, qualifying
from tests.support.node import Page, Visitor
from tests.support.waiting import wait_for

RANKED = "[...document.querySelectorAll('#accounts tbody th')].map((cell) => cell.innerText)"
BODY = "document.querySelector('main').innerText"
PEOPLE = "[...document.querySelectorAll('#account tbody a')].map((link) => link.innerText)"
ALERTS = "[...document.querySelectorAll('#alerts li')].map((alert) => alert.innerText)"
HERE = "decodeURIComponent(location.pathname)"


def test_an_account_is_found_by_rank_enters_its_stage_live_and_leads_to_its_people_and_back(
    board: Board, visitor: Visitor
) -> None:
    company, other = (f"{name} {now_ms()}" for name in ("acme", "globex"))
    board.send(*of(company, "Ana Ace", 450), *of(other, "Gil Globe", 1))
    page = visitor.open(f"{board.url}/accounts")
    page.run("window.marked = true")
    wait_for(lambda: [name for name in page.run(RANKED) if name in (company, other)] == [company, other], "ranked")
    click(page, company)

    wait_for(lambda: page.run(HERE) == f"/accounts/default/{company}", "the account")
    wait_for(lambda: page.run(PEOPLE) == ["Ana Ace"], "its only lead")
    assert "Not in Target account: score 7" in page.run(BODY)  # 75, or 74 when some of it has faded
    page.run("window.marked = true")
    board.send(*of(company, "Ben Bolt", 450))
    wait_for(lambda: "In Target account since now" in page.run(BODY), "in its stage", said=lambda: page.run(BODY))
    wait_for(lambda: page.run(ALERTS), "the alert", said=lambda: page.run(BODY))
    assert "entered\nTarget account" in page.run(ALERTS)[0]
    assert sorted(page.run(PEOPLE)) == ["Ana Ace", "Ben Bolt"]
    assert page.run("window.marked")
    assert page.violations() == []

    click(page, "Ben Bolt")
    wait_for(lambda: page.run("document.querySelector('h1')?.innerText") == "Ben Bolt", "the lead")
    page.run("history.back()")
    wait_for(lambda: page.run(HERE) == f"/accounts/default/{company}", "back at the account")
    page.run("history.back()")
    wait_for(lambda: company in page.run(RANKED), "back at the ranking")
    assert page.complaints() == []


def of(company: str, name: str, employees: int) -> list[dict[str, object]]:
    """Somebody of a company: 75 points, or 60 from a small one."""
    identified, asked = qualifying(f"{name} {company}".replace(" ", "-"))
    identified["traits"] |= {"name": name, "company": company, "employees": employees}
    return [identified, asked]


def click(page: Page, text: str) -> None:
    page.run(f"[...document.querySelectorAll('main a')].find((link) => link.innerText === {text!r}).click()")
