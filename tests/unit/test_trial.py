"""`leadglow try` plays events through a scorecard file in memory and sums up what it makes of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli.root import build
from app.scorecards.exported import read_events
from app.scorecards.memory import MemoryRun, Source
from app.scorecards.trial import try_out
from streams.exits import Exit
from streams.scorefile import load
from streams.scoring.rules import Rules
from streams.units import DAY_MS

ROOT = Path(__file__).parents[2]
CARD = """
leadglow: 1
signals:
  visit: {event: page, half_life: 7d}
  demo:  {event: Demo Requested, half_life: never}
  never: {event: Fax Sent, half_life: never, label: Fax received}
scorecards:
  default:
    label: Everybody
    points: {visit: 10, demo: 40, never: 5}
    fit:
      - {trait: title, when: {word: cto}, points: 20}
      - {trait: country, when: Atlantis, points: 99, label: From the sea}
    stages:
      - {name: warm, enter: 30, leave: 20}
      - {name: hot, enter: 60, leave: 30, handoff: true}
"""
START_MS = 1_767_571_200_000


def a_call(number: int, day: float, **call: Any) -> Source:
    at_ms = START_MS + round(day * DAY_MS)
    return Source(json.dumps({"messageId": f"m-{number}", "timestamp": at_ms, **call}).encode(), at_ms)


EVENTS = [
    a_call(1, 0, type="page", anonymousId="visitor"),
    a_call(2, 0, type="page", anonymousId="passer-by"),
    a_call(3, 1, type="identify", anonymousId="visitor", userId="ana", traits={"title": "CTO", "name": "Ana"}),
    a_call(4, 1, type="track", event="Demo Requested", userId="ana"),
    a_call(5, 30, type="page", userId="ben"),
    Source(b"?", START_MS + 30 * DAY_MS),
]


def played(*events: Source) -> MemoryRun:
    run = MemoryRun(Rules(load(CARD)))
    run.play(events)
    return run


def test_events_go_through_intake_and_scoring_with_identities_joined() -> None:
    run = played(*EVENTS)

    assert set(run.leads()) == {"ana", "ben", "passer-by"}
    assert run.leads()["ana"].aliases == ["visitor"]
    assert (run.events, run.reasons, run.fired) == (6, {"not_json": 1}, {"visit": 3, "demo": 1})


def test_a_trial_counts_stages_alerts_and_scores_at_the_time_of_the_last_event() -> None:
    trial = try_out(played(*EVENTS), 2)
    (card,) = trial.cards

    assert (trial.leads, trial.rejected, trial.last_at[:10]) == (3, {"not_json": 1}, "2026-02-04")
    assert [(s.name, s.inside, s.entered, s.alerts) for s in card.stages] == [("warm", 1, 1, 0), ("hot", 1, 1, 1)]
    assert card.bands == ((0, 1), (10, 1), (20, 0), (30, 0), (40, 0), (50, 0), (60, 1))
    assert [(row["lead_id"], row["score"]) for row in card.top] == [("ana", 60), ("ben", 10)]


def test_a_trial_names_signals_that_never_counted_and_fit_lines_that_never_held() -> None:
    (card,) = try_out(played(*EVENTS), 2).cards

    assert card.never_fired == ("never",)
    assert [line.trait for line in card.never_held] == ["country"]


def test_a_trial_has_the_accounts_with_the_scores_of_their_leads() -> None:
    accounts = "accounts: {key: company, stages: [{name: target, enter: 65, leave: 40, label: Target}]}"
    run = MemoryRun(Rules(load(CARD.replace("label: Everybody", accounts))))
    traits = {"ana": "Acme", "ben": "ACME", "cat": "Globex"}
    calls = [
        a_call(10 + i, 30, type="identify", userId=user, traits={"company": company})
        for i, (user, company) in enumerate(traits.items())
    ]
    run.play([*EVENTS, *calls])
    found = try_out(run, 5).cards[0].accounts
    assert found is not None
    assert (found.accounts, found.leads, found.stages[0].accounts) == (2, 3, 1)
    rows = [(row["account"], row["score"], row["stage"], row["leads"]) for row in found.top]
    assert rows == [("acme", 70, "target", 2), ("globex", 0, None, 1)]
    assert found.says == "leads with the same company are one account; its score is the scores of its leads added"


def test_a_signal_of_several_days_counts_only_for_a_lead_with_so_many() -> None:
    days = CARD.replace("half_life: 7d", "limit: 1/day, window: 7d, at_least: 3")
    visits = [a_call(number, 2 * number, type="page", userId="ana") for number in range(3)]
    later = [a_call(number, 20 * number, type="page", userId="ben") for number in range(3, 6)]
    run = MemoryRun(Rules(load(days)))
    run.play(later)
    assert try_out(run, 1).cards[0].never_fired == ("visit", "demo", "never")
    run.play(visits)
    assert try_out(run, 1).cards[0].never_fired == ("demo", "never")


def test_exported_events_arrive_when_they_were_received_or_sent(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(
        '{"timestamp": "2026-03-03T00:00:00Z"}\n\nnot json\n{"timestamp": "2026-03-01T00:00:00Z"}\n'
        '{"timestamp": "2026-03-01T00:00:00Z", "sentAt": "2026-03-02T00:00:00Z"}\n'
        '{"timestamp": "2026-03-01T00:00:00Z", "receivedAt": "2026-03-05T00:00:00Z"}\n'
    )
    first, second, third, unreadable, fourth = read_events(file)

    days = [(source.arrival_ms - 1_772_323_200_000) / DAY_MS for source in (first, second, third, unreadable, fourth)]
    assert days == [0, 1, 2, 2, 4]
    assert unreadable.value == b"not json"


def test_leads_to_which_a_scorecard_does_not_apply_are_left_out() -> None:
    run = MemoryRun(Rules(load(CARD.replace("    label: Everybody\n", "    applies_to: {title: CTO}\n"))))
    run.play(EVENTS)
    (card,) = try_out(run, 5).cards

    assert [row["lead_id"] for row in card.top] == ["ana"]
    assert card.bands == ((60, 1),)


def test_the_values_of_traits_show_why_a_scorecard_applies_to_nobody() -> None:
    run = MemoryRun(Rules(load(CARD.replace("    label: Everybody\n", "    applies_to: {title: CEO}\n"))))
    run.play(EVENTS)
    (card,) = try_out(run, 5).cards

    assert (card.applies, card.applies_to) == (0, "title is CEO")
    assert card.found_traits == {"title": [("missing", 2), ("CTO", 1)]}


# The command ---------------------------------------------------------------------------------------------------


def run_try(*args: str) -> Result:
    return CliRunner().invoke(build(), ["try", *args])


@pytest.fixture
def card(tmp_path: Path) -> str:
    file = tmp_path / "card.yaml"
    file.write_text(CARD)
    return str(file)


def test_the_command_shows_leads_with_reasons_and_what_never_happened(card: str, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(source.value or b"" for source in EVENTS))
    shown = run_try(card, "--events", str(events)).stdout

    assert "6 events (" in shown
    assert "Ana, CTO" in shown
    assert "demo +40.0, title +20.0" in shown
    assert "signals that never counted: Fax received" in shown
    assert "holds for no lead: From the sea, if country is Atlantis (+99)" in shown


def test_the_command_shows_why_a_lead_with_the_score_is_not_in_the_stage(card: str, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(source.value or b"" for source in EVENTS))
    Path(card).write_text(CARD.replace("leave: 30,", "leave: 30, needs: {engagement: 60}, "))
    assert "not hot: engagement 40.5 of 60" in run_try(card, "--events", str(events)).stdout

    Path(card).write_text(CARD.replace("    label: Everybody\n", "    applies_to: {title: CEO}\n"))
    shown = run_try(card, "--events", str(events)).stdout
    assert "applies to 0 of 3 leads: if title is CEO\n  title of the leads: missing 2, CTO 1" in shown


def test_own_events_may_be_compressed_in_several_files_or_the_input(card: str, tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    lines = [source.value or b"" for source in EVENTS]
    plain.write_bytes(b"\n".join(lines[:3]))
    packed.write_bytes(gzip.compress(b"\n".join(lines[3:])))
    shown = run_try(card, "--events", str(packed), "--events", str(plain)).stdout
    assert f"6 events ({packed} and 1 more), 3 leads, 2026-01-05 to 2026-02-04" in shown
    assert "6 events (" in run_try(card, "--events", f"{tmp_path}/*.jsonl*").stdout
    given = CliRunner().invoke(build(), ["try", card, "--events", "-"], input=gzip.compress(b"\n".join(lines)))
    assert "6 events (the standard input), 3 leads" in given.stdout


def test_own_events_may_be_in_parquet(card: str, tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "events.parquet"
    parquet.write_table(pyarrow.table({"payload": [(source.value or b"").decode() for source in EVENTS[:5]]}), file)
    assert f"5 events ({file}), 3 leads" in run_try(card, "--events", str(file)).stdout


@pytest.mark.parametrize("option", [("--demo",), ("--generate", "5000"), ("--seed", "1")])
def test_own_events_and_options_of_generated_ones_are_refused(card: str, option: tuple[str, ...]) -> None:
    refused = run_try(card, "--events", "events.jsonl", *option)
    assert refused.exit_code == Exit.USAGE
    assert "--events names your own" in " ".join(refused.stderr.replace("│", " ").split())


@pytest.mark.parametrize("options", [["--demo"], []])
def test_generated_events_are_the_same_for_a_seed_and_everything_is_in_the_json(card: str, options: list[str]) -> None:
    first, second, other = (
        json.loads(run_try(card, *options, "--generate", "300", "--seed", seed, "--json").stdout) for seed in "112"
    )
    assert first == second != other
    assert first["events"] == 300
    assert {"stages", "bands", "top", "never_fired", "never_held"} <= set(first["cards"][0])


def test_files_that_cannot_be_used_are_refused(card: str, tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty.jsonl", tmp_path / "broken.yaml"
    empty.touch()
    broken.write_text("leadglow: 2\n")

    nothing = run_try(card, "--events", str(empty))
    assert (nothing.exit_code, nothing.stderr) == (Exit.CHECK_FAILED, f"leadglow: {empty} has no events.\n")
    empty.write_text("?\n?\n")
    nothing = run_try(card, "--events", str(empty))
    assert nothing.exit_code == Exit.CHECK_FAILED
    assert "has no event that can be scored: 2 events rejected: not_json 2." in nothing.stderr
    empty.write_text("[{}]")
    assert "write one event on each line" in run_try(card, "--events", str(empty)).stderr
    assert run_try(card, "--events", str(tmp_path / "missing.jsonl")).exit_code == Exit.REFUSED
    assert run_try(str(broken)).exit_code == Exit.CHECK_FAILED
