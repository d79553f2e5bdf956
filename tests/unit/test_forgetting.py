"""Leads of which nothing is heard for long are forgotten, and what a file may say about that."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import msgspec
import pytest

from app.scorecards.differences import find_differences
from streams.scorefile import load
from streams.scorefile.models import canonical
from streams.scoring.account_ids import account_id
from streams.scoring.account_state import Account
from streams.scoring.event import ANONYMOUS, USER, Contribution, Erase, Identity, Join, LeadEvent
from streams.scoring.lead import Erased, Lead, Redirect
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange
from streams.scoring.scorecard import Accounts, Forgetting, Model, Points, Scorecard, Signal, Stage
from streams.scoring.stored import encode_redirect
from streams.scoring.verdicts import ACCEPTED, LOST, NOTE, OWNER, REJECTED, SalesCall
from streams.shard.position import Position
from streams.units import DAY_MS, HOUR_MS
from streams.yamlfile.load import YamlFileError
from tests.properties.driver import ShardDriver
from tests.properties.strategies import START_MS, Fact

pytestmark = pytest.mark.usefixtures("implementation")
FILE = "leadglow: 1\nsignals: {view: {event: page}}\nscorecards: {main: {points: {view: 1}}}\n"
SIGNALS = (Signal("view", ("page",), half_life_ms=float(DAY_MS)), Signal("bought", ("Bought",)))
CARD = Scorecard(
    "main",
    {"view": Points(10.0), "bought": Points(50.0)},
    stages=(Stage("hot", 10.0, 5.0, handoff=True), Stage("customer", 50.0, 40.0)),
)
RULES = Rules(Model(SIGNALS, (CARD,), forget=Forgetting()))
QUIET = Rules(Model((SIGNALS[0],), (Scorecard("main", {"view": Points(1.0)}),), forget=Forgetting()))
VISITORS_MS, LEADS_MS = 60 * DAY_MS, 400 * DAY_MS


def event(
    name: str, at: int, lead_id: str = "u", known: bool = True, rules: Rules = RULES, **more: object
) -> LeadEvent:
    arrival = more.pop("arrival", at)
    made = Fact(name, f"{lead_id}{name}{arrival}", at).event(rules, int(str(arrival)), lead_id)
    return msgspec.structs.replace(made, known=known, **more)


def seen(*events: LeadEvent, rules: Rules = RULES) -> ShardDriver:
    shard = ShardDriver(rules)
    for each in events:
        shard.take(each, "show")
    return shard


# What a file says -----------------------------------------------------------------------------------------------------


def test_a_file_that_does_not_mention_it_forgets_and_keeps_its_version() -> None:
    model = load(FILE)
    assert model.forget == Forgetting(400 * DAY_MS, 60 * DAY_MS)
    assert canonical(model) == canonical(replace(model, forget=None))


def test_a_file_may_say_how_long() -> None:
    assert load(FILE + "forget_after: {leads: 2000d, visitors: 30d}").forget == Forgetting(2000 * DAY_MS, 30 * DAY_MS)
    assert load(FILE + "forget_after: {leads: never}").forget == Forgetting(inf, 60 * DAY_MS)
    assert load(FILE + "forget_after: {leads: 30d}").forget == Forgetting(30 * DAY_MS, 30 * DAY_MS)
    usual = load(FILE + "forget_after: {leads: 400d, visitors: 60d}")
    assert usual.version == load(FILE).version != load(FILE + "forget_after: {leads: 30d}").version


@pytest.mark.parametrize("given", ["6d", "0", "often", "12h"])
def test_a_time_that_forgets_people_between_two_visits_is_refused(given: str) -> None:
    with pytest.raises(YamlFileError, match="7d"):
        load(FILE + f"forget_after: {{visitors: {given}}}")


# When ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timer", [True, False])
def test_a_lead_is_forgotten_at_one_instant_and_its_next_alerts_have_new_ids(timer: bool) -> None:
    shard = seen(event("page", START_MS))
    shard.advance_lead("u", START_MS + 5 * DAY_MS)
    assert [t.kind for t in shard.transitions] == ["entered", "left"]
    end_ms = shard.transitions[1].at_ms + LEADS_MS
    if timer:
        shard.advance_lead("u", end_ms - 1)
        assert isinstance(shard.state("u"), Lead)
        shard.advance_lead("u", end_ms)
        state = shard.state("u")
        assert isinstance(state, Erased)
        assert (state.at_ms, state.gone_ms) == (-end_ms, end_ms)
    shard.take(event("page", end_ms + HOUR_MS))
    assert (shard.lead().erased_at, shard.lead().first_seen, shard.tally["forgotten"]) == (-end_ms, end_ms + HOUR_MS, 1)
    entered = [t for t in shard.transitions if t.kind == "entered"]
    assert [t.episode for t in entered] == [1, 1]
    assert len({t.alert_id for t in entered}) == 2


def forgotten_at(shard: ShardDriver) -> int:
    """When a lead that has left its stage will be forgotten."""
    shard.advance_lead("u", START_MS + 5 * DAY_MS)
    return shard.transitions[1].at_ms + LEADS_MS


@pytest.mark.parametrize("afters_ms", [(0,), (-1,), (1000, -1000), (-1000, 1000)])
def test_no_event_around_that_instant_is_lost(afters_ms: tuple[int, ...]) -> None:
    """Records of several sources come in any order."""
    shard = seen(event("page", START_MS))
    end_ms = forgotten_at(shard)
    for after_ms in afters_ms:
        shard.take(event("page", end_ms + after_ms))
    old = 0 if afters_ms[0] >= 0 else 1
    assert (shard.tally["forgotten"], shard.tally["erased"]) == (1 - old, 0)
    assert shard.lead().count == [old + len(afters_ms)]


def test_what_was_erased_stays_so_when_the_next_lead_is_forgotten() -> None:
    shard = seen(event("page", START_MS), event("page", START_MS + HOUR_MS))
    shard.take(Erase("u", START_MS + 2 * HOUR_MS))
    shard.take(event("page", START_MS + DAY_MS))
    shard.advance_lead("u", START_MS + 2 * LEADS_MS)
    shard.take(event("page", START_MS + 3 * HOUR_MS))  # its source was far behind
    shard.take(event("page", START_MS + HOUR_MS))
    assert (shard.tally["forgotten"], shard.tally["erased"], shard.lead().count) == (1, 1, [1])
    entered = [t.alert_id for t in shard.transitions if t.kind == "entered"]
    assert len(entered) == len(set(entered)) == 3


def test_an_event_before_that_instant_keeps_the_lead() -> None:
    shard = seen(event("page", START_MS, rules=QUIET), event("page", START_MS + LEADS_MS - 1, rules=QUIET), rules=QUIET)
    assert shard.lead().first_seen == START_MS
    shard.take(event("page", START_MS + 2 * LEADS_MS, rules=QUIET))
    assert shard.lead().first_seen == START_MS + 2 * LEADS_MS


def test_nothing_is_left_of_a_visitor_that_was_in_no_stage() -> None:
    shard = seen(event("page", START_MS, known=False, rules=QUIET), rules=QUIET)
    shard.advance_lead("u", START_MS + VISITORS_MS - 1, "")
    shard.end_step()
    shard.advance_lead("u", START_MS + VISITORS_MS, "")
    outcome = shard.end_step()
    assert outcome.all_blobs() == {"u": None}
    assert (outcome.ranks, outcome.due, outcome.dirty) == ({"main": {"u": None}}, {"u": None}, {"u"})
    assert shard._scorer.unsent(["u"]) == ["u"]  # its score is replaced by a tombstone
    assert not shard.blobs


@pytest.mark.parametrize("known", [{"known": True}, {"traits": {"email": "a@b.example"}}])
def test_a_visitor_that_became_known_stays_longer(known: dict[str, object]) -> None:
    shard = seen(event("page", START_MS, rules=QUIET, **{"known": False, **known}), rules=QUIET)  # type: ignore[arg-type]
    shard.advance_lead("u", START_MS + LEADS_MS - 1)
    assert shard.blobs
    shard.advance_lead("u", START_MS + LEADS_MS)
    assert not shard.blobs


def test_a_lead_inside_a_stage_is_not_forgotten() -> None:
    shard = seen(event("Bought", START_MS))
    for years in range(1, 6):
        shard.advance_lead("u", START_MS + years * LEADS_MS)
    assert shard.lead().first_seen == START_MS
    shard.take(event("page", START_MS + 6 * LEADS_MS))
    assert shard.lead().first_seen == START_MS


@pytest.mark.parametrize(
    ("kind", "kept"), [(ACCEPTED, True), (OWNER, True), (REJECTED, False), (LOST, False), (NOTE, False)]
)
def test_a_lead_is_not_forgotten_while_it_is_with_sales(kind: int, kept: bool) -> None:
    shard = seen(event("Verdict", START_MS, verdict=SalesCall(kind, "ana"), rules=QUIET), rules=QUIET)
    shard.advance_lead("u", START_MS + 3 * LEADS_MS)
    assert ("u" in shard.blobs) == kept


def test_an_import_of_old_events_counts_from_its_arrival() -> None:
    arrival = START_MS + 2000 * DAY_MS
    shard = seen(event("page", START_MS, rules=QUIET, arrival=arrival), rules=QUIET)
    shard.take(event("page", START_MS + DAY_MS, rules=QUIET, arrival=arrival + HOUR_MS))
    shard.advance_lead("u", arrival + LEADS_MS - 1)
    assert shard.lead().first_seen == START_MS
    shard.advance_lead("u", arrival + LEADS_MS + DAY_MS)
    assert not shard.blobs


def test_events_do_not_move_the_due_time_until_it_is_looked_at() -> None:
    shard = seen(event("page", START_MS, rules=QUIET), rules=QUIET)
    shard.advance_lead("u", START_MS + 100 * DAY_MS, "")  # nothing is left of the score
    assert shard.end_step().due == {"u": START_MS + LEADS_MS}
    shard.take(event("Unheard", START_MS + 200 * DAY_MS, rules=QUIET))
    assert not shard.show_leads(["u"]).due
    shard.advance_lead("u", START_MS + LEADS_MS, "")
    assert shard.end_step().due == {"u": START_MS + 200 * DAY_MS + LEADS_MS}


# Beside the lead ------------------------------------------------------------------------------------------------------


def test_a_joined_id_is_forgotten_when_nothing_comes_under_it() -> None:
    shard = seen(event("page", START_MS, "v", known=False), event("page", START_MS, "u"))
    joined_ms = START_MS + DAY_MS
    shard.take(Join(Identity(ANONYMOUS, "v"), Identity(USER, "u"), joined_ms))
    shard.drain()
    shard.take(event("page", joined_ms + 300 * DAY_MS, "v", known=False))
    shard.advance_lead("v", joined_ms + 300 * DAY_MS + LEADS_MS - 1, "")
    assert shard.end_step().due == {"v": joined_ms + 300 * DAY_MS + LEADS_MS}
    assert isinstance(shard.state("v"), Redirect)
    shard.advance_lead("v", joined_ms + 300 * DAY_MS + LEADS_MS)
    assert isinstance(shard.state("v"), Erased)  # the visitor had been in a stage


@pytest.mark.parametrize("timer", [True, False])
@pytest.mark.parametrize("has_memory", [True, False])
def test_a_joined_id_from_before_an_upgrade_is_forgotten_that_long_after_it(timer: bool, has_memory: bool) -> None:
    """The last release did not note when it was used."""
    shard, upgrade_ms = ShardDriver(RULES), START_MS + 500 * DAY_MS
    memory = Lead(START_MS) if has_memory else None
    shard.blobs = {"v": encode_redirect(Redirect(Identity(USER, "u"), True, memory))}
    shard._scorer.is_upgrading = True
    if timer:
        shard.advance_lead("v", upgrade_ms, "")
        assert shard.end_step().due == {"v": upgrade_ms + LEADS_MS}
    else:
        shard.take(event("page", upgrade_ms, "v", known=False), "reload")
        assert shard.tally["forwarded"] == 1
    shard._scorer.finish_change()
    shard.advance_lead("v", upgrade_ms + LEADS_MS - 1, "reload")
    assert isinstance(shard.state("v"), Redirect)
    shard.advance_lead("v", upgrade_ms + LEADS_MS)
    assert not shard.blobs


@pytest.mark.parametrize("timer", [True, False])
def test_an_import_from_before_an_upgrade_counts_from_its_arrival(timer: bool) -> None:
    arrival, rules = START_MS + 350 * DAY_MS, Rules(replace(QUIET.model, forget=None))
    shard = ShardDriver(QUIET)
    shard.blobs = seen(event("page", START_MS, rules=rules, arrival=arrival), rules=rules).blobs
    shard._scorer.is_upgrading = True
    if timer:
        shard.advance_lead("u", arrival + DAY_MS, "show")
        shard.advance_lead("u", arrival + 30 * DAY_MS, "reload")
    shard._scorer.is_upgrading = not timer
    shard.advance_lead("u", arrival + LEADS_MS - 1, "reload")
    assert shard.lead().first_seen == START_MS
    shard.advance_lead("u", arrival + LEADS_MS)
    assert not shard.blobs


def test_a_forgotten_lead_leaves_its_account() -> None:
    card = replace(CARD, accounts=Accounts("company"), stages=())
    rules = Rules(Model(SIGNALS, (card,), forget=Forgetting()))
    shard = seen(event("page", START_MS, rules=rules, traits={"company": "acme"}), rules=rules)
    shard.advance_lead("u", START_MS + LEADS_MS, "")
    (left,) = [forward.item for forward in shard.end_step().forwards]
    assert isinstance(left, Contribution)
    assert (left.account, left.score, left.at, left.cause) == ("acme", None, START_MS + LEADS_MS, "forgotten")


STAYS = replace(CARD, accounts=Accounts("company"), stages=())
REACHES = replace(STAYS, accounts=Accounts("company", stages=(Stage("target", 5.0, 2.0, handoff=True),)))


def moved(card: Scorecard, companies: int) -> ShardDriver:
    """A lead with a score that was moved from company to company, a day in each."""
    shard = seen(rules=Rules(Model(SIGNALS, (card,), forget=Forgetting())))
    for day in range(companies):
        at_ms = START_MS + day * DAY_MS
        shard.take(event("page", at_ms, rules=shard.rules, traits={"company": f"Company {day}"}))
        shard.take(Contribution("main", f"company {day}", "u", 10, day, at_ms, at_ms))
        shard.drain()
    return shard


def companies_of(shard: ShardDriver) -> list[str]:
    return [state.value for i in shard.blobs if isinstance(state := shard.state(i), Account)]


def test_a_company_without_leads_ends_as_a_visitor_is_forgotten() -> None:
    shard, last_ms = moved(STAYS, 3), START_MS + 2 * DAY_MS
    account = account_id("main", "company 0")
    shard.play(Contribution("main", "company 0", "u", None, 9, last_ms, last_ms))
    assert shard.end_step().due == {account: last_ms + VISITORS_MS}
    shard.advance_lead(account, last_ms + VISITORS_MS - 1)
    assert companies_of(shard) == ["company 0", "company 1", "company 2"]
    shard.advance_lead(account, last_ms + VISITORS_MS, "")
    outcome = shard.end_step()
    assert (outcome.blobs, outcome.due) == ({account: None}, {account: None})
    assert companies_of(shard) == ["company 1", "company 2"]


def test_a_company_to_which_a_lead_comes_again_does_not_end() -> None:
    shard, back_ms = moved(STAYS, 2), START_MS + 2 * DAY_MS
    account = account_id("main", "company 0")
    shard.play(Contribution("main", "company 0", "u", 7, 9, back_ms, back_ms))
    assert shard.end_step().due == {account: None}
    shard.advance_lead(account, back_ms + 10 * VISITORS_MS)
    assert "company 0" in companies_of(shard)


def test_a_company_that_ended_begins_anew_whoever_comes_upon_it() -> None:
    back_ms = START_MS + DAY_MS + VISITORS_MS
    again = Contribution("main", "company 0", "v", 7, 9, back_ms, back_ms)
    by_timer, by_record = moved(STAYS, 2), moved(STAYS, 2)
    by_timer.advance_lead(account_id("main", "company 0"), back_ms)
    assert companies_of(by_timer) == ["company 1"]
    for shard in (by_timer, by_record):
        shard.take(again)
    assert by_timer.blobs == by_record.blobs


@pytest.mark.parametrize("looks", [True, False])
def test_a_company_that_had_ended_before_the_times_changed_ends_whether_or_not_a_timer_ran(looks: bool) -> None:
    shard, account = moved(STAYS, 2), account_id("main", "company 0")
    ended_ms = START_MS + DAY_MS + VISITORS_MS
    if looks:
        shard.advance_lead(account, ended_ms)
    longer = Rules(replace(shard.rules.model, forget=Forgetting(visitors_ms=2.0 * VISITORS_MS)))
    shard.change_rules(RulesChange(shard.rules, longer, ended_ms + DAY_MS))
    if account in shard.blobs:  # it is settled as all are
        shard.advance_lead(account, ended_ms + DAY_MS)
    assert companies_of(shard) == ["company 1"]


def test_a_company_that_was_in_a_stage_stays_for_the_ids_of_its_next_alerts() -> None:
    shard, far_ms = moved(REACHES, 2), START_MS + 10 * VISITORS_MS
    shard.advance_lead(account_id("main", "company 0"), far_ms)
    shard.take(Contribution("main", "company 0", "v", 7, 9, far_ms, far_ms))
    entered = [t for t in shard.transitions if (t.kind, t.lead_id) == ("entered", "account:company 0")]
    assert [t.episode for t in entered] == [1, 2]


def test_every_upgrade_puts_every_lead_into_the_schedule_once() -> None:
    """Also one after an undone upgrade: the last release writes its own form over ours, and keeps other fields."""
    fields = Position().to_fields()
    assert Position.from_fields(fields).ranked
    undone = Position.from_fields({**fields, "scheduled": b"1", "ranking": b"2"})
    assert not undone.ranked
    assert undone.to_fields()["ranking"] == b"2"  # until the new worker has gone through it, an older one need not
    assert Position.from_fields({**fields, "ranking": b"4"}).to_fields()["ranking"] == b"1"  # of a later release


def test_a_change_of_the_times_is_told_before_it_is_published() -> None:
    (found,) = find_differences(load(FILE), load(FILE + "forget_after: {visitors: 30d}"))
    assert (found.name, found.text) == ("forget_after", "leads 400d, visitors 60d → leads 400d, visitors 30d")
    (found,) = find_differences(load(FILE), load(FILE + "forget_after: {leads: never}"))
    assert found.text == "leads 400d, visitors 60d → leads never, visitors 60d"
