"""Dashboards: each panel asks for metrics that exist, and has its own place."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from app.cli.metrics_reference import stored_names
from tests.unit.test_alert_rules import RULES, SUFFIX

FOLDER = Path(__file__).parents[2] / "deploy/grafana/dashboards"
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(board: Any) -> list[Any]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def test_there_are_three_dashboards() -> None:
    assert set(BOARDS) == {"overview", "pipeline", "scoring"}
    assert len({board["uid"] for board in BOARDS.values()}) == 3


@pytest.mark.parametrize("name", BOARDS)
def test_panels_ask_for_metrics_that_exist(name: str) -> None:
    known = {name for name, _, _ in stored_names()} | {rule["record"] for rule in RULES if "record" in rule}
    queries = [target["expr"] for panel in panels(BOARDS[name]) for target in panel["targets"]]
    used = {SUFFIX.sub("", each) for query in queries for each in re.findall(r"\bleadglow[\w:]+", query)}

    assert len(used) > 10
    assert used - known == set()


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_ids_and_places_of_their_own(name: str) -> None:
    found = BOARDS[name]["panels"]
    places = [
        {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        for at in (panel["gridPos"] for panel in found)
    ]

    assert len({panel["id"] for panel in found}) == len(found)
    assert not any(one & other for one, other in combinations(places, 2))
    assert all(x < 24 for place in places for x, _ in place)


@pytest.mark.parametrize("name", BOARDS)
def test_legends_name_labels_that_the_query_keeps(name: str) -> None:
    for panel in panels(BOARDS[name]):
        for target in panel["targets"]:
            named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            kept = [set(re.split(r",\s*", labels)) for labels in re.findall(r"\bby \((.*?)\)", target["expr"])]
            assert all(named <= labels for labels in kept), panel["title"]


def test_tables_show_labels_without_what_every_row_has_in_common() -> None:
    tables = [panel for board in BOARDS.values() for panel in panels(board) if panel["type"] == "table"]

    assert tables
    for panel in tables:
        (change,) = panel["transformations"]
        assert change["id"] == "organize"
        assert set(change["options"]["excludeByName"]) == {"Time", "Value", "__name__"}


def test_a_clock_that_is_behind_is_in_the_picture() -> None:
    (clock,) = (
        panel
        for panel in panels(BOARDS["pipeline"])
        if any("leadglow_clock_offset_seconds" in target["expr"] for target in panel["targets"])
    )

    assert "min" not in clock["fieldConfig"]["defaults"]


def test_how_often_something_happened_is_a_whole_number() -> None:
    counts = [
        panel
        for board in BOARDS.values()
        for panel in panels(board)
        if panel["type"] != "timeseries" and any("increase(" in target["expr"] for target in panel["targets"])
    ]

    assert len(counts) > 5
    assert {panel["fieldConfig"]["defaults"].get("decimals") for panel in counts} == {0}


def test_leads_by_score_are_ordered_by_number_not_by_text() -> None:
    (bars,) = (panel for panel in panels(BOARDS["scoring"]) if panel["title"] == "Leads by score")
    converted, sorted_first = bars["transformations"][:2]

    assert converted["options"]["conversions"] == [{"targetField": "from", "destinationType": "number"}]
    assert sorted_first == {"id": "sortBy", "options": {"sort": [{"field": "from"}]}}
    assert bars["targets"][0]["format"] == "table"
    assert bars["options"]["reduceOptions"]["values"]
