"""`leadglow scorecards diff`: the effect on stored leads, the report and what people read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from app.cli import scorecards_diff
from app.cli.publish import describe_silence
from app.cli.root import build
from app.cli.scorecards_report import NONE, print_report
from app.scorecards.report import report_change
from streams import live_effect
from streams.live_effect import measure_store
from streams.scorefile import load
from streams.scoring.effect import Effect, measure_effect
from streams.scoring.rules import Rules
from streams.store.memory import MemoryStore
from tests.properties.strategies import START_MS, Fact
from tests.support.board_in_memory import PARTITIONS, Shards

FILE = """
leadglow: 1
signals:
  view: {event: page, half_life: never}
  ask:  {event: Asked, half_life: never}
scorecards:
  default:
    label: Whole company
    points: {view: 1, ask: 10}
    categories:
      intent: {signals: [ask], max: 35}
    fit:
      - {trait: title, when: CTO, points: 5}
    range: [0, 100]
    grades: {A: 30, B: 0}
    stages:
      - {name: warm, enter: 10, leave: 5}
      - {name: hot, enter: 30, leave: 20, handoff: true}
"""
CHANGED = (
    FILE.replace("ask: 10}", "ask: 20}").replace("max: 35", "max: 50").replace("name: warm, enter: 10, leave: 5",
    "name: warm, enter: 60, leave: 50")
)  # fmt: skip
OLD, NEW = Rules(load(FILE)), Rules(load(CHANGED))


def facts(*asked: int) -> Iterator[tuple[str, Fact]]:
    """Leads ``l0``, ``l1``, … that asked so often, and looked once."""
    for number, times in enumerate(asked):
        yield f"l{number}", Fact("page", f"v{number}", START_MS, traits={"title": "CTO"})
        yield from ((f"l{number}", Fact("Asked", f"a{number}-{i}", START_MS)) for i in range(times))


def shards(*asked: int) -> MemoryStore:
    """A store with these leads."""
    found = asyncio.run(Shards(OLD).take(*facts(*asked)))
    assert isinstance(found.store, MemoryStore)
    return found.store


def report_on(*asked: int, new: Rules = NEW) -> dict[str, Any]:
    effect = asyncio.run(measure_store(shards(*asked), PARTITIONS, OLD, new, START_MS))
    return report_change(OLD, new, effect, START_MS)


def printed(report: dict[str, Any], capsys: pytest.CaptureFixture[str], quiet: bool = False) -> str:
    print_report(report, Console(width=120, highlight=False), quiet)
    return "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())


def test_the_report_has_the_effect_on_stages_scores_and_alerts() -> None:
    report = report_on(0, 1, 2, 3)
    assert (report["leads"], report["alerts"]) == (4, 1)
    card = report["scorecards"]["default"]
    assert (card["risen"], card["fallen"]) == (3, 0)
    assert card["scores"] == [
        {"from": 6, "before": 1, "after": 1},
        {"from": 16, "before": 1, "after": 0},
        {"from": 26, "before": 1, "after": 1},
        {"from": 36, "before": 1, "after": 0},
        {"from": 46, "before": 0, "after": 1},
        {"from": 56, "before": 0, "after": 1},
    ]
    assert card["stages"]["hot"]["first_entered"] == ["l2"]
    assert card["stages"]["hot"]["alerts"] == {"entered": 1, "left": 0}
    warm = card["stages"]["warm"]
    assert (warm["before"], warm["after"], warm["left"], warm["first_left"]) == (3, 1, 2, ["l2", "l1"])


def test_the_reasons_of_a_mover_sum_to_its_change() -> None:
    movers = report_on(0, 1, 2, 3)["scorecards"]["default"]["movers"]
    assert [(mover["lead_id"], mover["change"]) for mover in movers] == [("l2", 20.0), ("l3", 20.0), ("l1", 10.0)]
    assert movers[1] == {
        "lead_id": "l3",
        "change": 20.0,
        "before": {"score": 36, "exact": 36.0, "grade": "A", "stage": "hot"},
        "after": {"score": 56, "exact": 56.0, "grade": "A", "stage": "hot"},
        "why": [
            {"kind": "signal", "name": "ask", "label": "", "before": 30.0, "after": 60.0, "change": 30.0,
             "change_after_caps": 20.0},
            {"kind": "cap", "name": "intent", "label": "", "before": 0.0, "after": -10.0, "change": -10.0,
             "change_after_caps": 0.0},
        ],
    }  # fmt: skip


def test_people_read_the_words_the_alerts_and_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        printed(report_on(0, 1, 2, 3), capsys)
        == f"""\
Version {OLD.version[:12]} → {NEW.version[:12]}

Scorecard Whole company
  ~ ask  points 10 → 20
  ~ category intent  at most 35 → 50
  ~ stage warm  entered from 10 → 60, left below 5 → 50

If it is published now, for 4 leads
1 alert would be sent: 1 enters hot.

default: Whole company
3 scores rise, 0 fall, 1 stay; average 21 → 33.5.

stage  now  then  enter  leave  alerts  first leads
warm     3     1      {NONE}      2       {NONE}  leave: l2, l1
hot      1     2      1      {NONE}       1  enter: l2

   score  now                            then
50 to 59    {NONE}                               1  ████████████████████████
40 to 49    {NONE}                               1  ████████████████████████
30 to 39    1  ████████████████████████     {NONE}
20 to 29    1  ████████████████████████     1  ████████████████████████
10 to 19    1  ████████████████████████     {NONE}
  0 to 9    1  ████████████████████████     1  ████████████████████████

largest changes    score     by  stage       why
l2               26 → 46  +20.0  warm → hot  ask +20.0
l3               36 → 56  +20.0  hot         ask +20.0
l1               16 → 26  +10.0  warm → {NONE}    ask +10.0"""
    )


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("half_life: never}\n  ask", "half_life: 7d}\n  ask", "view starts at 0 for every lead"),
        ("event: Asked,", "event: Requested,", "ask counts new events by the new rule"),
        ("event: Asked,", "limit: 1/day, event: Asked,", "under another name, and run `leadglow rebuild --backfill`"),
        (", handoff: true", ", blocked_by: [{signal: view, for: 7d}]", "a block, needs events of view"),
        ("      - {name: hot, enter: 30, leave: 20, handoff: true}\n", "", "1 alert would be sent: 1 leaves hot."),
        ("  default:\n", "  other:\n", "The scorecard is removed."),
        ("label: Whole company", "label: '[red]'", "default: [red]"),
        ("range: [0, 100]", "range: [0, 100000]", "No score changes; the average is 21."),
    ],
)  # fmt: skip
def test_people_are_told_what_a_change_means(old: str, new: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert old in FILE
    assert line in printed(report_on(0, 1, 2, 3, new=Rules(load(FILE.replace(old, new, 1)))), capsys)


def test_leads_and_signals_go_by_their_names_and_equal_changes_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    named = [(f"l{i}", Fact("page", f"v{i}", START_MS, traits={"name": f"Ann {i}"})) for i in range(5)]
    text = FILE.replace("{view: 1", "{view: 9").replace("page, half_life: never", "page, half_life: 9d, label: Visit")
    new = Rules(load(text))
    store = asyncio.run(Shards(OLD).take(*named)).store
    report = report_change(OLD, new, asyncio.run(measure_store(store, PARTITIONS, OLD, new, START_MS)), START_MS)
    shown = printed(report, capsys)
    assert "Visit starts at 0 for every lead" in shown
    assert "5 leads like this: Ann 0, Ann 1, Ann 2, …" in shown


def test_the_stage_of_a_shadow_hands_nothing_over() -> None:
    shadow = Rules(load(FILE.replace("    label:", "    shadow: true\n    label:")))
    card = report_on(1, new=shadow)["scorecards"]["default"]
    assert not card["stages"]["hot"]["handoff"]


def test_a_quiet_change_announces_no_alert(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(report_on(0, 1, 2, 3), capsys, quiet=True)
    assert "No alert would be sent, because of --quiet. Without one, 1 enters hot." in shown
    assert describe_silence(111, quiet=True) == "; 111 leads change stages without alerts"
    assert describe_silence(111, quiet=False) == ""


SHADOW = Rules(load(FILE.replace("    label:", "    shadow: true\n    label:")))


def promoted(new: str, capsys: pytest.CaptureFixture[str], old: Rules = SHADOW) -> str:
    """What people read of a change from a shadow, under which four leads were scored."""
    store, rules = asyncio.run(Shards(SHADOW).take(*facts(0, 1, 3, 4))).store, Rules(load(new))
    effect = asyncio.run(measure_store(store, PARTITIONS, old, rules, START_MS))
    return printed(report_change(old, rules, effect, START_MS), capsys)


def test_a_promoted_shadow_names_the_leads_that_sales_will_not_hear_of(capsys: pytest.CaptureFixture[str]) -> None:
    shown = promoted(FILE, capsys)
    assert "No alert would be sent. 2 leads are in hot already, which sends alerts from now on" in shown


def test_another_name_of_the_stage_announces_the_leads_of_a_shadow(capsys: pytest.CaptureFixture[str]) -> None:
    shown = promoted(FILE.replace("name: hot", "name: ready"), capsys)
    assert "2 alerts would be sent: 2 enter ready.\n" in shown


def test_leads_that_leave_after_a_silent_entry_blame_no_cooldown(capsys: pytest.CaptureFixture[str]) -> None:
    higher = FILE.replace("enter: 30, leave: 20", "enter: 90, leave: 80")
    shown = promoted(higher, capsys, old=OLD)
    assert "No alert would be sent. 2 leave in silence, because receivers were not told of the entry.\n" in shown


def test_no_leads_are_reported_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    assert "There are no leads yet." in printed(report_on(), capsys)


def summary(effect: Effect) -> tuple[Any, ...]:
    card = effect.cards["default"]
    return effect.leads, effect.alerts, card.before, card.after, list(card.movers)


def test_processes_measure_the_same_as_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    store, seen = shards(*(number % 5 for number in range(60))), list[tuple[int, int]]()
    leads = [pair for shard in range(PARTITIONS) for pair in asyncio.run(stored_leads(store, shard))]
    monkeypatch.setattr(live_effect, "FEW", 0)
    monkeypatch.setattr(live_effect, "BATCH", 7)
    monkeypatch.setattr(live_effect, "MOST_PROCESSES", 2)
    work = measure_store(store, PARTITIONS, OLD, NEW, START_MS, lambda done, of: seen.append((done, of)))
    assert summary(asyncio.run(work)) == summary(measure_effect(leads, OLD, NEW, START_MS))
    assert seen[-1] == (60, 60)


async def stored_leads(store: MemoryStore, shard: int) -> list[tuple[str, bytes]]:
    return [pair async for pair in store.scan(shard)]


# The command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """The old and the new file."""
    for name, text in (("old.yaml", FILE), ("new.yaml", CHANGED)):
        (tmp_path / name).write_text(text)
    return str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """Leads that the command finds instead of those in Redis."""
    store = shards(0, 1, 2, 3)

    @asynccontextmanager
    async def open_store(*_: Any) -> AsyncIterator[MemoryStore]:
        yield store

    monkeypatch.setattr(scorecards_diff, "open_store", open_store)
    return store


def diff(*args: str, **env: str) -> Result:
    env = {"LEADGLOW_PARTITIONS": str(PARTITIONS), "LEADGLOW_REDIS": "redis://127.0.0.1:1", **env}
    return CliRunner().invoke(build(), ["scorecards", "diff", *args], env=env)


def test_the_command_compares_two_files_on_the_live_leads(store: MemoryStore, files: tuple[str, str]) -> None:
    result = diff(*files)
    assert result.exit_code == 0, result.output
    assert "If it is published now, for 4 leads" in result.stdout
    report = json.loads(diff(*files, "--json").stdout)
    assert (report["leads"], report["alerts"]) == (4, 1)


def test_one_file_is_compared_with_the_published_scorecards(
    store: MemoryStore, files: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[Rules | None] = [None]

    async def load_published_rules(settings: Any) -> Rules | None:
        return published[-1]

    monkeypatch.setattr("app.cli.published._load_published_rules", load_published_rules)
    old, new = files
    result = diff(new, "--json", LEADGLOW_SCORECARDS=old)
    assert result.stderr == f"Nothing is published yet: compared with {old}.\n"
    assert json.loads(result.stdout)["old_version"] == OLD.version
    published.append(NEW)
    report = json.loads(diff(new, "--json", LEADGLOW_SCORECARDS=old).stdout)
    assert (report["old_version"], report["differences"], report["alerts"]) == (NEW.version, [], 0)


def test_without_leads_no_redis_is_needed(files: tuple[str, str]) -> None:
    result = diff(*files, "--no-leads")
    assert result.exit_code == 0, result.output
    assert "stage warm  entered from 10 → 60" in result.stdout
    assert "published now" not in result.stdout
    assert "leads" not in json.loads(diff(*files, "--no-leads", "--json").stdout)


def test_a_file_with_mistakes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("leadglow: 1\n")
    result = diff(str(tmp_path / "bad.yaml"), "--no-leads")
    assert result.exit_code == 1
    assert "bad.yaml" in result.stderr
