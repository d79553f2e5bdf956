"""The command, its report and its JSON, over small exports."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.backtest.plots import Bar, Mark, draw_bars, round_up
from app.backtest.report import day, number, percent, render_report, summary_lines
from app.cli.root import build
from streams.exits import Exit
from tests.unit.test_backtest import CARD, at, event

NAME = '<b onclick="x()">Ana & Co</b>'
EVENTS = [
    event("ana", at(0), "Demo Requested"),
    event("ana", at(1), "Opportunity Won"),
    event("ben", at(2)),
    event("ben", at(3), "Opportunity Lost"),
]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scorecard and an export, in the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "card.yaml").write_text(CARD.replace("points:", f"label: '{NAME}'\n    points:", 1))
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in [*EVENTS, NAME]))
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(build(), ["backtest", *args], env={"LEADGLOW_ACCELERATOR": "off"})


def run_on_export(*args: str) -> Result:
    return run("card.yaml", "--input", "events.jsonl", *args)


def as_json(*args: str) -> Any:
    result = run_on_export("--json", *args)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_hours_give_no_rate_of_a_week(files: Path) -> None:
    result = run_on_export("--from", "2026-01-05T00:00:00Z", "--to", "2026-01-05T22:00:00Z")
    assert re.search(r"hot: \d entries; \d alerts in all$", result.stdout, re.MULTILINE)


def test_the_summary_names_the_figures_and_what_could_not_be_read(files: Path) -> None:
    result = run_on_export("--capacity", "5")
    assert result.exit_code == 0, result.output
    assert "4 events of 2 leads, 2026-01-05 to 2026-01-08" in result.stdout
    assert "1 could not be read: 1 not_an_object" in result.stdout
    assert f"line 5: the value is JSON, but not an object: {json.dumps(NAME)}" in result.stdout
    assert "hot: 1 entries, 2.33 a week; 2 alerts in all, 4.67 a week" in result.stdout
    assert "1 won and 1 lost; in hot before: precision \N{EN DASH}, recall 0%" in result.stdout
    assert "report written to backtest.html" in result.stdout


def test_the_terminal_and_the_report_use_the_label_of_a_stage(files: Path) -> None:
    card = files / "card.yaml"
    card.write_text(card.read_text().replace("name: hot,", "name: hot, label: Ready for sales,"))
    shown, report = run_on_export().stdout, (files / "backtest.html").read_text()
    assert "Ready for sales: 1 entries" in shown
    assert "lost; in Ready for sales before:" in shown
    assert "in Ready for sales just before" in report
    assert "in hot" not in shown + report


def test_json_has_everything_and_writes_no_report(files: Path) -> None:
    found = as_json("--against", "card.yaml")
    assert (found["events"], found["leads"], found["from"], found["to"]) == (
        4, 2, "2026-01-05T00:00:00.000Z", "2026-01-08T00:00:00.000Z",
    )  # fmt: skip
    assert [(alert["lead_id"], alert["kind"], alert["stage"]) for alert in found["alerts"]] == [
        ("ana", "entered", "hot"), ("ana", "left", "hot"),
    ]  # fmt: skip
    assert found["agreement"]["main"]["same_stage"] == 1
    assert found["against"]["version"] == found["version"]
    assert found["unreadable"]["count"] == 1
    signals = found["scorecards"]["main"]["outcomes"]["signals"]["signals"]
    assert {each["name"]: (each["won"], each["lost"]) for each in signals} == {"demo": (1, 0), "view": (0, 1)}
    assert not (files / "backtest.html").exists()


class Reader(HTMLParser):
    """Collects tags, addresses and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "srcset", "action")]
        if tag not in ("meta", "link", "br", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read_report(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text())
    assert reader.open == []
    return reader


def test_the_report_needs_nothing_else_and_shows_texts_as_they_are(files: Path) -> None:
    assert run_on_export("--report", "own.html", "--capacity", "5", "--against", "card.yaml").exit_code == 0
    html, report = (files / "own.html").read_text(), read_report(files / "own.html")
    assert report.addresses == []
    assert "script" not in report.seen
    assert "b onclick" not in report.seen
    assert NAME in report.text
    assert not re.search(r"url\(|@import|https?:", html)
    assert report.seen.count("svg") == 5  # the logo and four plots
    assert report.seen.count("details") == 4
    for text in (
        "Leads by week",
        "Won by tenth",
        "Won by score",
        "Agreement with the other file",
        "How this was measured",
    ):
        assert text in report.text


def test_the_report_without_outcomes_explains_how_to_name_them(files: Path) -> None:
    assert run_on_export("--outcome", "Signed", "--lost", "Gone").exit_code == 0
    assert "No lead has an event Signed, Gone" in read_report(files / "backtest.html").text


def test_a_range_in_days_and_relative_times(files: Path) -> None:
    assert as_json("--from", "2026-01-06", "--to", "2026-01-07")["events"] == 2
    assert as_json("--to", "2026-01-06T00:00:00Z")["events"] == 2
    for args in (("--from", "1d"), ("--to", "2025-12-24")):
        result = run_on_export(*args)
        assert result.exit_code == Exit.CHECK_FAILED
        assert "events.jsonl has no events" in result.output
    assert "is not a time" in run_on_export("--from", "yesterday").output


def test_a_range_that_ends_before_it_begins_is_refused(files: Path) -> None:
    result = run_on_export("--from", "2026-01-08", "--to", "2026-01-05")
    assert result.exit_code == Exit.USAGE
    assert "2026-01-08 is after --to 2026-01-05" in result.output


def test_outcomes_that_do_not_occur_are_named(files: Path) -> None:
    shown = run_on_export("--outcome", "Nope", "--lost", "Neither").stdout
    assert "no outcomes: there is no event Nope or Neither; name others with --outcome and --lost" in shown


def test_a_published_version_is_named_once(files: Path) -> None:
    result = as_json("--against", "card.yaml", "--capacity", "1")
    version = result["against"]["version"][:12]
    report = render_report(result | {"against": result["against"] | {"file": f"version 9 ({version})"}})
    assert f"compared with version 9 ({version})." in re.sub(r"\s+", " ", report)
    capacity = result["scorecards"]["main"]["capacity"] | {"weeks_over": 1}
    result["scorecards"]["main"]["capacity"] = capacity
    assert any("exceeded in 1 week, longest" in line for line in summary_lines(result))


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        (("missing.yaml", "--input", "events.jsonl"), Exit.CHECK_FAILED, "missing.yaml"),
        (("card.yaml", "--input", "missing.jsonl"), Exit.REFUSED, "missing.jsonl cannot be read: No such file"),
        (("card.yaml", "--input", "."), Exit.REFUSED, ". cannot be read: Is a directory"),
        (("card.yaml", "--input", "card.yaml"), Exit.CHECK_FAILED, "could not be read:"),
        (("card.yaml", "--input", "broken.parquet"), Exit.REFUSED, "broken.parquet cannot be read as Parquet"),
        (("card.yaml", "--input", "events.jsonl", "--report", "no/where.html"), Exit.UNWRITTEN, "no/where.html"),
    ],
)
def test_mistakes_are_sentences(files: Path, args: tuple[str, ...], status: Exit, text: str) -> None:
    (files / "broken.parquet").write_bytes(b"PAR1 and no more")
    result = run(*args)
    assert result.exit_code == status
    assert text in result.output
    assert "Traceback" not in result.output


def test_a_parquet_file_gives_the_same_as_its_json_lines(files: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    expected = as_json()
    whole = pyarrow.table({"payload": [json.dumps(each) for each in EVENTS]})
    columns = pyarrow.table(
        {
            "type": [each["type"] for each in EVENTS],
            "event": [each.get("event") for each in EVENTS],
            "user_id": [each["userId"] for each in EVENTS],
            "message_id": [each["messageId"] for each in EVENTS],
            "timestamp": pyarrow.array([at(i) for i in range(4)], pyarrow.timestamp("ms", "UTC")),
            "properties": ['{"url": "/"}'] * 4,
            "context.page.path": ["/"] * 4,
        }
    )
    for table in (whole, columns):
        parquet.write_table(table, files / "events.parquet")
        result = run("card.yaml", "--input", "events.parquet", "--json")
        found = json.loads(result.stdout)
        assert found["alerts"] == expected["alerts"]
        assert found["scorecards"] == expected["scorecards"]
        assert found["input"] == "events.parquet"


# Plots and texts ------------------------------------------------------------------------------------------------


def test_a_scale_ends_at_a_round_number() -> None:
    assert [round_up(value) for value in (0, 0.03, 0.63, 1, 1.1, 3, 20, 21, 149, 5000, 5001)] == [
        1, 0.05, 1, 1, 2, 5, 20, 25, 200, 5000, 10000,
    ]  # fmt: skip


def test_bars_are_as_high_as_their_values_and_their_texts_are_escaped() -> None:
    svg = draw_bars([Bar("a<", 50, "half & half"), Bar("b", None, "none"), Bar("c", 100, "all")], "<plot>", number)
    heights = [float(height) for height in re.findall(r'<rect[^>]*height="([\d.]+)"', svg)]
    assert len(heights) == 2
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert 'aria-label="&lt;plot&gt;"' in svg
    assert "<title>half &amp; half</title>" in svg
    assert "a&lt;" in svg


def test_marks_are_within_the_plot() -> None:
    svg = draw_bars([Bar("a", 3, "")], "plot", number, [Mark(40, "capacity 40")])
    assert "capacity 40" in svg
    assert ">50<" in svg  # the scale is higher


def test_many_bars_have_few_labels() -> None:
    svg = draw_bars([Bar(f"w{i}", i, "") for i in range(60)], "plot", number)
    assert len(re.findall(r">w\d+<", svg)) <= 6


def test_numbers_shares_and_days() -> None:
    assert [number(value) for value in (1234.5, 0, -0.001, -2, None)] == [
        "1,234.5",
        "0",
        "0",
        "\N{MINUS SIGN}2",
        "\N{EN DASH}",
    ]
    assert [percent(share) for share in (0, 0.014, 0.634, 1, None)] == ["0%", "1.4%", "63%", "100%", "\N{EN DASH}"]
    assert day("2026-01-05T00:00:00.000Z") == day("2026-01-05") == "5 Jan 2026"
