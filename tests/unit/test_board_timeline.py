"""Recent activity: what each event was, why that is not known, and what a role may see of it."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from app.board.id_cipher import IdCipher
from app.board.masking import FULL, HIDDEN, VIEWER, Mask
from app.board.timeline import build_timeline, describe_event
from app.cli.lead_activity import render_activity
from app.event_log import Found
from app.notify.kinds.summary import summarize
from streams.events.activity import name_event
from streams.scoring.lead import UNKNOWN_OFFSET, Lead, id_hash
from streams.scoring.replay import Replay
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal
from tests.properties.strategies import START_MS, Fact
from tests.support.receivers import alert_of

GUIDE = Signal("download", ("Downloaded",), label="Downloaded", show=("properties.title", "traits.name"))
CARD = Scorecard("card", {"download": Points(10.0)})
RULES = Rules(Model((GUIDE,), (CARD,)))
CALL = {
    "type": "track", "event": "Downloaded", "traits": {"name": "Ana"},
    "properties": {
        "title": "Pricing guide", "path": "/guide", "value": 1200, "currency": "EUR", "subject": "for ana@acme.example",
        "fields": {"phone": "+49 30 1234567"},
    },
}  # fmt: skip


def rows(found: Found | None, offset: int = 7) -> list[dict[str, Any]]:
    replay = Replay(RULES)
    replay.play(Fact("Downloaded", "m", START_MS).event(RULES, START_MS, "u"), offset)
    replay.end_step()
    lead = replay.state("u")
    assert isinstance(lead, Lead)
    return build_timeline(lead, RULES, found)


READ = Found({id_hash("m"): CALL})


def test_an_event_is_shown_with_what_its_signal_names() -> None:
    (row,) = rows(READ)
    assert (row["event"], row["log"], row["signals"]) == (
        "Downloaded",
        "read",
        [{"name": "download", "label": "Downloaded", "points": {"card": 10.0}}],
    )
    shown, facts = describe_event(row)
    assert shown == "Pricing guide · Ana"
    assert facts == ["/guide", "for ana@acme.example", "1,200 EUR", "phone: +49 30 1234567"]


@pytest.mark.parametrize(
    ("found", "offset", "log"),
    [
        (Found(), 7, "gone"),
        (Found(), UNKNOWN_OFFSET, "unknown"),
        (Found(failure="too_slow"), 7, "unread"),
        (Found(failure="unreachable"), UNKNOWN_OFFSET, "unknown"),
        (None, 7, "unread"),
    ],
)
def test_an_event_that_was_not_read_says_why(found: Found | None, offset: int, log: str) -> None:
    (row,) = rows(found, offset)
    assert (row["log"], row["what"]) == (log, None)
    assert describe_event(row) == ("", [])


def test_a_viewer_sees_no_personal_part_of_an_event() -> None:
    mask = Mask(IdCipher(b"secret"))
    what = rows(READ)[0]["what"]
    assert mask.mask_value(what, FULL) == what
    masked = mask.mask_value(what, VIEWER)
    assert masked == what | {"show": HIDDEN, "mail_subject": HIDDEN, "form_fields": {"phone": HIDDEN}}
    not_personal = name_event(CALL, ["properties.title"])
    assert mask.mask_value(not_personal, VIEWER)["show"] == "Pricing guide"


def test_the_command_line_shows_the_same() -> None:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(render_activity({"events": [*rows(READ), *rows(Found())], "log_failure": None}))
    text = captured.get()
    assert "Downloaded “Pricing guide · Ana”" in text
    assert "phone: +49 30 1234567" in text
    assert "no longer in the log" in text
    assert "+10" in text


def test_messages_show_what_the_events_of_an_alert_were() -> None:
    events = [
        {"at": "2026-11-24T09:05:00.000Z", "label": "Downloaded", "show": "Pricing guide\n*bold*"},
        {"at": "2026-11-24T09:04:00.000Z", "label": "Page"},
        {"at": "2026-11-24T09:03:00.000Z", "event": "identify"},
    ]
    assert summarize(alert_of(activity={"events": events})).activity == (
        "2026-11-24 09:05 UTC Downloaded “Pricing guide *bold*”",
        "2026-11-24 09:04 UTC Page",
        "2026-11-24 09:03 UTC identify",
    )
