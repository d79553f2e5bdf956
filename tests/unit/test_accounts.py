"""The keys and roll-ups of accounts, and what an account takes of its leads."""

from typing import Any

import pytest

from app.scorecards.differences import find_differences
from streams.scorefile import load
from streams.scoring.account_rules import AccountRule, domain_of, value_of
from streams.scoring.account_state import Account
from streams.scoring.accounts import note_contribution
from streams.scoring.event import Contribution
from streams.scoring.fit import UNIT
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Accounts
from streams.scoring.stored import decode
from streams.scoring.stored_accounts import encode_account

FILE = """leadglow: 1
signals: {visit: {event: page, half_life: 14d}}
scorecards:
  main:
    points: {visit: 10}
    accounts:
      key: email domain
      roll_up: {top: 2}
      stages: [{name: target, enter: 120, leave: 80, handoff: true}]
  plain: {points: {visit: 10}}
"""


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("Ana@ACME.example", "acme.example"),
        ("ana@mail.acme.example.", "mail.acme.example"),
        ("ana@gmail.com", None),
        ("ana@yahoo.co.uk", None),
        ("ana@yahoo-inc.example", "yahoo-inc.example"),
        ("ana@outlook.pricing.example", "outlook.pricing.example"),
        ("ana", None),
        ("ana@localhost", None),
        ("a@b@acme.example", None),
        (7, None),
    ],
)
def test_a_company_is_the_domain_of_an_address_that_not_anybody_can_have(address: Any, domain: str | None) -> None:
    assert domain_of(address) == domain


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        (" Acme  GmbH ", "acme gmbh"),
        ("ACME", "acme"),
        (42, "42"),
        (42.0, "42"),
        (["Acme", "Globex"], "acme"),
        (True, None),
        (None, None),
        ("n/a", None),
        ("--", None),
        ("a\x01b\x1f", "ab"),
    ],
)
def test_a_company_is_a_trait_without_regard_to_case_and_spaces(trait: Any, value: str | None) -> None:
    assert value_of(trait) == value


@pytest.mark.parametrize(
    ("accounts", "scores", "expected"),
    [
        (Accounts("company", "max"), [10, 60, 30, -5], 60),
        (Accounts("company", "sum"), [10, 60, 30, -5], 100),
        (Accounts("company", "top", 2), [10, 60, 30, -5], 90),
        (Accounts("company", "saturating"), [50, 50, -5], 75),
        (Accounts("company", "saturating"), [100, 20], 100),
        (Accounts("company", "max"), [-5], 0),
        (Accounts("company", "saturating"), [], 0),
    ],
)
def test_the_scores_of_leads_make_that_of_their_account(accounts: Accounts, scores: list[int], expected: float) -> None:
    assert AccountRule("main", accounts, 100.0, ()).roll_up(scores) == expected * UNIT


def test_a_file_without_accounts_has_the_version_that_it_had() -> None:
    with_accounts, without = load(FILE), load(FILE[: FILE.index("    accounts:")] + FILE[FILE.index("  plain:") :])
    assert with_accounts.version != without.version
    assert Rules(without).accounts == {}
    assert Rules(with_accounts).keys == {"email"}
    assert Rules(with_accounts).accounts["main"].stages[0].alerts


def test_a_diff_names_what_changes_in_accounts() -> None:
    old = load(FILE)
    new = load(FILE.replace("email domain", "company").replace("{top: 2}", "max").replace("120", "90"))
    assert [each.text for each in find_differences(old, new)] == [
        "accounts by email domain (top 2) → by company (max)",
        "stage target of accounts: entered from 120 → 90",
    ]
    gone = find_differences(old, load(FILE[: FILE.index("    accounts:")] + FILE[FILE.index("  plain:") :]))
    assert [each.text for each in gone] == [
        "accounts by email domain (top 2) → none",
        "stage target of accounts: removed",
    ]


def given(lead_id: str, score: int | None, offset: int, at: int) -> Contribution:
    return Contribution("main", "acme", lead_id, score, offset, at, at)


def test_an_account_takes_what_is_later_and_nothing_else() -> None:
    account = Account("main", "acme")
    assert note_contribution(account, given("u1", 40, 10, 500))
    assert not note_contribution(account, given("u1", 40, 10, 500))
    assert not note_contribution(account, given("u1", 90, 9, 900))
    assert note_contribution(account, given("u1", 39, 10, 600))
    assert note_contribution(account, given("u1", None, 12, 550))
    assert not note_contribution(account, given("u1", 70, 11, 700))
    assert note_contribution(account, given("u2", 5, 1, 1))
    assert {lead_id: member.score for lead_id, member in account.members.items()} == {"u2": 5}


def test_the_stored_form_of_an_account_comes_back() -> None:
    account = Account("main", "acme")
    note_contribution(account, given("u1", 40, 10, 500))
    note_contribution(account, given("u2", None, 11, 600))
    again = decode(encode_account(account))
    assert isinstance(again, Account)
    names = ("id", "seen_ms", "members", "left", "latches")
    assert [getattr(again, name) for name in names] == [getattr(account, name) for name in names]
