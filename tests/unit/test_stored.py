"""What older programs stored is read as they meant it."""

import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.lead_views import lead_view
from streams.implementation import Implementation
from streams.scorefile import load_file
from streams.scoring.lead import MAX_IDS, UNKNOWN_OFFSET, Lead
from streams.scoring.rules import Rules
from streams.scoring.stored import VERSION, DamagedBlob, NewerFormat, decode, encode

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
def test_a_lead_of_an_older_format_is_read_unchanged(path: Path) -> None:
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


def row(**changes: Any) -> bytes:
    """The stored form of a lead with one recent event and one older message id, with some parts replaced."""
    parts: dict[str, Any] = {
        "version": VERSION, "base": AT_MS, "clock": 0, "first_seen": 0, "last_seen": 0, "signals": [7, 8],
        "amount": [1.0, 2.0], "ref": [0, 0], "count": [1, 2], "ring": b"abcdef", "recent": b"uvwxyz" + bytes(10),
        "sets": [[0, 1]], "known": True, "latches": {}, "traits": {}, "ledgers": {}, "aliases": [], "touches": [],
        "erased_at": 0, "details": {},
    }  # fmt: skip
    return msgspec.msgpack.encode(list({**parts, **changes}.values()))


DAMAGES = {
    "empty": b"",
    "one byte": b"\x9d",
    "no array": msgspec.msgpack.encode({"a": 1}),
    "no version": msgspec.msgpack.encode(["x"]),
    "version 0": row(version=0),
    "cut": row()[:-9],
    "longer": row() + b"\0",
    "half an older id": row(ring=b"abcdefg"),
    "too many older ids": row(ring=bytes(6 * (MAX_IDS + 1))),
    "half a recent event": row(recent=b"uvwxyz" + bytes(11)),
    "too many recent events": row(recent=bytes(16 * 61)),
    "an event of no set": row(recent=b"uvwxyz" + bytes(9) + b"\x01"),
    "a set of no signal": row(sets=[[0, 2]]),
    "a set of a wide signal": row(sets=[[-(2**33)]]),
    "a set twice": row(sets=[[0, 1], [0, -9]]),
    "a set of text": row(sets=[["0"]]),
    "a signal without an amount": row(amount=[1.0]),
    "a signal without a time": row(ref=[0]),
    "a signal without a count": row(count=[1]),
    "a signal twice": row(signals=[7, 7]),
    "a wide signal": row(signals=[7, 2**32]),
    "a negative signal": row(signals=[7, -1]),
    "no number": row(amount=[1.0, float("nan")]),
    "infinite": row(amount=[1.0, float("inf")]),
    "a wide time": row(ref=[0, 2**63]),
    "a far base": row(base=2**62),
    "a wide count": row(count=[1, 2**63]),
    "text for bytes": row(ring="abcdef"),
    "a ledger without entries": row(ledgers={7: [0.0, 0]}),
    "a short entry": row(ledgers={7: [[[0, "", 1]], 0.0, 0]}),
    "seen last before first": row(first_seen=1),
    "entries out of order": row(ledgers={7: [[[5, "", 1, 0], [0, "", 1, 0]], 0.0, 0]}),
    "a wide time in a ledger": row(ledgers={7: [[[2**63, "", 1, 0]], 0.0, 0]}),
    "a negative hash": row(ledgers={7: [[[0, "", 1, -1]], 0.0, 0]}),
    "a short detail": row(details={b"x" * 15: ["", 1, 0]}),
    "a trait without a time": row(traits={"title": ["CTO"]}),
    "a short touch": row(touches=[[0, "google"]]),
    "a deep trait": row(traits={"title": [None, 0, "m"]}).replace(b"\xc0", b"\x91" * 100_000 + b"\xc0"),
    "no UTF-8": row(aliases=["name"]).replace(b"name", b"na\xff\xff"),
    "half an event of version 2": msgspec.msgpack.encode(
        [2, AT_MS, 0, 0, 0, [7], [1.0], [0], [1], b"", bytes(17), True]
    ),
    "a redirect to nobody": msgspec.msgpack.encode([-1]),
    "an erasure without a time": msgspec.msgpack.encode([-2, "now"]),
}


def test_a_whole_row_is_read() -> None:
    lead = decode(row())
    assert isinstance(lead, Lead)
    assert lead.remembered() == [(b"uvwxyz", 0, (7, 8), 0)]


def test_events_of_version_3_have_no_known_offset() -> None:
    old = row(version=3, recent=b"uvwxyz" + bytes(6))
    lead = decode(old)
    assert isinstance(lead, Lead)
    assert lead.remembered() == [(b"uvwxyz", 0, (7, 8), UNKNOWN_OFFSET)]
    with pytest.raises(DamagedBlob, match="16 bytes of recent events"):
        decode(row(version=3))


@pytest.mark.parametrize("blob", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_lead_is_refused(blob: bytes, implementation: Implementation) -> None:
    scorer = implementation.scorer(RULES, lambda lead_id: True)
    with pytest.raises(DamagedBlob, match="the stored form of a lead is damaged: "):
        scorer.put_lead("ana", blob)
    assert not scorer.knows("ana")


def test_ids_that_older_programs_kept_are_kept(implementation: Implementation) -> None:
    """More older message ids than are kept today."""
    scorer = implementation.scorer(RULES, lambda lead_id: True)
    scorer.put_lead("ana", row(ring=bytes(range(128)) * 6))
    lead = scorer.state("ana")
    assert isinstance(lead, Lead)
    assert lead.ring == bytes(range(128)) * 6


@pytest.mark.parametrize("error", [NewerFormat(9), DamagedBlob("its first value is ff")])
def test_errors_keep_their_message_on_the_way_from_another_process(error: ValueError) -> None:
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
