"""What older programs stored is read as they meant it."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.lead_views import lead_view
from streams.scorefile import load_file
from streams.scoring.lead import Lead
from streams.scoring.rules import Rules
from streams.scoring.stored import VERSION, NewerFormat, decode, encode

DATA = Path(__file__).parents[1] / "data"
RULES = Rules(load_file(DATA / "scorecards/golden.yaml"), 72 * 3_600_000)
AT_MS = 1_768_500_000_000
VERSIONS = sorted((DATA / "stored").glob("v*.hex"))
"""The same lead, as the program of each version of the format stored it."""


def stored(path: Path) -> Lead:
    lead = decode(bytes.fromhex(path.read_text().strip()))
    assert isinstance(lead, Lead)
    return lead


def view(lead: Lead) -> dict[str, Any]:
    return lead_view("ana", lead, RULES, AT_MS)


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_a_lead_of_an_older_format_is_what_it_was(path: Path) -> None:
    lead = view(stored(path))
    card = lead["scorecards"]["default"]

    assert lead["traits"] == {"title": "CTO", "employees": 450, "email": "ana@a.example"}
    assert (card["exact"], card["stage"]) == (96.20651841, "qualified")
    assert lead == view(stored(VERSIONS[-1]))


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_a_lead_of_an_older_format_is_written_anew_without_loss(path: Path) -> None:
    again = decode(encode(stored(path)))

    assert isinstance(again, Lead)
    assert view(again) == view(stored(path))


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(NewerFormat, match=f"version {VERSION + 1}"):
        decode(msgspec.msgpack.encode([VERSION + 1, 0]))
